"""A file that holds every rejected row, for whoever has to mend them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from campaignctl.contacts.rejection import RejectedRow
from campaignctl.contacts.separated import separated_writer
from campaignctl.contacts.spreadsheet import quoted
from campaignctl.errors import UsageError

_HEADER = ("line", "key", "reason", "detail")


@contextmanager
def rejected_file(path: Path | None, source: Path) -> Iterator[Callable[[RejectedRow], None]]:
    """
    What writes rows into the CSV file *path*, a header first; nothing without a path.

    Raises:
        UsageError: the file cannot be written, or is the *source* itself.
    """
    if path is None:
        yield lambda _row: None
        return
    try:
        if path.exists() and source.exists() and path.samefile(source):
            raise UsageError("U105", f"`{path}` is the file to import", "name another file for the rejected rows")
        # Half of a character pair cannot be written otherwise.
        out = path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
    except OSError as failure:
        raise UsageError("U105", f"`{path}` cannot be written: {failure.strerror}", "name another file") from failure
    with out:
        writer = separated_writer(out)
        writer.writerow(_HEADER)

        def write(row: RejectedRow) -> None:
            writer.writerow([row.line, quoted(row.key), row.reason, quoted(row.detail)])

        yield write
