"""`ExportFolder`: files that steps write, inside the project and nowhere else."""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from campaignctl.contacts.spreadsheet import quoted
from campaignctl.errors import ChannelError


class ExportFolder:
    """
    Writes tables below a project's folder.

    A file that is there is complete: it takes the place of an earlier one in
    one step, and a symbolic link is replaced, not followed.
    """

    def __init__(self, project: Path) -> None:
        self._project = project.resolve()

    def write(self, path: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
        """
        Write the table, and give the number of its rows.

        Raises:
            ChannelError: D123, the path leads out of the project, or cannot be written.
        """
        target = self._project / path
        try:
            folder = target.parent.resolve()
            if not folder.is_relative_to(self._project) or target.name in ("", ".."):
                raise _not_written(path, "it is outside the project's folder")
            folder.mkdir(parents=True, exist_ok=True)
            return _replaced(folder / target.name, header, rows)
        except OSError as failure:
            raise _not_written(path, failure.strerror or "it leads nowhere") from failure


def _replaced(target: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> int:
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".unfinished", dir=target.parent)
    unfinished, count = Path(name), 0
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(header)
            for row in rows:
                table.writerow([quoted(cell) for cell in row])
                count += 1
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    return count


def _not_written(path: str, why: str) -> ChannelError:
    return ChannelError("D123", f"`{path}` cannot be written: {why}", "name a path inside the project")
