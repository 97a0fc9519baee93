"""Rows of a file that do not become contacts, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
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
    """
    All rejected rows counted, and the first of them kept to be shown.

    Each is also told to `listener`, as soon as it is known.
    """

    listener: Callable[[RejectedRow], None] = lambda _row: None
    by_reason: Counter[Reason] = field(default_factory=Counter)
    _at_once: list[RejectedRow] = field(default_factory=list)
    _duplicates: list[RejectedRow] = field(default_factory=list)

    @property
    def count(self) -> int:
        return self.by_reason.total()

    @property
    def rows(self) -> list[RejectedRow]:
        """The first of them, in the order of the file: duplicates come last, and belong between the others."""
        return sorted([*self._at_once, *self._duplicates], key=lambda row: row.line)[:SHOWN]

    def add(self, row: RejectedRow) -> None:
        """One more; duplicates among themselves, and all others, come in the order of the file."""
        self.by_reason[row.reason] += 1
        kept = self._duplicates if row.reason is Reason.DUPLICATE else self._at_once
        if len(kept) < SHOWN:
            kept.append(row)
        self.listener(row)
