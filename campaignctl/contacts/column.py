"""One column of a file on its way to one attribute of a list."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from campaignctl.campaign.attribute import AttributeType
from campaignctl.contacts.batch import Cell
from campaignctl.contacts.detection import Detection, are_of_type, is_of_type
from campaignctl.contacts.rejection import Reason
from campaignctl.contacts.source import MAX_CELL_CHARACTERS
from campaignctl.contacts.spreadsheet import unquoted

# What is wrong with a row, by its place in the batch.
Faults = dict[int, tuple[Reason, str]]

# Addresses so plain that they are their own normal form, by whatever rule; a
# test holds that against `message.address`. Asking for each takes four times
# as long.
_ALL_PLAIN = re.compile(
    r"(?:(?:[a-z0-9_+-]{1,31}+(?:\.[a-z0-9_+-]{1,31}+)?+"
    r"@(?:[a-z0-9]{1,40}+(?:-[a-z0-9]{1,20}+)?+\.){1,3}+[a-z]{2,20}+)?\0)*+"
)


@dataclass
class FileColumn:
    """
    What the cells of a column have to be, and what they turned out to be.

    `known_type` is what the list, or the user, says; None lets the cells decide.
    Only integers of the list `may_widen`: what the user says holds.
    `normal_address` is there for the column of e-mail addresses.
    """

    name: str
    known_type: AttributeType | None
    is_key: bool = False
    may_widen: bool = False
    is_for_spreadsheets: bool = False
    normal_address: Callable[[str], str | None] | None = None
    has_gaps: bool = False  # some rows do not speak of it
    has_empty_cells: bool = False
    is_widened: bool = False  # the list has integers, and the file numbers
    _detection: Detection = field(default_factory=Detection)

    @property
    def type(self) -> AttributeType:
        """The type that the attribute will have."""
        if self.is_widened:
            return AttributeType.NUMBER
        return self.known_type or self._detection.type

    def was_written_as_text(self) -> None:
        self._detection.was_written_as_text()

    def checked(self, cells: Sequence[Cell], faults: Faults) -> Sequence[Cell]:
        """The cells as they are to be kept; what is wrong with them is added to *faults*."""
        joined = self._joined(cells)
        if self.is_for_spreadsheets and "'" in joined:
            cells = [cell and unquoted(cell) for cell in cells]
            joined = self._joined(cells)
        if not _is_harmless(joined, len(cells)):
            cells = self._without_harm(cells, faults)
            joined = self._joined(cells)
        if self.normal_address is not None and not _ALL_PLAIN.fullmatch(joined):
            cells = self._normalised(cells, faults)
        if self.is_key and (None in cells or not all(map(str.strip, cells))):  # type: ignore[arg-type]  # no None left
            for place, cell in enumerate(cells):
                if not _has_text(cell):
                    faults.setdefault(place, (Reason.MISSING_KEY, f"`{self.name}` is empty"))
        if "\0\0" in joined or joined.startswith("\0"):
            self.has_empty_cells = True
        self._check_type(cells, joined, faults)
        return cells

    def _joined(self, cells: Sequence[Cell]) -> str:
        """All cells, each followed by NUL."""
        try:
            return "\0".join([*cells, ""])  # type: ignore[list-item]  # None is what the handler is for
        except TypeError:
            self.has_gaps = True
            return "\0".join([*(cell or "" for cell in cells), ""])

    def _without_harm(self, cells: Sequence[Cell], faults: Faults) -> Sequence[Cell]:
        kept: list[Cell] = []
        for place, cell in enumerate(cells):
            found = cell and harm(cell)
            if found:
                faults.setdefault(place, (found, f"in `{self.name}`"))
            kept.append("" if found else cell)
        return kept

    def _normalised(self, cells: Sequence[Cell], faults: Faults) -> Sequence[Cell]:
        assert self.normal_address is not None
        normal_address = self.normal_address
        normal = [normal_address(cell) if cell else cell for cell in cells]
        if None in normal:
            for place, (cell, address) in enumerate(zip(cells, normal, strict=True)):
                if cell is not None and address is None:
                    faults.setdefault(place, (Reason.BAD_ADDRESS, f"`{cell[:80]}` is no e-mail address"))
        return normal

    def _check_type(self, cells: Sequence[Cell], joined: str, faults: Faults) -> None:
        if self.known_type is None:
            self._detection.look_at(joined)
            return
        if are_of_type(joined, self.type):
            return
        if self.may_widen and self.type is AttributeType.INTEGER and self._fits_number_only(cells):
            self.is_widened = True
        for place, cell in enumerate(cells):
            if cell and not is_of_type(cell, self.type):
                faults.setdefault(
                    place, (Reason.WRONG_TYPE, f"`{self.name}` is of type {self.type}, and `{cell[:80]}` is not")
                )

    @staticmethod
    def _fits_number_only(cells: Sequence[Cell]) -> bool:
        return any(
            cell and not is_of_type(cell, AttributeType.INTEGER) and is_of_type(cell, AttributeType.NUMBER)
            for cell in cells
        )


def _has_text(cell: Cell) -> bool:
    return bool(cell and cell.strip())


def _is_harmless(joined: str, cells: int) -> bool:
    """Whether no cell needs a closer look; of a batch of short cells the length alone tells it."""
    if joined.count("\0") != cells:
        return False
    if not joined.isascii() and _is_half_a_pair(joined):
        return False
    return len(joined) <= MAX_CELL_CHARACTERS or max(map(len, joined.split("\0"))) <= MAX_CELL_CHARACTERS


def harm(cell: str) -> Reason | None:
    """Why no value can be like that, if it cannot."""
    if "\0" in cell:
        return Reason.HAS_NUL
    if len(cell) > MAX_CELL_CHARACTERS:
        return Reason.TOO_LONG
    return Reason.NOT_TEXT if _is_half_a_pair(cell) else None


def _is_half_a_pair(text: str) -> bool:
    """JSON can write half of a surrogate pair, which no database takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
