"""`Relay`: the sink of `sink.py` as a test sees it."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

_SAFETY = 60.0
_SINK = Path(__file__).with_name("sink.py")


@dataclass(frozen=True)
class Taken:
    """A message with its final dot: was it accepted, and was the line cut in place of an answer."""

    recipient: str
    message_id: str
    digest: str
    is_dropped: bool
    is_accepted: bool


class Relay:
    """A mail server process in a folder; *faults* are probabilities by name, see `sink.py`."""

    def __init__(self, folder: Path, **faults: float) -> None:
        self._ledger = folder / "accepted.ndjson"
        self._port_file = folder / "port"
        self._faults = faults
        self._seen = 0
        self.port = 0

    def __enter__(self) -> Self:
        command = [sys.executable, "-S", "-E", _SINK, self._ledger, self._port_file, json.dumps(self._faults)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        assert self._output.read(1) == b"!"
        self.port = int(self._port_file.read_text())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._input.close()
        self._output.close()

    def wait_for(self, count: int, seconds: float = _SAFETY, unless: int | None = None) -> int:
        """
        Until it has taken so many messages in all, or so long; how many it has.

        Nor longer than until the descriptor *unless* can be read: that of a
        process which has ended.
        """
        end = monotonic() + seconds
        watched = [self._output] if unless is None else [self._output, unless]
        while self._seen < count:
            ready = select.select(watched, [], [], max(0.0, end - monotonic()))[0]
            if self._output not in ready:
                break
            self._seen += len(self._output.read(65536))
        return self._seen

    def wait_for_hold(self) -> int:
        """Until it holds messages back (`holds_after`); how many it has taken."""
        return self.wait_for(int(self._faults["holds_after"]))

    def release(self) -> None:
        """Take what was held back (`holds_after`), and all that comes."""
        self._input.write(b".")

    def accepted(self) -> list[Taken]:
        """What it took since it was opened, or since `forget`, in order."""
        return [each for each in self._known() if each.is_accepted]

    def breaks(self) -> int:
        """How many lines it cut after the dot."""
        return sum(each.is_dropped for each in self._known())

    def forget(self) -> None:
        """Begin anew: what was taken until now belongs to another trial."""
        self._ledger.write_text("")

    def _known(self) -> list[Taken]:
        if not self._ledger.exists():
            return []
        return [Taken(**json.loads(line)) for line in self._ledger.read_text().splitlines()]
