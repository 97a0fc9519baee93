"""
Cells that a spreadsheet would take for formulas.

A cell that begins with `= + - @`, a tab or a carriage return is written with a
`'` before it, and so is one that begins with `'` and would then look like
that. Reading takes exactly one `'` away from cells of this form, so a file
that was written here comes back as it was.
"""

from __future__ import annotations

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_QUOTED = re.compile(r"'+[=+\-@\t\r]")


def quoted(cell: str) -> str:
    """
    *cell* so that no spreadsheet calculates it.

    >>> quoted("=1+1"), quoted("'=1"), quoted("it's"), quoted("'s")
    ("'=1+1", "''=1", "it's", "'s")
    """
    return f"'{cell}" if _FORMULA.match(cell) else cell


def unquoted(cell: str) -> str:
    """
    What *cell* was before it was quoted.

    >>> unquoted("'=1+1"), unquoted("''=1"), unquoted("it's"), unquoted("'s")
    ('=1+1', "'=1", "it's", "'s")
    """
    return cell[1:] if _QUOTED.match(cell) else cell
