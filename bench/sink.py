"""Postfix's `smtp-sink`: a server that takes every message and keeps none."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAM = Path("/usr/sbin/smtp-sink")
# More than the connections that wait to be accepted at once.
_BACKLOG = 1000
# What it writes after each message, over and over in one line.
_MESSAGES = re.compile(rb"mesg=(\d+)\r")


@dataclass(frozen=True)
class Sink:
    """A running sink."""

    port: int
    counts: Path

    @property
    def received(self) -> int:
        """How many messages it has taken until now."""
        with self.counts.open("rb") as file:
            file.seek(max(0, self.counts.stat().st_size - 200))
            found = _MESSAGES.findall(file.read())
        return int(found[-1]) if found else 0


@contextmanager
def running_sink() -> Iterator[Sink]:
    """A sink on a free port of loopback, until the end of the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    user = ["-u", "root"] if os.geteuid() == 0 else []
    with tempfile.NamedTemporaryFile() as counts:
        process = subprocess.Popen([PROGRAM, "-c", *user, f"127.0.0.1:{port}", str(_BACKLOG)], stdout=counts)
        try:
            end = time.monotonic() + 10
            while not _answers(port):
                if time.monotonic() > end:
                    raise RuntimeError("smtp-sink does not start")
                time.sleep(0.01)
            yield Sink(port, Path(counts.name))
        finally:
            process.terminate()
            process.wait()


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
