"""When messages leave by their rates, worked out ahead instead of waited for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from campaignctl.flow.rates import Rate

_PLENTY: Final = 10**12  # more than any rate lets out at once


@dataclass
class Meter:
    """A rate, and from when on the next message by it is in time."""

    rate: Rate | None
    in_time_at: datetime | None = None

    def allowance(self, now: datetime) -> int:
        return _PLENTY if self.rate is None else self.rate.allowance(self.in_time_at, now)

    def used(self, sent: int, now: datetime) -> None:
        if self.rate is not None and sent:
            self.in_time_at = self.rate.after(sent, self.in_time_at, now)

    def next_at(self, now: datetime) -> datetime:
        """From when on a message may leave."""
        if self.rate is None or self.in_time_at is None:
            return now
        return max(now, self.rate.next_at(self.in_time_at))


@dataclass
class Lane:
    """
    The messages of one step that are to leave next, and how many of them did, from when to when.

    Before them come so many that turn out not to be sent: each takes a turn, and nothing of the rate.
    """

    meter: Meter
    waiting: int
    unsent: int = 0
    left: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    served: int = 0  # in which round it had its last turn

    def leave(self, number: int, now: datetime) -> None:
        self.waiting -= number
        self.left += number
        self.first_at = self.first_at or now
        self.last_at = now


def paced(lanes: Sequence[Lane], channel: Meter, now: datetime, until: datetime, rounds: int = 0) -> int:
    """
    Let messages leave from *now* on until a lane has none left, or it is *until*.

    As the delivery loop does it, the room that the channel's rate leaves is
    shared out in turns, and who has waited longest comes first. *rounds* there
    were before; gives how many there are now.
    """
    while now < until:
        while _round(lanes, channel, now, rounds := rounds + 1):
            pass
        if not all(lane.waiting for lane in lanes):
            break
        next_at = min(max(channel.next_at(now), lane.meter.next_at(now)) for lane in lanes)
        if len(lanes) == 1:
            next_at = _hurried(lanes[0], channel, now, next_at, until)
        now = next_at
    return rounds


def _round(lanes: Sequence[Lane], channel: Meter, now: datetime, number: int) -> int:
    """How many messages have their turn in one round."""
    room = channel.allowance(now)
    busy = sorted((lane for lane in lanes if lane.waiting), key=lambda lane: lane.served)
    taken = 0
    for turn, lane in enumerate(busy):
        share = -(-(room - taken) // (len(busy) - turn))
        tried = min(share, lane.meter.allowance(now), lane.unsent + lane.waiting)
        if tried == 0:
            continue
        lane.served = number
        taken += tried
        leaving = max(0, tried - lane.unsent)
        lane.unsent -= tried - leaving
        if leaving:
            lane.meter.used(leaving, now)
            channel.used(leaving, now)
            lane.leave(leaving, now)
    return taken


def _hurried(lane: Lane, channel: Meter, now: datetime, next_at: datetime, until: datetime) -> datetime:
    """
    Where one rate alone lets one message out after each interval, let all but the last of them leave at once.

    The instant at which it goes on.
    """
    rates = [meter for meter in (channel, lane.meter) if meter.rate is not None]
    if len(rates) != 1 or lane.waiting < 2:
        return next_at
    (meter,) = rates
    assert meter.rate is not None
    assert meter.in_time_at is not None
    interval = meter.rate.interval
    if next_at - now != interval:
        return next_at
    number = min(lane.waiting - 1, max(0, (until - now - timedelta(microseconds=1)) // interval))
    if number:
        meter.in_time_at += number * interval
        lane.leave(number, now + number * interval)
    return now + (number + 1) * interval
