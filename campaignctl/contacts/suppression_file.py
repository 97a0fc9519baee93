"""A file of addresses that must not be written to: one a line, or CSV."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from campaignctl.contacts.separated import broken_quotes, likely_separator
from campaignctl.contacts.source import Source, open_text
from campaignctl.errors import WorkFailedError
from campaignctl.message.address import normal_address

_HEADERS_OF_ADDRESSES = ("address", "email", "phone")


@dataclass(frozen=True)
class Places:
    """Which columns hold the address and the reason."""

    address: int = 0
    reason: int | None = 1

    @classmethod
    def from_header(cls, row: Sequence[str]) -> Self | None:
        """The places that a first line names; None where it names none, and is an address itself."""
        names = [cell.strip().lower() for cell in row]
        address = next((names.index(name) for name in _HEADERS_OF_ADDRESSES if name in names), None)
        if address is None:
            return None
        return cls(address, names.index("reason") if "reason" in names else None)

    def cells(self, row: Sequence[str]) -> tuple[str, str]:
        """Address and reason, empty where the row is too short for them."""
        reason = row[self.reason] if self.reason is not None and self.reason < len(row) else ""
        return (row[self.address] if self.address < len(row) else "").strip(), reason.strip()


def suppressions_in(
    source: Source, reason: str, normal: Callable[[str], str | None] = normal_address, what: str = "address"
) -> Iterator[tuple[str, str]]:
    """
    Each address of the file with its reason; with *reason* where the file gives none.

    *normal* gives the form of an address in which it is kept, and *what* says
    what kind it is.

    Raises:
        WorkFailedError: the file cannot be read, or a line of it has no address.
    """
    places: Places | None = None
    for line, row in _rows(source):
        if places is None:
            places = Places.from_header(row)
            if places is not None:
                continue
            places = Places()
        written, why = places.cells(row)
        address = normal(written)
        if address is None:
            raise WorkFailedError(
                "S212", f"line {line} has no {what}: `{written[:60]}`", "mend it; nothing was changed"
            )
        yield address, why or reason


def _rows(source: Source) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with the line it begins on."""
    separator = likely_separator(source)
    _, text = open_text(source)
    with text, source.translated():
        reader = csv.reader(text, delimiter=separator, strict=True)
        line = 1
        try:
            for row in reader:
                if any(cell.strip() for cell in row):
                    yield line, row
                line = reader.line_num + 1
        except csv.Error as failure:
            raise broken_quotes(source, line, str(failure)) from failure
