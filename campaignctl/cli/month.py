"""A month as a grid of days, for a terminal of 80 columns."""

from __future__ import annotations

import calendar
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Final

from campaignctl.cli.screen import visible

_WIDTH: Final = 10  # of a day; with a space between them, seven fit
_MOST_LINES: Final = 3
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def month_lines(first: date, today: date, found: Mapping[date, Sequence[str]]) -> Iterator[str]:
    """
    The weeks of the month that begins with *first*, each day with what is *found* on it.

    >>> print(*month_lines(date(2026, 2, 1), date(2026, 2, 3), {date(2026, 2, 4): ["09:00 sale"]}), sep="\\n")
    February 2026
    Mon        Tue        Wed        Thu        Fri        Sat        Sun
                                                                      1
    2          3*         4          5          6          7          8
                          09:00 sale
    9          10         11         12         13         14         15
    16         17         18         19         20         21         22
    23         24         25         26         27         28
    """
    yield f"{calendar.month_name[first.month]} {first.year}"
    yield _row(_DAYS)
    for week in calendar.Calendar().monthdatescalendar(first.year, first.month):
        days = [day if day.month == first.month else None for day in week]
        yield _row([_number(day, today) for day in days])
        cells = [_shown(found.get(day, ())) if day else [] for day in days]
        for line in range(max(map(len, cells))):
            yield _row([cell[line] if line < len(cell) else "" for cell in cells])


def _number(day: date | None, today: date) -> str:
    return "" if day is None else f"{day.day}{'*' if day == today else ''}"


def _shown(entries: Sequence[str]) -> list[str]:
    """As many lines as a day has room for."""
    if len(entries) <= _MOST_LINES:
        return list(entries)
    return [*entries[: _MOST_LINES - 1], f"+{len(entries) - _MOST_LINES + 1} more"]


def _row(cells: Sequence[str]) -> str:
    return " ".join(f"{_cut(visible(cell)):<{_WIDTH}}" for cell in cells).rstrip()


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"
