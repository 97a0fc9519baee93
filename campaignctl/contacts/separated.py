"""CSV and TSV: fields between separators, with quotes around what contains one."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Protocol, TextIO

from campaignctl.contacts.batch import Batch
from campaignctl.contacts.rejection import Reason, RejectedRow
from campaignctl.contacts.source import MAX_LINE_BYTES, Format, Source, open_text
from campaignctl.errors import WorkFailedError

_CHUNK_CHARACTERS = 128 * 2**10
_QUOTED = re.compile(r'"[^"]*"')


class SeparatedReader:
    """
    Reads a file whose first line names the columns. Blank lines are passed over.

    The text comes in chunks of whole lines. A chunk without quotes is split
    with two calls, which takes a third of the time of the `csv` module; the
    module reads the others.
    """

    is_for_spreadsheets = True

    def __init__(self, source: Source) -> None:
        self._source = source
        self.text_columns: set[int] = set()
        self._separator = "\t" if source.known_format() is Format.TSV else likely_separator(source)
        self._bytes, self._text = open_text(source)
        self._next_line = 1
        self.headers: list[str] = self._read_header()
        self._width = len(self.headers)

    @property
    def done(self) -> int:
        return self._bytes.done

    def batches(self) -> Iterator[Batch]:
        with self._text, self._source.translated():
            while chunk := self._next_chunk():
                yield self._plain_batch(chunk) or self._careful_batch(chunk)

    def _read_header(self) -> list[str]:
        with self._source.translated():
            for _, row in self._records("", 1):
                if row:
                    return row
        raise WorkFailedError("S304", f"`{self._source.path}` is empty", "its first line has to name the attributes")

    def _next_chunk(self) -> str:
        chunk = self._text.read(_CHUNK_CHARACTERS)
        return chunk if not chunk or chunk.endswith("\n") else chunk + self._text.readline()

    def _plain_batch(self, chunk: str) -> Batch | None:
        """The rows of *chunk* when nothing is quoted and no row is odd, which is checked as a whole."""
        if '"' in chunk or self._width == 1:
            return None
        if "\r" in chunk:
            chunk = chunk.replace("\r\n", "\n")
            if "\r" in chunk:
                return None
        if not chunk.endswith("\n"):
            chunk += "\n"
        # Each line end becomes a cell of its own, so that it shows where a row ends.
        separator, step, count = self._separator, self._width + 1, chunk.count("\n")
        cells = chunk.replace("\n", f"{separator}\n{separator}").split(separator)
        cells.pop()
        if len(cells) != count * step or cells[self._width :: step].count("\n") != count:
            return None
        lines = range(self._next_line, self._next_line + count)
        self._next_line += count
        return Batch(lines, [cells[place::step] for place in range(self._width)])

    def _careful_batch(self, chunk: str) -> Batch:
        """The rows that begin in *chunk*, also where the last of them ends after it."""
        lines: list[int] = []
        rows: list[list[str]] = []
        rejected: list[RejectedRow] = []
        last_line = self._next_line + _line_count(chunk) - 1
        for line, row in self._records(chunk, last_line):
            if len(row) == self._width:
                lines.append(line)
                rows.append(row)
            elif row:
                detail = f"{len(row)} fields, and the header has {self._width}"
                rejected.append(RejectedRow(line, "", Reason.WRONG_COUNT, detail))
        columns = list(zip(*rows, strict=True)) or [()] * self._width
        return Batch(lines, columns, rejected)

    def _records(self, chunk: str, last_line: int) -> Iterator[tuple[int, list[str]]]:
        """Records with the lines they begin on, from *chunk* and what follows it, to the one that ends *last_line*."""
        first_line = self._next_line
        following = iter(self._text.readline, "")
        reader = csv.reader(chain(io.StringIO(chunk, newline=""), following), delimiter=self._separator, strict=True)
        try:
            for row in reader:
                line, self._next_line = self._next_line, first_line + reader.line_num
                yield line, row
                if row and self._next_line > last_line:
                    return
        except csv.Error as failure:
            raise broken_quotes(self._source, self._next_line, str(failure)) from failure


def likely_separator(source: Source) -> str:
    """A comma, unless the first line has more semicolons: spreadsheets write those where the comma is decimal."""
    _, text = open_text(source)
    with text, source.translated():
        first = _QUOTED.sub("", text.readline(MAX_LINE_BYTES))
    return max(",;", key=first.count)


def broken_quotes(source: Source, line: int, said: str) -> WorkFailedError:
    """What the `csv` module *said*, in our words. Nothing after a broken quote can be trusted: the file is refused."""
    row = f"the row on line {line} of `{source.path}`"
    if "field larger" in said:
        what = f"a field of {row} has more than {csv.field_size_limit()} characters"
    elif "end of data" in said:
        what = f"a quote in {row} is never closed"
    else:
        what = f"the quotes in {row} do not pair"
    return WorkFailedError("S305", what, 'look for a `"` too many; inside quotes it is written twice')


def _line_count(text: str) -> int:
    ends = text.count("\n") + text.count("\r") - text.count("\r\n")
    return ends if text.endswith(("\n", "\r")) else ends + 1


class CsvWriter(Protocol):
    """What `csv.writer` returns, which has no name."""

    def writerow(self, row: Iterable[object], /) -> object: ...


class _UnixLines:
    """
    Ends rows as Unix does.

    The `csv` module of Python before 3.13 puts quotes around a carriage return
    only where that is part of the line end.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def write(self, row: str) -> None:
        self._out.write(row.removesuffix("\r\n") + "\n")


def separated_writer(out: TextIO, separator: str = ",") -> CsvWriter:
    """What writes rows that `SeparatedReader` takes back as they were."""
    return csv.writer(_UnixLines(out), delimiter=separator, lineterminator="\r\n")
