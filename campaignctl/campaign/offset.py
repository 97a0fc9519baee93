"""When a step of a recurring campaign runs: so long after each start."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from campaignctl.campaign.when import When

_CLOCK: Final = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d)?"
OFFSET: Final = rf"\+(?:(?:0|[1-9]\d{{0,2}})d(?: {_CLOCK})?|(?:0|[1-9]\d{{0,4}})[smh])"
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours"}


@dataclass(frozen=True)
class Offset:
    """
    A time relative to a start, as written.

    `+2d 09:00` is nine o'clock on the second day after the day of the start,
    and `+2d` that day at the start's own time of day: both by the clock on the
    wall. `+4h` and `+90m` are so long after the start, whatever clocks do.
    """

    text: str = field(compare=False)
    days: int = 0
    clock: time | None = None
    length: timedelta | None = None

    @classmethod
    def parse(cls, text: str) -> Offset:
        """
        Read `+2d`, `+2d 09:00[:30]`, `+4h`, `+90m` or `+30s`.

        Raises:
            ValueError: it is none of them.
        """
        if not re.fullmatch(OFFSET, text):
            raise ValueError(text)
        amount, _, clock = text[1:].partition(" ")
        number, unit = int(amount[:-1]), amount[-1]
        if unit == "d":
            return cls(text, days=number, clock=time.fromisoformat(clock) if clock else None)
        return cls(text, length=timedelta(**{_UNITS[unit]: number}))

    def wall(self, start: datetime) -> datetime:
        """
        The time on the wall, where the clock is not changed in between.

        >>> Offset.parse("+2d 09:00").wall(datetime(2026, 12, 7, 8, 30))
        datetime.datetime(2026, 12, 9, 9, 0)
        """
        if self.length is not None:
            return start + self.length
        return datetime.combine(start.date() + timedelta(days=self.days), self.clock or start.time())

    def at(self, wall: datetime, at: datetime, zone: ZoneInfo) -> datetime:
        """The instant, in UTC, after a start that the rule has at *wall* and that was at the instant *at*."""
        if self.length is not None:
            return at.astimezone(UTC) + self.length
        if self.days == 0 and self.clock is None:
            return at.astimezone(UTC)
        return When(self.text, self.wall(wall)).at(zone)


StepTime = When | Offset


def parse_step_time(text: str) -> StepTime:
    """
    When a step runs: a time of its own, or one relative to each start.

    Raises:
        ValueError: it is neither.
    """
    return Offset.parse(text) if text.startswith("+") else When.parse(text)
