"""What a request brings that starts a campaign: one JSON object a line, each a contact and what is said beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from campaignctl.contacts.batch import Batch
from campaignctl.contacts.records import Record, RecordColumns

LONGEST_LINE: Final = 1024 * 1024
_LONGEST_DATA: Final = 64 * 1024
_KEYS: Final = frozenset({"id", "properties", "data"})


_HALF_PAIR: Final = re.compile("[\ud800-\udfff]")


class RequestReader:
    """
    Reads `{"id": "…", "properties": {…}, "data": {…}}`, a line each, as contacts whose key is the id.

    What stands in `data` is not the contact's: it is told to *keep*, with the line.
    """

    is_for_spreadsheets = False

    def __init__(self, pieces: Iterable[bytes], key: str, keep: Callable[[list[tuple[int, str]]], None]) -> None:
        self._pieces = pieces
        self._key = key
        self._keep = keep
        self._data: list[tuple[int, str]] = []
        self._columns = RecordColumns()
        self._columns.expect(key)
        self.headers = self._columns.headers
        self.text_columns = self._columns.text_columns
        self.done = 0

    def batches(self) -> Iterator[Batch]:
        for batch in self._columns.batches(self._records()):
            self._keep(self._data)
            self._data = []
            yield batch

    def _records(self) -> Iterator[Record]:
        for number, line in enumerate(lines_of(self._pieces), 1):
            self.done += len(line) + 1
            if line.strip():
                yield number, self._record(number, line)

    def _record(self, number: int, line: bytes) -> Mapping[str, object] | str:
        """The contact of a line, or what is wrong with it."""
        if len(line) > LONGEST_LINE:
            return f"longer than {LONGEST_LINE} bytes"
        try:
            row = json.loads(line.decode("utf-8"), parse_constant=_no_number)
        except (ValueError, RecursionError):
            return "not JSON"
        if not isinstance(row, dict):
            return "not an object"
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


def _no_number(word: str) -> None:
    raise ValueError(word)
