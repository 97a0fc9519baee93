"""When messages leave, worked out ahead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaignctl.flow.pace import Lane, Meter, paced
from campaignctl.flow.rates import Rate

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
NEVER = NOW + timedelta(days=9999)
RATES = st.sampled_from(["1/d", "7/h", "40/min", "3/s", "200/s", "1000/s"]).map(Rate.parse)


def one_by_one(rate: Rate, number: int, until: datetime) -> list[datetime]:
    """When each message leaves, as the delivery loop asks for each of them."""
    mark, now, left = None, NOW, []
    while len(left) < number and now < until:
        for _ in range(min(rate.allowance(mark, now), number - len(left))):
            left.append(now)
            mark = rate.after(1, mark, now)
        now = rate.next_at(mark)
    return left


@given(rate=RATES, number=st.integers(1, 60), seconds=st.integers(1, 10**6), is_of_channel=st.booleans())
def test_many_messages_leave_when_each_of_them_would(
    rate: Rate, number: int, seconds: int, is_of_channel: bool
) -> None:
    until = NOW + timedelta(seconds=seconds)
    expected = one_by_one(rate, number, until)
    channel, own = (Meter(rate), Meter(None)) if is_of_channel else (Meter(None), Meter(rate))
    lane = Lane(own, number)
    paced([lane], channel, NOW, until)
    assert lane.left == len(expected)
    assert (lane.first_at, lane.last_at) == (expected[0], expected[-1])
    goes_on = max(channel.next_at(lane.last_at), own.next_at(lane.last_at))
    assert goes_on == lane.last_at + rate.interval


@given(rate=RATES, parts=st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_parts_of_a_cohort_leave_as_the_whole_does(rate: Rate, parts: list[int]) -> None:
    whole = Lane(Meter(rate), sum(parts))
    paced([whole], Meter(None), NOW, NEVER)
    meter, now = Meter(rate), NOW
    for number in parts:
        part = Lane(meter, number)
        paced([part], Meter(None), now, NEVER)
        assert part.last_at is not None
        now = meter.next_at(part.last_at)
    assert part.last_at == whole.last_at


def test_two_steps_share_the_rate_of_the_channel_in_turns() -> None:
    first, second = Lane(Meter(None), 10), Lane(Meter(None), 4)
    paced([first, second], Meter(Rate.parse("1/h")), NOW, NEVER)
    assert (first.left, second.left) == (4, 4)
    assert second.last_at == NOW + timedelta(hours=7)


@pytest.mark.parametrize(("unsent", "first_at"), [(0, NOW), (1, NOW + timedelta(hours=1))])
def test_a_contact_that_is_skipped_takes_its_steps_turn(unsent: int, first_at: datetime) -> None:
    first, second = Lane(Meter(None), 3, unsent), Lane(Meter(None), 3)
    paced([first, second], Meter(Rate.parse("1/h")), NOW, NEVER)
    assert first.first_at == first_at


def test_nothing_leaves_once_it_is_time_for_something_else() -> None:
    lane = Lane(Meter(Rate.parse("1/h")), 10)
    paced([lane], Meter(None), NOW, NOW + timedelta(hours=3))
    assert lane.left == 3
