"""
Which type the cells of a column have.

All cells of a batch are looked at in one go: joined by NUL, which no cell may
hold, they match one pattern or they do not. That is several times quicker
than asking each cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from campaignctl.campaign.attribute import AttributeType
from campaignctl.store.instants import stored

_DAY = (
    r"(?!0000)(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    r"|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)"
)

# A leading zero or plus is a postal code or a phone number, and stays text. So
# does what is too long for an integer, or for a number to keep all digits of.
_FORMS = {
    AttributeType.BOOLEAN: r"(?:true|false|True|False|TRUE|FALSE)",
    AttributeType.INTEGER: r"(?:0|-?[1-9][0-9]{0,17})",
    AttributeType.NUMBER: (
        r"-?+(?:(?:[1-9][0-9]{0,14}+|0|[1-9][0-9]{15}(?=\.))(?:\.[0-9]{1,30}+)?+(?:[eE][+-][0-9]{1,2}+)?+"
        # As Python writes the very large and the very small.
        r"|[1-9](?:\.[0-9]{1,30}+)?+[eE][+-](?:[12][0-9]{2}|30[0-7])|1e\+308)"
    ),
    AttributeType.DATE: _DAY,
    AttributeType.INSTANT: (
        rf"(?!0|9999){_DAY}[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{{1,9}})?)?"
        r"(?:Z|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])"
    ),
}
_EXACT_DIGITS = 15
# What is taken where the type is known already.
_ACCEPTED = {**_FORMS, AttributeType.BOOLEAN: r"(?:true|false|True|False|TRUE|FALSE|1|0)"}

DETECTED = (
    AttributeType.BOOLEAN,
    AttributeType.INTEGER,
    AttributeType.NUMBER,
    AttributeType.DATE,
    AttributeType.INSTANT,
)
# What somebody wrote as text on purpose is no number, but it may well be a day.
DETECTED_IN_TEXT = (AttributeType.DATE, AttributeType.INSTANT)


def _all_cells(forms: dict[AttributeType, str]) -> dict[AttributeType, re.Pattern[str]]:
    return {kind: re.compile(rf"(?:(?:{form})?\0)*+") for kind, form in forms.items()}


_ALL_HAVE_FORM = _all_cells(_FORMS)
_ALL_ARE_ACCEPTED = _all_cells(_ACCEPTED)
_IS_ACCEPTED = {kind: re.compile(form) for kind, form in _ACCEPTED.items()}


def is_of_type(cell: str, kind: AttributeType) -> bool:
    """
    Whether an attribute of this type can hold *cell*; an empty one always fits.

    >>> is_of_type("2026-02-29", AttributeType.DATE), is_of_type("2028-02-29", AttributeType.DATE)
    (False, True)
    """
    return not cell or kind is AttributeType.TEXT or _IS_ACCEPTED[kind].fullmatch(cell) is not None


def are_of_type(joined: str, kind: AttributeType) -> bool:
    """Whether that is so for all cells, each followed by NUL in *joined*."""
    return kind is AttributeType.TEXT or _ALL_ARE_ACCEPTED[kind].fullmatch(joined) is not None


def _are_short(joined: str) -> bool:
    """Whether a number keeps all digits of each of these integers."""
    return max(map(len, joined.split("\0"))) <= _EXACT_DIGITS


class Detection:
    """The types that all cells seen so far could have."""

    def __init__(self, candidates: Iterable[AttributeType] = DETECTED) -> None:
        self._candidates = list(candidates)
        self._has_values = False

    def look_at(self, joined: str) -> None:
        """Take the next cells into account, each followed by NUL in *joined*."""
        if not self._candidates or joined.count("\0") == len(joined):
            return
        self._has_values = True
        possible: list[AttributeType] = []
        for kind in self._candidates:
            is_wider = kind is AttributeType.NUMBER and AttributeType.INTEGER in possible
            if (is_wider and _are_short(joined)) or _ALL_HAVE_FORM[kind].fullmatch(joined):
                possible.append(kind)
        self._candidates = possible

    def was_written_as_text(self) -> None:
        self._candidates = [kind for kind in self._candidates if kind in DETECTED_IN_TEXT]

    @property
    def type(self) -> AttributeType:
        """The narrowest type that fits every cell; text where all were empty."""
        return self._candidates[0] if self._candidates and self._has_values else AttributeType.TEXT


def stored_instant(cell: str | None) -> int | None:
    """
    The instant in *cell* as the store keeps it.

    >>> stored_instant("2026-12-01T09:00+01:00") == stored_instant("2026-12-01 08:00:00.000Z")
    True
    """
    return stored(datetime.fromisoformat(cell)) if cell else None
