"""Days and instants as values of attributes and conditions."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from campaignctl.campaign.when import When

_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def is_day(text: str) -> bool:
    """
    Whether *text* is a day of the calendar.

    >>> is_day("2026-02-28"), is_day("2026-02-30")
    (True, False)
    """
    if not _DAY.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def instant_of(text: str, zone: ZoneInfo | None) -> datetime | None:
    """
    The instant that *text* names: an instant, wall time, or the first moment of a day in *zone* (UTC without one).

    >>> instant_of("2026-01-31", None)
    datetime.datetime(2026, 1, 31, 0, 0, tzinfo=datetime.timezone.utc)
    """
    try:
        return When.parse(f"{text} 00:00" if _DAY.fullmatch(text) else text).at(zone or ZoneInfo("UTC")).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
