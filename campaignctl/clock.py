"""The system's clock: the one place that asks what time it is; and how instants are written."""

from datetime import UTC, datetime
from typing import Protocol, overload


class Clock(Protocol):
    """Tells the present instant, in UTC."""

    def now(self) -> datetime: ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class SetClock:
    """A clock that somebody sets: virtual time for tests and demonstrations."""

    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def set_to(self, now: datetime) -> None:
        """Move to *now*; a clock never goes back."""
        self._now = max(self._now, now)


@overload
def utc_text(at: datetime) -> str: ...
@overload
def utc_text(at: None) -> None: ...
@overload
def utc_text(at: datetime | None) -> str | None: ...
def utc_text(at: datetime | None) -> str | None:
    """
    An instant as JSON documents write it.

    >>> utc_text(datetime(2026, 12, 1, 8, 0, tzinfo=UTC))
    '2026-12-01T08:00:00Z'
    """
    return None if at is None else at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
