"""CSV and TSV: fields between separators, with quotes around what contains one."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import islice

from campaignctl.contacts.batch import Batch, rows_at_once
from campaignctl.contacts.rejection import Reason, RejectedRow
from campaignctl.contacts.source import MAX_LINE_BYTES, Format, Source, open_text
from campaignctl.errors import WorkFailedError

Fields = list[str]


class SeparatedReader:
    """Reads a file whose first line names the columns. Blank lines are passed over."""

    is_for_spreadsheets = True

    def __init__(self, source: Source) -> None:
        self._source = source
        self.text_columns: set[int] = set()
        separator = "\t" if source.known_format() is Format.TSV else self._likely_separator(source)
        self._bytes, self._text = open_text(source)
        self._rows = csv.reader(self._text, delimiter=separator, strict=True)
        self._next_line = 1
        self.headers: list[str] = self._read_header()

    @property
    def done(self) -> int:
        return self._bytes.done

    def batches(self) -> Iterator[Batch]:
        size = rows_at_once(len(self.headers))
        with self._text:
            while rows := self._next_rows(size):
                yield self._batch(rows)

    @staticmethod
    def _likely_separator(source: Source) -> str:
        """A comma, unless the first line has more semicolons: spreadsheets write those where the comma is decimal."""
        _, text = open_text(source)
        with text, source.translated():
            first = text.readline(MAX_LINE_BYTES)
        return max(",;", key=first.count)

    def _read_header(self) -> Fields:
        while rows := self._next_rows(1):
            if rows[0]:
                return rows[0]
        raise WorkFailedError("S304", f"`{self._source.path}` is empty", "its first line has to name the attributes")

    def _next_rows(self, size: int) -> list[Fields]:
        rows: list[Fields] = []
        self._first_line = self._next_line
        try:
            # Rows read before an error stay in the list, so they tell on which line the bad one begins.
            with self._source.translated():
                rows.extend(islice(self._rows, size))
        except csv.Error as failure:
            line = self._first_line + sum(map(_lines_of, rows))
            raise WorkFailedError("S305", *self._what_is_broken(line, str(failure))) from failure
        self._next_line = self._rows.line_num + 1
        return rows

    def _what_is_broken(self, line: int, said: str) -> tuple[str, str]:
        """Nothing after a broken quote can be trusted, so that the file is refused as a whole."""
        name = self._source.path
        if "field larger" in said:
            what = f"a field of the row on line {line} of `{name}` has more than {csv.field_size_limit()} characters"
        elif "end of data" in said:
            what = f"a quote in the row on line {line} of `{name}` is never closed"
        else:
            what = f"the quotes in the row on line {line} of `{name}` do not pair"
        return what, 'look for a `"` too many; inside quotes it is written twice'

    def _batch(self, rows: list[Fields]) -> Batch:
        width = len(self.headers)
        lines = self._lines(rows)
        if set(map(len, rows)) == {width}:
            return Batch(lines, list(zip(*rows, strict=True)))
        good = [(line, row) for line, row in zip(lines, rows, strict=True) if len(row) == width]
        rejected = [
            RejectedRow(line, "", Reason.WRONG_COUNT, f"{len(row)} fields, and the header has {width}")
            for line, row in zip(lines, rows, strict=True)
            if row and len(row) != width
        ]
        columns = list(zip(*(row for _, row in good), strict=True)) if good else [()] * width
        return Batch([line for line, _ in good], columns, rejected)

    def _lines(self, rows: list[Fields]) -> Sequence[int]:
        if self._next_line - self._first_line == len(rows):
            return range(self._first_line, self._next_line)
        lines = []
        line = self._first_line
        for row in rows:
            lines.append(line)
            line += _lines_of(row)
        return lines


def _lines_of(row: Fields) -> int:
    """How many lines of the file a row takes: fields in quotes may hold line ends."""
    text = "\0".join(row)
    return 1 + text.count("\n") + text.count("\r") - text.count("\r\n")
