"""Properties of hours and rates."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaignctl.flow.rates import Rate
from campaignctl.flow.windows import Hours, Opening

PARIS = ZoneInfo("Europe/Paris")
clocks = st.times().map(lambda clock: clock.replace(second=0, microsecond=0))
hours = st.none() | st.builds(Hours, clocks, clocks)
zones = st.sampled_from(sorted(available_timezones())).map(ZoneInfo)
instants = st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))


@settings(max_examples=300, deadline=None)
@given(hours, hours, zones, instants)
def test_the_next_allowed_instant_is_allowed_and_none_before_it_is(
    window: Hours | None, quiet: Hours | None, zone: ZoneInfo, at: datetime
) -> None:
    opening = Opening(window, quiet)
    found = opening.next_open(at, zone)
    end = found or at + timedelta(days=2)
    assert found is None or (found >= at and opening.is_open(found, zone))
    minute = at + timedelta(minutes=1)
    while minute < end:
        assert not opening.is_open(minute, zone), minute
        minute += timedelta(minutes=7)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-12-01 22:30", "2026-12-02 08:00"),  # in the evening, to the next morning
        ("2026-12-01 07:59", "2026-12-01 08:00"),
        ("2026-12-01 08:00", "2026-12-01 08:00"),  # the last minute does not belong to the quiet hours
        ("2026-12-01 20:59", "2026-12-01 20:59"),
    ],
)
def test_quiet_hours_cross_midnight(at: str, expected: str) -> None:
    opening = Opening(quiet=Hours.parse("21:00-08:00"))
    found = opening.next_open(datetime.fromisoformat(at).replace(tzinfo=PARIS), PARIS)
    assert found is not None
    assert f"{found.astimezone(PARIS):%Y-%m-%d %H:%M}" == expected


def test_a_window_that_begins_in_the_hour_that_spring_leaves_out_opens_after_it() -> None:
    opening = Opening(window=Hours(time(2, 30), time(2, 45)))
    found = opening.next_open(datetime(2027, 3, 27, 12, tzinfo=UTC), PARIS)
    assert found is not None
    assert f"{found.astimezone(PARIS):%Y-%m-%d %H:%M}" == "2027-03-29 02:30"


def test_quiet_hours_around_the_clock_leave_no_instant() -> None:
    assert Opening(quiet=Hours.parse("00:00-00:00")).next_open(datetime(2026, 12, 1, tzinfo=UTC), PARIS) is None


rates = st.builds(
    Rate, st.integers(1, 5000), st.sampled_from([timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)])
)


@settings(max_examples=200, deadline=None)
@given(rates, st.lists(st.tuples(st.integers(0, 3_000_000), st.integers(0, 50)), max_size=60))
def test_no_sequence_of_rounds_sends_more_than_the_rate_allows_and_nothing_is_caught_up(
    rate: Rate, rounds: list[tuple[int, int]]
) -> None:
    now, in_time_at = datetime(2026, 12, 1, tzinfo=UTC), None
    sent: list[datetime] = []
    for pause, wanted in rounds:
        now += timedelta(microseconds=pause)
        granted = min(rate.allowance(in_time_at, now), wanted)
        in_time_at = rate.after(granted, in_time_at, now)
        sent += [now] * granted
    for index, first in enumerate(sent):
        for later in range(index + 1, len(sent)):
            longest = (later - index) * rate.interval - rate.lead
            assert sent[later] - first >= longest


@settings(max_examples=100, deadline=None)
@given(rates)
def test_the_first_period_holds_no_more_messages_than_the_rate_says(rate: Rate) -> None:
    start = now = datetime(2026, 12, 1, tzinfo=UTC)
    in_time_at, sent = None, 0
    while now < start + rate.period:
        granted = rate.allowance(in_time_at, now)
        in_time_at = rate.after(granted, in_time_at, now)
        sent += granted
        now = max(rate.next_at(in_time_at), now + rate.lead / 3)
    assert 0.97 * rate.messages <= sent <= rate.messages


def test_one_a_day_sends_one_a_day() -> None:
    rate, now = Rate.parse("1/d"), datetime(2026, 12, 1, 9, tzinfo=UTC)
    assert rate.allowance(None, now) == 1
    in_time_at = rate.after(1, None, now)
    assert rate.allowance(in_time_at, now + timedelta(hours=23)) == 0
    assert rate.allowance(in_time_at, now + timedelta(days=1)) == 1
    assert rate.allowance(in_time_at, now + timedelta(days=30)) == 1
