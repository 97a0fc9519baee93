"""Rows of a file that do not become contacts, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

SHOWN = 10_000


class Reason(StrEnum):
    """Why a row was rejected."""

    MISSING_KEY = "missing key"  # the cell that tells contacts apart is empty
    DUPLICATE = "duplicate key"  # an earlier row has the same key
    BAD_ADDRESS = "bad address"  # the e-mail address is none
    WRONG_COUNT = "wrong number of fields"  # more or fewer than the header has
    WRONG_TYPE = "wrong type"  # the value does not fit the attribute
    HAS_NUL = "contains NUL"  # a NUL character in a value
    TOO_LONG = "value too long"  # more characters than a value may have
    NOT_TEXT = "not text"  # half of a character pair, or binary data
    NOT_A_RECORD = "not a record"  # no JSON object, or values nested in it


@dataclass(frozen=True)
class RejectedRow:
    """A row that was left out: where it begins, its key where it has one, and what is wrong."""

    line: int
    key: str
    reason: Reason
    detail: str


@dataclass
class Rejections:
    """All rejected rows counted, and the first of them kept to be shown."""

    by_reason: Counter[Reason] = field(default_factory=Counter)
    rows: list[RejectedRow] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.by_reason.total()

    def add(self, row: RejectedRow) -> None:
        self.by_reason[row.reason] += 1
        if len(self.rows) < SHOWN:
            self.rows.append(row)

    def add_duplicates(self, count: int, first: Iterable[RejectedRow]) -> None:
        """Duplicates are known at the end only: put the *first* of all *count* where they belong."""
        if count:
            self.by_reason[Reason.DUPLICATE] += count
            self.rows = sorted([*self.rows, *first], key=lambda row: row.line)[:SHOWN]
