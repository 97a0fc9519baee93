"""When a step runs: wall time in a zone, or an instant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from zoneinfo import ZoneInfo

_WALL = re.compile(r"(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d)(?::(\d\d))?")
_INSTANT = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d))?(?:Z|([+-])(\d\d):(\d\d))")
_ZONE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")


class Fit(StrEnum):
    """How a wall time meets the clock of its zone."""

    EXACT = "exact"  # happens once
    GAP = "gap"  # never happens: the clock jumps over it in spring
    OVERLAP = "overlap"  # happens twice in autumn; the first is meant


@dataclass(frozen=True)
class When:
    """
    A time as written. `offset` is None for wall time, which needs a zone to be an instant.

    >>> When.parse("2026-12-01 09:00").at(zone_named("Europe/Paris"))
    datetime.datetime(2026, 12, 1, 8, 0, tzinfo=datetime.timezone.utc)
    """

    text: str
    wall: datetime
    offset: timedelta | None = None

    @classmethod
    def parse(cls, text: str) -> When:
        """
        Read `2026-12-01 09:00[:30]` or `2026-12-01T09:00[:30]+01:00`.

        Raises:
            ValueError: it is neither, or no day of the calendar.
        """
        if match := _WALL.fullmatch(text):
            return cls(text, _wall(match))
        if match := _INSTANT.fullmatch(text):
            sign, hours, minutes = match.group(7, 8, 9)
            if hours and (int(hours) > 23 or int(minutes) > 59):
                raise ValueError(text)
            offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
            wall = _wall(match)
            when = cls(text, wall, -offset if sign == "-" else offset)
            when.at(ZoneInfo("UTC"))
            return when
        raise ValueError(text)

    def fit(self, zone: ZoneInfo) -> Fit:
        """Whether this time happens once, twice or never in *zone*. An instant happens once."""
        if self.offset is not None:
            return Fit.EXACT
        first = self.wall.replace(tzinfo=zone)
        second = first.replace(fold=1)
        if first.utcoffset() == second.utcoffset():
            return Fit.EXACT
        is_real = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == self.wall
        return Fit.OVERLAP if is_real else Fit.GAP

    def at(self, zone: ZoneInfo) -> datetime:
        """
        The instant, in UTC.

        A wall time that happens twice means the first; one that never happens
        is taken as much later as the clock jumped.
        """
        if self.offset is not None:
            return (self.wall - self.offset).replace(tzinfo=UTC)
        return self.wall.replace(tzinfo=zone).astimezone(UTC)


def _wall(match: re.Match[str]) -> datetime:
    year, month, day, hour, minute, second = (int(part or 0) for part in match.group(1, 2, 3, 4, 5, 6))
    wall = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 # wall time has no zone yet
    if not 1970 < wall.year < 9999:
        raise ValueError(match.string)
    return wall


@cache
def zone_named(name: str) -> ZoneInfo:
    """
    The zone with this IANA name.

    Raises:
        ValueError: there is no such zone.
    """
    if not _ZONE_NAME.fullmatch(name):
        raise ValueError(name)
    try:
        return ZoneInfo(name)
    except (KeyError, OSError) as failure:
        raise ValueError(name) from failure


def wall_text(at: datetime, zone: ZoneInfo) -> str:
    """
    An instant as people in *zone* read it.

    >>> wall_text(datetime(2026, 7, 1, 7, 0, tzinfo=UTC), zone_named("Europe/Paris"))
    '2026-07-01 09:00'
    """
    local = at.astimezone(zone)
    return local.strftime("%Y-%m-%d %H:%M:%S" if local.second else "%Y-%m-%d %H:%M")
