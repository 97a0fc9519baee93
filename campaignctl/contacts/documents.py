"""JSON: one array of objects, or one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator

from campaignctl.contacts.batch import Batch
from campaignctl.contacts.records import Record, RecordColumns
from campaignctl.contacts.source import Source, open_text, read_document
from campaignctl.errors import WorkFailedError


class JsonReader:
    """
    Reads an array of objects. The whole document is in memory, hence its limit.

    The "line" of a contact is its place in the array, from 1.
    """

    is_for_spreadsheets = False

    def __init__(self, source: Source) -> None:
        self._size = source.size()
        self._items = self._parse(source)
        self._taken = 0
        self._columns = RecordColumns()
        self.headers = self._columns.headers
        self.text_columns = self._columns.text_columns

    @property
    def done(self) -> int:
        return self._size * self._taken // max(1, len(self._items))

    def batches(self) -> Iterator[Batch]:
        return self._columns.batches(self._records())

    def _records(self) -> Iterator[Record]:
        for self._taken, item in enumerate(self._items, 1):  # noqa: B020 - the count is what `done` tells
            yield self._taken, item if isinstance(item, dict) else "not an object"

    @staticmethod
    def _parse(source: Source) -> list[object]:
        try:
            document = json.loads(read_document(source), parse_constant=_refuse)
        except json.JSONDecodeError as failure:
            raise WorkFailedError(
                "S305", f"line {failure.lineno} of `{source.path}` is not JSON", "check it with a JSON formatter"
            ) from failure
        except (ValueError, RecursionError) as failure:
            raise WorkFailedError(
                "S305",
                f"`{source.path}` holds values that are not JSON, or nested too deep",
                "write it as NDJSON or CSV",
            ) from failure
        if isinstance(document, list):
            return document
        raise WorkFailedError(
            "S305", f"`{source.path}` is no array of contacts", "write `[{…}, {…}]`, or one object a line as `.ndjson`"
        )


class NdjsonReader:
    """Reads one object a line; a line that is none is rejected, and the next one read."""

    is_for_spreadsheets = False

    def __init__(self, source: Source) -> None:
        self._source = source
        self._bytes, self._text = open_text(source)
        self._text.reconfigure(newline="\n")
        self._columns = RecordColumns()
        self.headers = self._columns.headers
        self.text_columns = self._columns.text_columns

    @property
    def done(self) -> int:
        return self._bytes.done

    def batches(self) -> Iterator[Batch]:
        with self._text:
            yield from self._columns.batches(self._records())

    def _records(self) -> Iterator[Record]:
        with self._source.translated():
            for number, line in enumerate(self._text, 1):
                if line.strip():
                    yield number, _object_in(line)


def _object_in(line: str) -> dict[str, object] | str:
    try:
        found = json.loads(line, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return "not JSON"
    return found if isinstance(found, dict) else "not an object"


def _refuse(constant: str) -> object:
    """Python reads `NaN` and `Infinity`; JSON has no such thing."""
    raise ValueError(constant)
