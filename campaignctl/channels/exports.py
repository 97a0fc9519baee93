"""`ExportFolder`: files that steps write, inside the project and nowhere else."""

from __future__ import annotations

import csv
import fcntl
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Final

from campaignctl.contacts.spreadsheet import quoted
from campaignctl.errors import ChannelError

_UNFINISHED: Final = ".unfinished"


class ExportFolder:
    """
    Writes tables below a project's folder, each beside its place.

    A file that is in its place is complete: it takes that of an earlier one in
    one step, and a symbolic link is replaced, not followed. What a process that
    died had begun is thrown away with the next file for the same place.
    """

    def __init__(self, project: Path) -> None:
        self._project = project.resolve()

    def prepare(self, path: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> PreparedFile:
        """
        Write the whole table beside its place.

        Raises:
            ChannelError: D123, the path leads out of the project, or cannot be written.
        """
        target = self._project / path
        try:
            folder = target.parent.resolve()
            if not folder.is_relative_to(self._project) or target.name in ("", ".."):
                raise _not_written(path, "it is outside the project's folder")
            folder.mkdir(parents=True, exist_ok=True)
            _clear(folder, target.name)
            return _written(path, folder / target.name, header, rows)
        except OSError as failure:
            raise _failure(path, failure) from failure


class PreparedFile:
    """A whole table on the disk, beside its place; nobody else touches it while it is open."""

    def __init__(self, path: str, target: Path, unfinished: Path, file: IO[str], written: int) -> None:
        self._path = path
        self._target = target
        self._unfinished = unfinished
        self._file = file
        self.written = written

    def put(self) -> None:
        """
        Let it take its place: when this returns, that is on the disk.

        Raises:
            ChannelError: D123, it cannot.
        """
        try:
            self._unfinished.replace(self._target)
            folder = os.open(self._target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as failure:
            raise _failure(self._path, failure) from failure

    def close(self) -> None:
        """Throw it away, unless it has taken its place."""
        self._unfinished.unlink(missing_ok=True)
        self._file.close()


def _clear(folder: Path, name: str) -> None:
    """Throw away what nobody is writing any more."""
    for left in folder.glob(f".{name}.*{_UNFINISHED}"):
        with left.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            left.unlink(missing_ok=True)


def _written(path: str, target: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> PreparedFile:
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=_UNFINISHED, dir=target.parent)
    file = os.fdopen(descriptor, "w", encoding="utf-8", newline="")
    prepared = PreparedFile(path, target, Path(name), file, 0)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        table = csv.writer(file, lineterminator="\n")
        table.writerow(header)
        for row in rows:
            table.writerow([quoted(cell) for cell in row])
            prepared.written += 1
        file.flush()
        os.fsync(file.fileno())
    except BaseException:
        prepared.close()
        raise
    return prepared


def _failure(path: str, failure: OSError) -> ChannelError:
    return _not_written(path, failure.strerror or "it leads nowhere")


def _not_written(path: str, why: str) -> ChannelError:
    return ChannelError("D123", f"`{path}` cannot be written: {why}", "name a path inside the project")
