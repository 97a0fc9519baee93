"""Rates: how many messages a second, minute, hour or day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

_PERIODS: Final = {
    "s": timedelta(seconds=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_LONGEST_LEAD: Final = timedelta(seconds=1)


@dataclass(frozen=True)
class Rate:
    """
    At most so many messages in each period, evenly: after a pause nothing is caught up.

    This is the generic cell rate algorithm (ITU-T I.371, annex A): all that is
    remembered is the instant from which on the next message is in time. By a
    fast rate messages may be early by a fiftieth of the period, one second at
    the most, so that it needs no round of its own for each message.
    """

    messages: int
    period: timedelta

    @classmethod
    def parse(cls, text: str) -> Rate:
        """
        Read `200/s`, which the language has checked.

        >>> Rate.parse("200/s").interval
        datetime.timedelta(microseconds=5000)
        """
        number, _, unit = text.partition("/")
        return cls(int(number), _PERIODS[unit])

    @property
    def interval(self) -> timedelta:
        """The time between two messages, rounded up to a microsecond."""
        return -(-self.period // self.messages)

    @property
    def lead(self) -> timedelta:
        """How early a message may be: nothing by a rate that is slow enough to be kept exactly."""
        lead = min(self.period / 50, _LONGEST_LEAD)
        return lead if lead >= self.interval else timedelta()

    def allowance(self, in_time_at: datetime | None, now: datetime) -> int:
        """
        How many messages may leave now; *in_time_at* is when the next one is in time, None before the first.

        >>> now = datetime(2026, 12, 1)
        >>> Rate.parse("1/d").allowance(None, now), Rate.parse("1/d").allowance(now + timedelta(hours=1), now)
        (1, 0)
        """
        early = now + self.lead - self._from(in_time_at, now)
        return 0 if early < timedelta() else early // self.interval + 1

    def after(self, sent: int, in_time_at: datetime | None, now: datetime) -> datetime:
        """When the next message is in time once *sent* more have left."""
        return self._from(in_time_at, now) + sent * self.interval

    def _from(self, in_time_at: datetime | None, now: datetime) -> datetime:
        # After a pause the lead is used up, or the first period would hold more than the rate says.
        return in_time_at if in_time_at is not None and in_time_at > now else now + self.lead

    def next_at(self, in_time_at: datetime) -> datetime:
        """From when on a message may leave."""
        return in_time_at - self.lead


@dataclass(frozen=True)
class FrequencyCap:
    """At most so many messages to one contact in a length of time, whatever campaigns they come from."""

    messages: int
    per: timedelta
