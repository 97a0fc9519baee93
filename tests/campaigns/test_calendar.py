"""What runs when, across campaigns, and which messages come too near to each other."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from icalendar import Calendar
from world import PROJECT, World

from campaignctl.agenda import Conflict, Entry, agenda
from campaignctl.calendar_file import calendar_file
from campaignctl.cli.start import run

HEAD = "campaign: NAME\nlist: customers\nstarter: {segment: SEGMENT}\nsteps:\n"
EVERYBODY, FRENCH = "{attribute: email, exists: true}", "{segment: french}"


def campaign(name: str, segment: str, *times: str) -> str:
    steps = "".join(
        f"  - {{id: s{number}, at: {at}, email: {{subject: Hi, body: hello.md}}}}\n" for number, at in enumerate(times)
    )
    return HEAD.replace("NAME", name).replace("SEGMENT", segment) + steps


def december(world: World, first: int = 1, last: int = 31) -> list[Entry]:
    since = world.instant(f"2026-12-{first:02} 00:00")
    until = world.instant(f"2026-12-{last:02} 00:00") + timedelta(days=1)
    with world.store.reading() as ledger:
        return agenda(ledger, world.project.project, since, until, world.clock.now())


def conflicts(entries: list[Entry]) -> dict[tuple[str, str], list[tuple[str, str, int]]]:
    return {
        (entry.campaign, entry.step): [(each.campaign, each.step, each.contacts) for each in entry.conflicts]
        for entry in entries
        if entry.conflicts
    }


@pytest.fixture
def busy(world: World) -> World:
    world.contacts()
    world.publish(campaign("sale", EVERYBODY, "2026-12-01 10:05", "2026-12-24 09:00"))
    world.publish(campaign("news", FRENCH, "2026-12-24 18:00", "2027-01-02 09:00"))
    return world


def test_the_steps_of_all_campaigns_stand_by_time(busy: World) -> None:
    found = [(entry.campaign, entry.step, entry.at) for entry in december(busy)]
    assert found == [
        ("sale", "s0", busy.instant("2026-12-01 10:05")),
        ("sale", "s1", busy.instant("2026-12-24 09:00")),
        ("news", "s0", busy.instant("2026-12-24 18:00")),
    ]


def test_messages_of_two_campaigns_within_a_day_to_the_same_contacts_are_a_conflict(busy: World) -> None:
    assert conflicts(december(busy)) == {("sale", "s1"): [("news", "s0", 2)], ("news", "s0"): [("sale", "s1", 2)]}


@pytest.mark.parametrize(("per", "is_told"), [("9h", False), ("10h", True)])
def test_with_a_frequency_cap_its_period_says_what_is_near(busy: World, per: str, is_told: bool) -> None:
    busy.write("campaignctl.yaml", PROJECT + f"send: {{frequency_cap: {{messages: 1, per: {per}}}}}\n")
    assert bool(conflicts(december(busy))) is is_told


def test_a_conflict_is_told_when_its_other_side_lies_outside_of_the_time_asked_for(world: World) -> None:
    world.contacts()
    world.publish(campaign("sale", EVERYBODY, "2026-12-09 23:00"))
    world.publish(campaign("news", FRENCH, "2026-12-10 01:00"))
    assert conflicts(december(world, last=9)) == {("sale", "s0"): [("news", "s0", 2)]}


def test_who_shares_no_contact_is_in_no_conflict(world: World) -> None:
    world.contacts()
    world.publish(campaign("sale", "{attribute: country, eq: BE}", "2026-12-01 10:05"))
    world.publish(campaign("news", FRENCH, "2026-12-01 11:05"))
    assert conflicts(december(world)) == {}


def test_what_was_stopped_conflicts_with_nothing(busy: World) -> None:
    busy.stop("news")
    assert conflicts(december(busy)) == {}
    assert [entry.state for entry in december(busy) if entry.campaign == "news"] == ["cancelled"]


def test_after_its_start_members_count_and_a_step_stands_where_it_began(busy: World) -> None:
    # Given a sale that has started with everybody, late because of the safety delay
    busy.at("2026-12-01 10:03")
    busy.publish(campaign("late", FRENCH, "2026-12-01 10:05"))
    busy.run_until("2026-12-01 12:00")
    late = next(entry for entry in december(busy) if entry.campaign == "late")
    assert (late.at, late.state) == (busy.instant("2026-12-01 10:08"), "done")
    # When a French contact becomes Belgian
    busy.contacts("id,email,name,country\nc-1,ada@example.org,Ada,BE\n")
    # Then it still is a member of the sale, and of the news it will be none
    assert conflicts(december(busy))["sale", "s1"] == [("news", "s0", 1)]


def shown(world: World, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["calendar", *arguments, "--project", str(world.folder)]) == 0
    return capsys.readouterr().out


def test_a_month_fits_a_terminal(busy: World, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(busy, capsys, "2026-12")
    assert max(map(len, text.splitlines())) <= 80
    assert "December 2026" in text
    assert "09:00!sale" in text
    assert "news/s0: 2" in text


def test_days_are_those_of_the_zone_that_is_asked_for(busy: World, capsys: pytest.CaptureFixture[str]) -> None:
    (entry, *_) = json.loads(shown(busy, capsys, "2026-12", "--timezone", "Pacific/Auckland", "--format", "json"))[
        "entries"
    ]
    assert (entry["at"], entry["local"]) == ("2026-12-01T09:05:00Z", "2026-12-01 22:05")


def test_several_months_follow_each_other(busy: World, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(busy, capsys, "2026-12", "--months", "2")
    assert text.index("December 2026") < text.index("January 2027") < text.index("2027-01-02 09:00")


def test_a_calendar_file_is_read_by_others_and_names_each_step_for_good(busy: World) -> None:
    # Given a file, and another one after a step was moved
    before = Calendar.from_ical(calendar_file(december(busy), "shop", busy.clock.now()))
    busy.publish(campaign("news", FRENCH, "2026-12-24 19:00", "2027-01-02 09:00"))
    after = Calendar.from_ical(calendar_file(december(busy), "shop", busy.clock.now()))
    # Then each step has one event
    times = [{str(event["uid"]): event.decoded("dtstart") for event in each.events} for each in (before, after)]
    assert times[0]["s0/news@shop"] == datetime(2026, 12, 24, 17, 0, tzinfo=UTC)
    # And the moved one keeps its name
    assert times[0].keys() == times[1].keys()
    assert times[1]["s0/news@shop"] == datetime(2026, 12, 24, 18, 0, tzinfo=UTC)


def test_a_calendar_file_tells_conflicts_and_keeps_odd_words_whole() -> None:
    entry = Entry(
        "sale", "Été; 50 %, now\nor never", "active", "first", "email", "scheduled",
        datetime(2026, 12, 1, tzinfo=UTC), (Conflict("news", "s0", 3),),
    )  # fmt: skip
    (event,) = Calendar.from_ical(calendar_file([entry], "shop", datetime(2026, 11, 1, tzinfo=UTC))).events
    assert str(event["description"]).startswith("Été; 50 %, now\nor never\nThe campaign is active")
    assert "`news/s0` writes to 3 of the same contacts" in str(event["description"])


def test_a_file_that_cannot_be_written_is_said(busy: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["calendar", "--ics", str(busy.folder / "none" / "x.ics"), "--project", str(busy.folder)]) == 2
    assert "error[U105]" in capsys.readouterr().err
