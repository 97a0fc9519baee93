"""Records that name their fields themselves: JSON, lines of JSON, rows of a database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from campaignctl.contacts.batch import Batch, Cell, rows_at_once
from campaignctl.contacts.rejection import Reason, RejectedRow
from campaignctl.contacts.source import MAX_COLUMNS
from campaignctl.errors import WorkFailedError

# A record with the line it begins on, or what is wrong with that line.
Record = tuple[int, Mapping[str, object] | str]


class NoCellError(Exception):
    """A value that no attribute can hold."""


class RecordColumns:
    """Sorts records into columns, and adds a column when a record brings a new name."""

    def __init__(self) -> None:
        self.headers: list[str] = []
        self.text_columns: set[int] = set()
        self._places: dict[str, int] = {}

    def expect(self, name: str) -> None:
        """There is a column of this name, whatever the records bring."""
        self._place(name, None)

    def batches(self, records: Iterator[Record]) -> Iterator[Batch]:
        while some := list(islice(records, rows_at_once(len(self.headers)))):
            yield self._batch(some)

    def _batch(self, records: list[Record]) -> Batch:
        lines: list[int] = []
        rows: list[dict[int, str]] = []
        rejected: list[RejectedRow] = []
        for line, record in records:
            try:
                row = self._row(record)
            except NoCellError as failure:
                rejected.append(RejectedRow(line, "", Reason.NOT_A_RECORD, str(failure)))
            else:
                lines.append(line)
                rows.append(row)
        columns: list[list[Cell]] = [[row.get(place) for row in rows] for place in range(len(self.headers))]
        return Batch(lines, columns, rejected)

    def _row(self, record: Mapping[str, object] | str) -> dict[int, str]:
        if isinstance(record, str):
            raise NoCellError(record)
        cells = {name: _cell(name, value) for name, value in record.items()}
        return {self._place(name, record[name]): cell for name, cell in cells.items()}

    def _place(self, name: str, value: object) -> int:
        place = self._places.get(name)
        if place is None:
            if len(self.headers) >= MAX_COLUMNS:
                raise WorkFailedError("S304", f"there are more than {MAX_COLUMNS} columns", "leave some out")
            place = self._places[name] = len(self.headers)
            self.headers.append(name)
        if isinstance(value, str) and value:
            self.text_columns.add(place)
        return place


def _cell(name: str, value: object) -> str:
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case dict():
            kind = "an object"
        case list():
            kind = "an array"
        case _:
            kind = "binary data"
    raise NoCellError(f"`{name[:80]}` holds {kind}, not a single value")
