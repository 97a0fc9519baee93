"""What a request brings that starts a campaign: one JSON object a row, each a contact and what is said beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from campaignctl.contacts.batch import Batch
from campaignctl.contacts.records import Record, RecordColumns

LONGEST_LINE: Final = 1024 * 1024
_LONGEST_DATA: Final = 64 * 1024
_DEEPEST: Final = 8
_KEYS: Final = frozenset({"id", "properties", "data"})
_HALF_PAIR: Final = re.compile("[\ud800-\udfff]")


class RequestReader:
    """
    Reads `{"id": "…", "properties": {…}, "data": {…}}` as contacts whose key is the id.

    What stands in `data` is not the contact's: it is told to *keep*, with the
    number of the row.
    """

    is_for_spreadsheets = False

    def __init__(self, rows: Iterable[Record], key: str, keep: Callable[[list[tuple[int, str]]], None]) -> None:
        self._rows = rows
        self._key = key
        self._keep = keep
        self._data: list[tuple[int, str]] = []
        self._columns = RecordColumns()
        self._columns.expect(key)
        self.headers = self._columns.headers
        self.text_columns = self._columns.text_columns
        self.done = 0  # rows: whoever sends them knows how many bytes they are

    def batches(self) -> Iterator[Batch]:
        for batch in self._columns.batches(self._contacts()):
            self._keep(self._data)
            self._data = []
            yield batch

    def _contacts(self) -> Iterator[Record]:
        for number, row in self._rows:
            self.done = number
            yield number, row if isinstance(row, str) else self._contact(number, row)

    def _contact(self, number: int, row: Mapping[str, object]) -> Mapping[str, object] | str:
        """The contact of a row, or what is wrong with it."""
        if unknown := next((name for name in row if name not in _KEYS), None):
            return f"`{unknown[:40]}` is not known here: only `id`, `properties` and `data`"
        if isinstance(row.get("id"), bool):
            return "`id` is neither text nor a number"
        properties, data = row.get("properties", {}), row.get("data", {})
        if not isinstance(properties, dict) or not isinstance(data, dict):
            return f"`{'data' if isinstance(properties, dict) else 'properties'}` is not an object"
        if any(name.lower() == self._key.lower() for name in properties):
            return f"`{self._key}` is the key, and is said with `id`"
        if data:
            if not is_flat(data, _DEEPEST):
                return f"`data` is nested more than {_DEEPEST} levels deep"
            try:
                text = json.dumps(data, ensure_ascii=False, allow_nan=False)
            except ValueError:
                return "`data` holds a number that is too large"
            if _HALF_PAIR.search(text):
                return "`data` holds half of a character pair"
            if len(text) > _LONGEST_DATA:
                return f"`data` is longer than {_LONGEST_DATA} characters"
            self._data.append((number, text))
        return {self._key: row.get("id"), **properties}


def rows_of_lines(pieces: Iterable[bytes]) -> Iterator[Record]:
    """The rows of NDJSON that comes in pieces: each with its line, as an object, or what is wrong with it."""
    for number, line in enumerate(lines_of(pieces), 1):
        if line.strip():
            yield number, _row(line)


def _row(line: bytes) -> Mapping[str, object] | str:
    if len(line) > LONGEST_LINE:
        return f"longer than {LONGEST_LINE} bytes"
    try:
        row = _DECODER.decode(line.decode("utf-8"))
    except RecursionError:
        return "nested too deep"
    except ValueError:
        return "not JSON"
    return row if isinstance(row, dict) else "not an object"


def rows_of_document(contacts: Iterable[object]) -> Iterator[Record]:
    """The same of the contacts of one JSON document; their "line" is their place, from 1."""
    return ((place, row if isinstance(row, dict) else "not an object") for place, row in enumerate(contacts, 1))


def lines_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """
    The lines of a text that comes in pieces; one that is much too long is cut.

    >>> list(lines_of([b"a", b"b\\nc", b"\\n\\nd"]))
    [b'ab', b'c', b'', b'd']
    """
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
        if len(rest) > LONGEST_LINE:
            # It is rejected anyway; what follows of it is rejected as lines of their own.
            yield rest
            rest = b""
    if rest:
        yield rest


def is_flat(value: Any, levels: int) -> bool:
    """
    Whether *value* is nested no deeper than this: templates and the database read it again.

    >>> is_flat({"a": [1]}, 2), is_flat({"a": [1]}, 1)
    (True, False)
    """
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(is_flat(each, levels - 1) for each in inner)


def _no_number(word: str) -> None:
    raise ValueError(word)


# Made once: there may be a million lines.
_DECODER: Final = json.JSONDecoder(parse_constant=_no_number)
