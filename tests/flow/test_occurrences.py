"""When recurring campaigns start, and what each start makes of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st
from language.wrong_files import HEAD
from world import World

from campaignctl.campaign.cron import Cron
from campaignctl.campaign.steps.union import every_step
from campaignctl.campaign.version import Version
from campaignctl.campaign.when import When
from campaignctl.flow.occurrences import Recurrence, Start, names_of, occurrence, recurrence_of, seed_of

PARIS = ZoneInfo("Europe/Paris")
# Clocks put forward by half an hour, at midnight, an hour before it, and once by a whole day.
ZONES = [
    ZoneInfo(name)
    for name in ("Europe/Paris", "Australia/Lord_Howe", "America/Santiago", "America/Nuuk", "Pacific/Apia", "UTC")
]


def starts(rule: str, after: str, number: int, zone: ZoneInfo = PARIS, until: str | None = None) -> list[str]:
    """The next starts of a rule, in UTC."""
    found = Recurrence(Cron.parse(rule), zone, until).after(When.parse(after).at(zone))
    return [f"{start.at:%Y-%m-%d %H:%M}" for start in islice(found, number)]


def test_nine_o_clock_stays_nine_o_clock_over_both_clock_changes() -> None:
    assert starts("0 9 * * *", "2027-03-27 00:00", 3) == ["2027-03-27 08:00", "2027-03-28 07:00", "2027-03-29 07:00"]
    assert starts("0 9 * * *", "2027-10-30 00:00", 3) == ["2027-10-30 07:00", "2027-10-31 08:00", "2027-11-01 08:00"]


def test_a_start_that_the_clock_jumps_over_is_as_much_later() -> None:
    assert starts("30 2 * * *", "2027-03-27 12:00", 2) == ["2027-03-28 01:30", "2027-03-29 00:30"]


def test_a_start_that_would_happen_twice_happens_once() -> None:
    """croniter, given the zone, starts at both; so it is asked for times on the wall only."""
    assert starts("30 2 * * *", "2027-10-30 12:00", 2) == ["2027-10-31 00:30", "2027-11-01 01:30"]
    aware = croniter("30 2 * * *", datetime(2027, 10, 30, 12, tzinfo=PARIS))
    assert [aware.get_next(datetime).astimezone(UTC).day for _ in range(3)] == [31, 31, 1]


def test_starts_in_the_hour_that_is_left_out_come_together_with_those_after_it() -> None:
    half_hours = starts("*/30 * * * *", "2027-03-28 01:30", 4)
    assert half_hours == ["2027-03-28 01:00", "2027-03-28 01:30", "2027-03-28 02:00", "2027-03-28 02:30"]


def test_of_two_starts_that_come_to_one_instant_the_time_that_exists_names_it() -> None:
    rule = Recurrence(Cron.parse("30 2,3 28 3 *"), PARIS)
    (start,) = rule.up_to(datetime(2027, 3, 27, tzinfo=UTC), datetime(2027, 3, 29, tzinfo=UTC))
    assert start == Start(datetime(2027, 3, 28, 1, 30, tzinfo=UTC), datetime(2027, 3, 28, 3, 30))


def test_the_last_day_and_the_last_moment_belong_to_the_starts() -> None:
    mondays = ["2026-12-07 08:00", "2026-12-14 08:00"]
    assert starts("0 9 * * MON", "2026-12-01 00:00", 9, until="2026-12-14") == mondays
    assert starts("0 9 * * MON", "2026-12-01 00:00", 9, until="2026-12-14 09:00") == mondays
    assert starts("0 9 * * MON", "2026-12-01 00:00", 9, until="2026-12-14T08:59:59+01:00") == mondays[:1]
    assert starts("0 9 * * MON", "2026-12-01 00:00", 9, until="2026-12-13") == mondays[:1]


def test_a_rule_with_a_day_of_the_month_and_one_of_the_week_means_either() -> None:
    assert starts("0 9 1 * MON", "2026-11-30 10:00", 2) == ["2026-12-01 08:00", "2026-12-07 08:00"]


def test_a_rule_for_29_february_waits_for_leap_years() -> None:
    assert starts("0 9 29 2 *", "2026-12-01 00:00", 2) == ["2028-02-29 08:00", "2032-02-29 08:00"]


rules = st.builds(
    "{} {} * * {}".format,
    st.sampled_from(["0", "30", "*/15", "5,50"]),
    st.sampled_from(["0", "2", "23", "*", "1-3", "22-23"]),
    st.sampled_from(["*", "SUN", "SAT,SUN", "MON-FRI"]),
)
moments = st.one_of(
    st.datetimes(datetime(2027, 1, 1), datetime(2028, 1, 1)),
    st.datetimes(datetime(2027, 3, 27), datetime(2027, 3, 30)),
    st.datetimes(datetime(2027, 10, 2), datetime(2027, 11, 1)),
    st.datetimes(datetime(2011, 12, 28), datetime(2012, 1, 2)),
)


@settings(max_examples=150, deadline=None)
@given(rules, st.sampled_from(ZONES), moments)
def test_starts_are_the_times_on_the_wall_each_at_its_instant(rule: str, zone: ZoneInfo, moment: datetime) -> None:
    """Compared with every minute of the days around, one by one."""
    after = moment.replace(tzinfo=UTC)
    every = Cron.parse(rule)
    day = (after - timedelta(days=3)).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
    instants = {
        When("", datetime.combine(date, clock)).at(zone)
        for date in (day + timedelta(days=number) for number in range(50))
        if date.isoweekday() % 7 in every.weekdays
        for clock in every.clocks
    }
    expected = sorted(instant for instant in instants if instant > after)[:5]
    found = list(islice(Recurrence(every, zone).after(after), 5))
    assert [start.at for start in found] == expected
    assert all(start.wall.time() in every.clocks for start in found)
    assert all(before.wall < later.wall for before, later in pairwise(found))


fields = st.sampled_from(["*", "*/2", "1", "3-5", "1,4", "2-8/3"])


@given(st.tuples(fields, fields, fields, fields, st.sampled_from(["*", "*/2", "0", "7", "5-7", "MON-WED", "sun,1"])))
def test_a_rule_means_what_croniter_makes_of_it(parts: tuple[str, ...]) -> None:
    rule = Cron.parse(" ".join(parts))
    expanded, _ = croniter.expand(" ".join(parts))
    everything = (range(60), range(24), range(1, 32), range(1, 13), range(7))
    expected = [
        tuple(every) if values == ["*"] else tuple(values) for values, every in zip(expanded, everything, strict=True)
    ]
    assert [rule.minutes, rule.hours, rule.days, rule.months, rule.weekdays] == expected


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("0 9 * * *", "every day at 09:00"),
        ("0 9 * * MON-FRI", "every Monday, Tuesday, Wednesday, Thursday and Friday at 09:00"),
        ("0 9 15 * *", "on day 15 of the month at 09:00"),
        ("0 9 1 1 MON", "on day 1 of January and every Monday at 09:00"),
        ("0 9 * 6,7 SUN", "every Sunday in June and July at 09:00"),
        ("*/10 8-17 * * *", "every day at 60 times from 08:00 to 17:50"),
    ],
)
def test_a_rule_is_told_in_words(rule: str, words: str) -> None:
    assert Cron.parse(rule).words == words


def test_an_occurrence_is_named_by_its_day_and_by_its_time_where_there_are_several() -> None:
    start = Start(datetime(2026, 12, 7, 8, tzinfo=UTC), datetime(2026, 12, 7, 9))
    once, twice = Cron.parse("0 9 * * MON"), Cron.parse("0 9,17 * * MON")
    assert next(names_of("digest", start, once)) == "digest@2026-12-07"
    assert list(islice(names_of("digest", start, twice), 2)) == ["digest@2026-12-07-0900", "digest@2026-12-07-0900-2"]


def test_each_occurrence_has_a_seed_of_its_own_and_always_the_same() -> None:
    monday = Start(datetime(2026, 12, 7, 8, tzinfo=UTC), datetime(2026, 12, 7, 9))
    next_monday = Start(datetime(2026, 12, 14, 8, tzinfo=UTC), datetime(2026, 12, 14, 9))
    assert seed_of("seed", monday) == seed_of("seed", monday) != seed_of("seed", next_monday)
    assert seed_of("seed", monday) != seed_of("other", monday)


def version(world: World, rule: str, *steps: str) -> Version:
    head = HEAD.replace("exists: true}}", f'exists: true}}, every: "{rule}"}}')
    return world.fast.version(world.write("campaign.yaml", head + "".join(f"  - {step}\n" for step in steps)))


def step(name: str, at: str) -> str:
    return f"{{id: {name}, at: {at}, email: {{subject: Hi, body: hello.md}}}}"


def times(made: Version) -> list[str]:
    return [str(each.at and each.at.text) for each in every_step(made.campaign.steps)]


def test_times_of_steps_count_from_the_start(world: World) -> None:
    raw = version(
        world,
        "0 9 * * MON",
        step("a", "+0d"),
        step("b", "+90m"),
        step("c", "+0d 18:00"),
        step("d", "+2d"),
        step("e", "+2d 09:00:30"),
    )
    start = Start(datetime(2026, 12, 7, 8, tzinfo=UTC), datetime(2026, 12, 7, 9))
    made = occurrence(raw, start, "sale@2026-12-07")
    assert times(made) == [
        "2026-12-07 09:00",
        "2026-12-07 10:30",
        "2026-12-07 18:00",
        "2026-12-09 09:00",
        "2026-12-09 09:00:30",
    ]
    assert made.name == "sale@2026-12-07"
    assert recurrence_of(made) is None


def test_days_are_days_of_the_calendar_and_hours_are_hours_over_a_clock_change(world: World) -> None:
    raw = version(world, "0 9 * * SAT", step("a", "+24h"), step("b", "+1d 10:00"))
    spring = Start(datetime(2027, 3, 27, 8, tzinfo=UTC), datetime(2027, 3, 27, 9))
    # Twenty-four hours after nine is ten on the day of 23 hours.
    assert times(occurrence(raw, spring, "x")) == ["2027-03-28 10:00", "2027-03-28 10:00"]


def test_a_time_that_happens_twice_is_written_as_the_instant_that_is_meant(world: World) -> None:
    raw = version(world, "0 0 * * SUN", step("a", "+0d 02:30"), step("b", "+4h"))
    autumn = Start(datetime(2027, 10, 30, 22, tzinfo=UTC), datetime(2027, 10, 31))
    made = occurrence(raw, autumn, "x")
    assert times(made) == ["2027-10-31 02:30", "2027-10-31 03:00"]
    later = version(world, "0 0 * * SUN", step("a", "+210m"))
    assert times(occurrence(later, autumn, "x")) == ["2027-10-31T02:30:00+01:00"]


def test_a_step_in_the_hour_that_is_left_out_does_not_overtake(world: World) -> None:
    """02:30 becomes 03:30 that day, so what follows at 03:00 waits for it."""
    raw = version(world, "0 1 * * *", step("a", "+0d 02:30"), step("b", "+0d 03:00"))
    spring = Start(datetime(2027, 3, 28, 0, tzinfo=UTC), datetime(2027, 3, 28, 1))
    assert times(occurrence(raw, spring, "x")) == ["2027-03-28 03:30", "2027-03-28 03:30"]


def test_steps_behind_a_split_wait_for_every_branch_and_branches_keep_their_own_times(world: World) -> None:
    branch = (
        "{id: s, at: +0d, split: {by: random, branches: [{name: x, share: 50%, steps: [BODY]}, {name: y, share: 50%}]}}"
    )
    raw = version(world, "0 1 * * *", branch.replace("BODY", step("a", "+0d 02:30")), step("b", "+0d 03:00"))
    spring = Start(datetime(2027, 3, 28, 0, tzinfo=UTC), datetime(2027, 3, 28, 1))
    assert times(occurrence(raw, spring, "x")) == ["2027-03-28 01:00", "2027-03-28 03:30", "2027-03-28 03:30"]


def test_an_occurrence_comes_back_from_the_store_as_it_was(world: World) -> None:
    raw = version(world, "0 0 * * SUN", step("a", "+210m"))
    autumn = Start(datetime(2027, 10, 30, 22, tzinfo=UTC), datetime(2027, 10, 31))
    made = occurrence(raw, autumn, "sale@2027-10-31")
    assert Version.from_stored(made.stored(), made.files).fingerprint() == made.fingerprint()
    assert Version.from_stored(raw.stored(), raw.files).fingerprint() == raw.fingerprint()
