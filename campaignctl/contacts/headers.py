"""From the names of a file's columns to the names of attributes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from campaignctl.campaign.attribute import ATTRIBUTE_NAME
from campaignctl.contacts.source import MAX_COLUMNS
from campaignctl.errors import WorkFailedError

_NAME_CHARACTERS = 63
_OTHERS = re.compile(r"[^A-Za-z0-9]+")


def attribute_name(header: str) -> str:
    """
    The nearest name that an attribute may have; nothing where there is none.

    >>> attribute_name("First Name"), attribute_name("Prénom"), attribute_name("Email"), attribute_name("2nd")
    ('first_name', 'prenom', 'Email', '_2nd')
    """
    if ATTRIBUTE_NAME.fullmatch(header):
        return header
    plain = unicodedata.normalize("NFKD", header)
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    words = _OTHERS.sub("_", plain).strip("_").lower()[:_NAME_CHARACTERS]
    return f"_{words}"[:_NAME_CHARACTERS] if words[:1].isdigit() else words


class HeaderNames:
    """
    The attribute that each column of a file holds.

    An attribute that the list, or the project, already writes in one way keeps
    that spelling. `renamed` tells which headers came out otherwise than written.
    """

    def __init__(self, spellings: Iterable[str]) -> None:
        self._spellings = {spelling.lower(): spelling for spelling in spellings}
        self._headers: dict[str, str] = {}
        self.renamed: dict[str, str] = {}

    def add(self, header: str) -> str:
        """
        The attribute's name for the next column.

        Raises:
            WorkFailedError: it has no usable name, the name of another column, or is one too many.
        """
        written = header.strip()
        name = attribute_name(written)
        if not name or "\0" in header:
            raise WorkFailedError(
                "S304",
                f"column {len(self._headers) + 1} has no usable name" + (f": `{written[:80]!a}`" if written else ""),
                "give it a name of letters, digits and underscores in the first line",
            )
        name = self._spellings.get(name.lower(), name)
        if name.lower() in self._headers:
            raise WorkFailedError(
                "S304",
                f"the columns `{self._headers[name.lower()]}` and `{written}` both are the attribute `{name}`",
                "rename one of them",
            )
        self._headers[name.lower()] = written
        if len(self._headers) > MAX_COLUMNS:
            raise WorkFailedError("S304", f"there are more than {MAX_COLUMNS} columns", "leave some out")
        if name != header:
            self.renamed[header] = name
        return name
