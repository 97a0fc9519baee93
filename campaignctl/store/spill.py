"""`SpillFile`: where results are kept when the store does not take them."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from campaignctl.flow.states import DeliveryState
from campaignctl.ports import Finished, Result
from campaignctl.store.instants import instant, stored

# Room for the results of a hundred connections, each with a long answer. It is
# taken while there is some: a full disk is when this file is needed.
_ROOM: Final = 256 * 1024


class SpillFile:
    """
    A file beside the store with the results that could not be written, one JSON object a line.

    It has its full size from the start; what is not used is zeros.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def prepare(self) -> None:
        """Take the room on the disk, and the name in the folder; what an earlier daemon left in the file stays."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, _ROOM)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def keep(self, results: Sequence[Finished]) -> None:
        """Write these, in the place of what was there; they are on the disk on return."""
        lines = b"".join(_line(result) for result in results)
        descriptor = os.open(self._path, os.O_WRONLY)
        try:
            os.pwrite(descriptor, lines + bytes(max(0, _ROOM - len(lines))), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def kept(self) -> list[Finished]:
        """What is in the file; a line that was cut off in the middle ends it."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return []
        found = []
        for line in content.rstrip(b"\0").split(b"\n")[:-1]:
            try:
                found.append(_finished(json.loads(line)))
            except (ValueError, KeyError, TypeError):
                break
        return found


def _line(finished: Finished) -> bytes:
    result = asdict(finished.result) | {"next_attempt_at": stored(finished.result.next_attempt_at)}
    written = finished._asdict() | {"at": stored(finished.at), "result": result}
    return json.dumps(written).encode() + b"\n"


def _finished(written: dict[str, Any]) -> Finished:
    result = written["result"]
    result["state"] = DeliveryState(result["state"])
    result["next_attempt_at"] = instant(result["next_attempt_at"])
    at: datetime = instant(written["at"])
    return Finished(**{**written, "at": at, "result": Result(**result)})
