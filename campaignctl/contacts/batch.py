"""A handful of rows on their way in, as columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from campaignctl.contacts.rejection import RejectedRow

ROWS_AT_ONCE = 2000
_CELLS_AT_ONCE = 40_000

# A cell as text. Empty: the value is missing. None: the row does not speak of it.
Cell = str | None


@dataclass(frozen=True)
class Batch:
    """
    Rows column by column, one for each header known by now, and where each row begins.

    `rejected` are rows that cannot be told apart into cells.
    """

    lines: Sequence[int]
    columns: Sequence[Sequence[Cell]]
    rejected: Sequence[RejectedRow] = ()


class Reader(Protocol):
    """Reads one file of contacts, once."""

    # The names of the columns as the file has them. Files without a header line add to it as they go.
    headers: list[str]
    # Which columns hold values that the file itself marks as text, such as "7" in JSON.
    text_columns: set[int]
    # Whether cells may carry the mark that `spreadsheet` puts on them.
    is_for_spreadsheets: bool

    @property
    def done(self) -> int:
        """How many bytes of the file were worked through."""
        ...

    def batches(self) -> Iterator[Batch]: ...


def rows_at_once(columns: int) -> int:
    """How many rows of so many columns keep a batch small."""
    return max(1, min(ROWS_AT_ONCE, _CELLS_AT_ONCE // max(1, columns)))
