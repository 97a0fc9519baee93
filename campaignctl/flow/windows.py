"""Hours of the day in which messages may leave, and those in which they may not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class Hours:
    """
    A stretch of every day, by the clock on the wall; it may cross midnight.

    The first minute belongs to it, the last does not. From and to the same
    time is the whole day.

    >>> Hours.parse("21:00-08:00").holds(time(23, 30)), Hours.parse("21:00-08:00").holds(time(8, 0))
    (True, False)
    """

    start: time
    end: time

    @classmethod
    def parse(cls, text: str) -> Hours:
        """Read `21:00-08:00`, which the language has checked."""
        start, _, end = text.partition("-")
        return cls(time.fromisoformat(start), time.fromisoformat(end))

    @property
    def length(self) -> timedelta:
        """
        How long it is each day.

        >>> Hours.parse("21:00-08:00").length
        datetime.timedelta(seconds=39600)
        """
        start, end = (timedelta(hours=clock.hour, minutes=clock.minute) for clock in (self.start, self.end))
        return (end - start) % _DAY or _DAY

    def holds(self, clock: time) -> bool:
        """Whether it is within these hours when the wall shows *clock*."""
        if self.start < self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end


@dataclass(frozen=True)
class Opening:
    """When messages may leave: inside the *window*, where there is one, and outside the *quiet* hours."""

    window: Hours | None = None
    quiet: Hours | None = None

    def is_open(self, at: datetime, zone: ZoneInfo) -> bool:
        """Whether a message may leave at this instant to where the clocks are those of *zone*."""
        clock = at.astimezone(zone).time()
        return (self.window is None or self.window.holds(clock)) and (self.quiet is None or not self.quiet.holds(clock))

    def next_open(self, at: datetime, zone: ZoneInfo) -> datetime | None:
        """
        The first instant from *at* on at which a message may leave; None where there is none.

        Only where hours begin or end, or the clock is changed, can it become
        so; each of the coming days is looked at, which finds the instant also
        in the weeks of clock changes.
        """
        if self.is_open(at, zone):
            return at
        today = at.astimezone(zone).date()
        instants = [instant for day in range(4) for instant in self._edges(today + timedelta(days=day), zone)]
        return min((each for each in instants if each > at and self.is_open(each, zone)), default=None)

    def _edges(self, day: date, zone: ZoneInfo) -> Sequence[datetime]:
        """The instants of a day at which these hours may begin to be open; a time in a gap begins after it."""
        clocks = [] if self.window is None else [self.window.start]
        clocks += [] if self.quiet is None else [self.quiet.end]
        found = []
        for clock in clocks:
            for fold in (0, 1):
                wall = datetime.combine(day, clock, tzinfo=zone).replace(fold=fold)
                found.append(wall.astimezone(UTC))
        found.append(_after_gap(day, zone))
        return found


def _after_gap(day: date, zone: ZoneInfo) -> datetime:
    """
    The instant at which the offset of *zone* changes on this day; the end of the day where it does not.

    The clock may jump from before a window into it, past its first minute.
    """
    low = datetime.combine(day, time(), tzinfo=zone).astimezone(UTC)
    high = datetime.combine(day + timedelta(days=1), time(), tzinfo=zone).astimezone(UTC)
    before = low.astimezone(zone).utcoffset()
    if before == high.astimezone(zone).utcoffset():
        return high
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) // 2
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)
