"""When something recurs: a cron rule of five fields, by the clock on the wall."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import time
from itertools import product
from typing import Final, NamedTuple


class _Field(NamedTuple):
    """One of the five fields: its values, and the words that may stand for them."""

    values: range
    words: tuple[str, ...] = ()


_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_FIELDS: Final = (
    _Field(range(60)),
    _Field(range(24)),
    _Field(range(1, 32)),
    _Field(range(1, 13), _MONTHS),
    _Field(range(8), _WEEKDAYS),
)
_VALUE: Final = r"(?:\d{1,2}|[A-Za-z]{3})"
_ITEM: Final = rf"(?:\*|{_VALUE}-{_VALUE})(?:/\d{{1,2}})?|{_VALUE}"
_LONGEST_MONTHS: Final = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}

CRON: Final = rf"(?:(?:{_ITEM})(?:,(?:{_ITEM}))*)(?: (?:(?:{_ITEM})(?:,(?:{_ITEM}))*)){{4}}"


@dataclass(frozen=True)
class Cron:
    """
    Minute, hour, day of the month, month and day of the week.

    Where a day of the month and a day of the week are named, either will do,
    as cron has it.

    >>> Cron.parse("0 9 * * MON").weekdays
    (1,)
    """

    text: str = field(compare=False)
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]  # Sunday is 0

    @classmethod
    def parse(cls, text: str) -> Cron:
        """
        Read a rule.

        Raises:
            ValueError: it has not five fields, or one of them says what it cannot.
        """
        if not re.fullmatch(CRON, text):
            raise ValueError(text)
        minutes, hours, days, months, weekdays = (
            {value for item in written.split(",") for value in _values(item, of)}
            for written, of in zip(text.split(" "), _FIELDS, strict=True)
        )
        return cls(text, *map(_ordered, (minutes, hours, days, months, {day % 7 for day in weekdays})))

    @property
    def clocks(self) -> list[time]:
        """The times of a day at which it starts."""
        return [time(hour, minute) for hour, minute in product(self.hours, self.minutes)]

    @property
    def is_never(self) -> bool:
        """Whether it names no day that there is, such as 30 February."""
        has_weekday = len(self.weekdays) < 7
        return not has_weekday and all(self.days[0] > _LONGEST_MONTHS.get(month, 31) for month in self.months)

    @property
    def words(self) -> str:
        """
        The rule as people say it.

        >>> Cron.parse("0 9 * * MON").words, Cron.parse("30 8,17 1 1,7 *").words
        ('every Monday at 09:00', 'on day 1 of January and July at 08:30 and 17:30')
        """
        return f"{self._days_in_words()} at {self._clocks_in_words()}"

    def _days_in_words(self) -> str:
        said = []
        if len(self.days) < 31:
            of = "the month" if len(self.months) == 12 else _spoken([_MONTH_NAMES[month] for month in self.months])
            said.append(f"on day {_spoken([str(day) for day in self.days])} of {of}")
        if len(self.weekdays) < 7:
            said.append(f"every {_spoken([_DAY_NAMES[day] for day in self.weekdays])}")
        if not said:
            said.append("every day")
        if len(self.months) < 12 and said[0][:2] != "on":
            said.append(f"in {_spoken([_MONTH_NAMES[month] for month in self.months])}")
            return " ".join(said)
        return " and ".join(said)

    def _clocks_in_words(self) -> str:
        clocks = [f"{clock:%H:%M}" for clock in self.clocks]
        if len(clocks) <= _MOST_CLOCKS:
            return _spoken(clocks)
        return f"{len(clocks)} times from {clocks[0]} to {clocks[-1]}"


_MOST_CLOCKS: Final = 4
_DAY_NAMES: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTH_NAMES: Final = (
    "", "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


def _values(item: str, of: _Field) -> range:
    """The values of one item of a field: `*`, `5`, `MON-FRI`, `*/10`, `8-18/2`."""
    span, _, step = item.partition("/")
    if span == "*":
        first, last = of.values[0], of.values[-1]
    else:
        low, _, high = span.partition("-")
        first, last = _value(low, of), _value(high or low, of)
    if first > last or (step and int(step) < 1):
        raise ValueError(item)
    return range(first, last + 1, int(step or 1))


def _value(written: str, of: _Field) -> int:
    value = int(written) if written.isdigit() else of.values[0] + of.words.index(written.lower())
    if value not in of.values:
        raise ValueError(written)
    return value


def _ordered(values: set[int]) -> tuple[int, ...]:
    return tuple(sorted(values))


def _spoken(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
