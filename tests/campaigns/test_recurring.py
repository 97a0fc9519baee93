"""Recurring campaigns: a campaign at every start, from publication to the last one."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from world import PROJECT, World

from campaignctl.agenda import agenda
from campaignctl.approving import approve, waiting_version
from campaignctl.errors import RefusedError
from campaignctl.flow.states import CampaignState, StepState
from campaignctl.pausing import pause, resume
from campaignctl.planning import planned
from campaignctl.ports import LiveCampaign, Verdict
from campaignctl.proposing import next_occurrence, proposed
from campaignctl.publishing import publish
from campaignctl.recurring import coming_starts, skip
from campaignctl.rehearsal import audience
from campaignctl.simulation.run import Settings, copied, simulate
from campaignctl.store.checks.check import check_store
from campaignctl.store.instants import stored
from campaignctl.tracing import trace

STILL = "  - {id: remind, at: +1d, email: {subject: Still, body: hello.md}}\n"


def digest(
    every: str = "0 9 * * MON", more: str = "", steps: str = "", who: str = "{attribute: email, exists: true}"
) -> str:
    """A recurring campaign with one message at each start, and further steps."""
    return (
        f'campaign: digest\nlist: customers\n{more}starter:\n  segment: {who}\n  every: "{every}"\nsteps:\n'
        f"  - {{id: news, at: +0d, email: {{subject: News, body: hello.md}}}}\n{steps}"
    )


def until(day: str, every: str = "0 9 * * MON") -> str:
    return digest(every).replace("steps:\n", f"  until: {day}\nsteps:\n", 1)


def occurrences(world: World) -> dict[str, str]:
    """The occurrences with their states, by their starts."""
    with world.store.reading() as ledger:
        return {each.name: each.state.value for each in ledger.occurrences(ledger.known_campaign("digest"))}


def news(world: World, start: str) -> LiveCampaign:
    return world.campaign(f"digest@{start}")


def proven(world: World) -> bool:
    """Whether the store is as it has to be."""
    with world.store.reading() as ledger:
        return all(check.ok for check in check_store(ledger))


def left(world: World) -> list[str]:
    """When messages left, in UTC, each instant once."""
    return list(dict.fromkeys(f"{at:%m-%d %H:%M}" for at in world.left_at))


def test_every_monday_is_a_campaign_of_its_own(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    done = world.publish(digest())
    assert (done.campaign, done.version, done.starts_at) == ("digest", 1, world.instant("2026-12-07 09:00"))
    assert occurrences(world) == {"digest@2026-12-07": "active"}

    # When it starts, the one after it is there
    world.run_until("2026-12-07 09:00")
    assert list(occurrences(world)) == ["digest@2026-12-07", "digest@2026-12-14"]

    world.run_until("2026-12-14 12:00")
    assert left(world) == ["12-07 08:00", "12-14 08:00"]
    assert occurrences(world) == {
        "digest@2026-12-07": "completed",
        "digest@2026-12-14": "completed",
        "digest@2026-12-21": "active",
    }
    assert {message.key.split("/")[0] for message in world.email.sent} == {"digest@2026-12-07", "digest@2026-12-14"}
    assert proven(world)


def test_a_year_of_mondays_sends_at_nine_on_each_of_them(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts("id,email,name\nc-1,ada@example.org,Ada\n")
    world.publish(until("2027-11-30"))
    # Restarted in spring and in autumn.
    for end in ("2027-03-28 12:00", "2027-10-31 12:00", "2028-03-01 00:00"):
        world.run_until(end)
    assert len(left(world)) == 52
    assert Counter(at[6:] for at in left(world)) == {"08:00": 21, "07:00": 31}
    assert len(world.addresses) == 52
    assert world.campaign("digest").state is CampaignState.COMPLETED
    assert set(occurrences(world).values()) == {"completed"}
    assert proven(world)


@pytest.mark.parametrize(
    ("days", "sent"),
    [
        ("27-29 3", ["03-27 01:30", "03-28 01:30", "03-29 00:30"]),
        ("30-31 10", ["10-30 00:30", "10-31 00:30"]),
    ],
)
def test_the_night_of_a_clock_change_sends_once(world: World, days: str, sent: list[str]) -> None:
    """At 02:30, which the clock jumps over in spring and shows twice in autumn."""
    world.at("2027-03-01 12:00")
    world.contacts()
    world.publish(digest(f"30 2 {days} *"))
    world.run_until("2027-11-01 12:00")
    assert left(world) == sent
    assert len(world.addresses) == 3 * len(sent)


def test_steps_run_so_long_after_each_start_and_who_joined_meanwhile_gets_the_next_one(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts("id,email,name\nc-1,ada@example.org,Ada\n")
    world.publish(digest(steps="  - {id: remind, at: +2d 18:00, email: {subject: Still, body: hello.md}}\n"))
    world.run_until("2026-12-08 12:00")
    world.contacts("id,email,name\nc-1,ada@example.org,Ada\nc-2,grace@example.org,Grace\n")
    world.run_until("2026-12-20 12:00")
    assert left(world) == ["12-07 08:00", "12-09 17:00", "12-14 08:00", "12-16 17:00"]
    assert Counter(world.addresses) == {"ada@example.org": 4, "grace@example.org": 2}


def test_an_occurrence_may_still_run_when_the_next_one_starts(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(digest(steps="  - {id: remind, at: +9d, email: {subject: Still, body: hello.md}}\n"))
    world.run_until("2026-12-14 12:00")
    assert [each for each, state in occurrences(world).items() if state == "active"] == [
        "digest@2026-12-07", "digest@2026-12-14", "digest@2026-12-21",
    ]  # fmt: skip
    assert news(world, "2026-12-07").step("remind").state is StepState.SCHEDULED


def test_several_starts_a_day_are_named_by_their_times(world: World) -> None:
    world.at("2026-12-07 08:00")
    world.contacts()
    world.publish(digest("0 9,17 * * MON"))
    world.run_until("2026-12-08 08:00")
    assert list(occurrences(world)) == ["digest@2026-12-07-0900", "digest@2026-12-07-1700", "digest@2026-12-14-0900"]


def test_a_start_sooner_than_the_safety_delay_is_delayed_and_the_one_after_is_there_too(world: World) -> None:
    world.at("2026-12-07 08:58")
    world.contacts()
    done = world.publish(digest())
    assert done.is_delayed_by_safety
    assert done.starts_at == world.instant("2026-12-07 09:03")
    assert list(occurrences(world)) == ["digest@2026-12-07", "digest@2026-12-14"]
    world.run_until("2026-12-14 12:00")
    assert left(world) == ["12-07 08:03", "12-14 08:00"]


def test_a_rule_with_no_start_to_come_is_not_published(world: World) -> None:
    world.at("2026-12-15 12:00")
    world.contacts()
    with pytest.raises(RefusedError) as refused:
        world.publish(until("2026-12-14"))
    assert refused.value.code == "P140"


def test_now_is_nothing_for_a_campaign_that_recurs(world: World) -> None:
    world.contacts()
    with pytest.raises(RefusedError) as refused:
        world.publish(digest(), starts_now=True)
    assert refused.value.code == "P124"


# nothing was running


@pytest.mark.parametrize(
    ("if_late", "states"),
    [
        ("", ["held", "held", "done", "scheduled"]),
        ("if_late: skip\n", ["skipped", "skipped", "skipped", "scheduled"]),
        ("if_late: run\n", ["done", "done", "done", "scheduled"]),
    ],
)
def test_if_late_decides_about_every_start_that_was_missed(world: World, if_late: str, states: list[str]) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(digest(more=if_late))
    # Nothing runs on the 7th, on the 14th and on the morning of the 21st.
    world.at("2026-12-21 12:00")
    world.run_until("2026-12-21 13:00")
    starts = ["2026-12-07", "2026-12-14", "2026-12-21", "2026-12-28"]
    assert [news(world, start).step("news").state.value for start in starts] == states
    with world.store.reading() as ledger:
        told = [entry.action for entry in ledger.history(news(world, "2026-12-14"))]
    assert told[0] == "made"
    assert ("step_held" in told, "step_skipped" in told) == ("held" in states, "skipped" in states)
    assert proven(world)


def test_many_missed_starts_are_made_in_several_passes(world: World) -> None:
    world.at("2026-12-01 00:30")
    world.contacts("id,email,name\nc-1,ada@example.org,Ada\n")
    world.publish(digest("0 * * * *", more="if_late: skip\n"))
    world.at("2026-12-05 06:30")
    world.run_until("2026-12-05 06:45")
    assert max(len(report.made) for report in world.reports) == 100
    assert len(occurrences(world)) == 4 * 24 + 7


# changes


def test_a_change_reaches_the_occurrences_to_come_and_none_that_has_begun(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    remind = "  - {id: remind, at: +8d, email: {subject: Still, body: hello.md}}\n"
    world.publish(digest(steps=remind))
    world.run_until("2026-12-08 12:00")
    done = world.publish(digest(steps=remind).replace("Still", "Last call").replace("News", "Fresh news"))
    assert done.version == 2
    world.run_until("2026-12-23 12:00")
    subjects = Counter((message.key.split("/")[0], _subject(message.content)) for message in world.email.sent)
    assert subjects == {
        ("digest@2026-12-07", "News"): 3,
        ("digest@2026-12-07", "Still"): 3,
        ("digest@2026-12-14", "Fresh news"): 3,
        ("digest@2026-12-14", "Last call"): 3,
        ("digest@2026-12-21", "Fresh news"): 3,
    }
    assert proven(world)


def _subject(content: bytes) -> str:
    return next(line for line in content.decode().splitlines() if line.startswith("Subject: ")).removeprefix(
        "Subject: "
    )


def test_another_rule_takes_out_what_is_no_start_any_more(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(digest())
    done = world.publish(digest("0 10 * * FRI"))
    assert [change.field for change in done.changes] == ["starter.every"]
    assert list(occurrences(world)) == ["digest@2026-12-04"]
    world.run_until("2026-12-08 12:00")
    assert left(world) == ["12-04 09:00"]
    with world.store.reading() as ledger:
        told = [entry.action for entry in ledger.history(world.campaign("digest"))]
    assert told == ["made", "published", "removed", "published"]


def test_a_rule_that_is_changed_within_the_day_may_start_again_on_it(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(digest())
    world.run_until("2026-12-07 12:00")
    world.publish(digest("0 17 * * MON"))
    world.run_until("2026-12-08 12:00")
    assert list(occurrences(world)) == ["digest@2026-12-07", "digest@2026-12-07-1700", "digest@2026-12-14"]


def test_a_new_rule_does_not_start_for_days_that_are_past(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(digest())
    world.run_until("2026-12-07 12:00")
    world.run_until("2026-12-10 12:00")
    world.publish(digest("0 9 * * *", more="if_late: run\n"))
    world.run_until("2026-12-11 12:00")
    assert left(world) == ["12-07 08:00", "12-11 08:00"]


def test_starts_that_were_missed_before_a_change_are_not_lost(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(digest(more="if_late: run\n"))
    world.at("2026-12-16 12:00")
    world.publish(digest(more="if_late: run\n").replace("News", "Fresh news"))
    world.run_until("2026-12-16 13:00")
    assert Counter((message.key.split("/")[0], _subject(message.content)) for message in world.email.sent) == {
        ("digest@2026-12-07", "Fresh news"): 3,
        ("digest@2026-12-14", "Fresh news"): 3,
    }


def test_the_same_file_again_changes_nothing(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(until("2026-12-10"))
    assert not world.publish(until("2026-12-10")).is_new
    world.run_until("2026-12-11 12:00")
    assert world.campaign("digest").state is CampaignState.COMPLETED
    assert not world.publish(until("2026-12-10")).is_new


def test_a_series_that_is_over_is_no_concern_of_a_change_of_the_project(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(until("2026-12-10"))
    world.run_until("2026-12-11 12:00")
    world.write("campaignctl.yaml", PROJECT.replace("news@shop", "hello@shop"))
    assert not world.publish(until("2026-12-10")).is_new
    with pytest.raises(RefusedError) as refused:
        world.publish(until("2026-12-10").replace("News", "Fresh news"))
    assert refused.value.code == "P120"


def test_an_end_that_is_past_does_not_end_a_series(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(digest())
    with pytest.raises(RefusedError) as refused:
        world.publish(until("2026-11-30"))
    assert refused.value.code == "P140"
    assert list(occurrences(world)) == ["digest@2026-12-07"]


def test_a_series_that_is_over_goes_on_with_a_later_end(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(until("2026-12-10"))
    world.run_until("2026-12-11 12:00")
    assert world.publish(until("2026-12-20")).state is CampaignState.ACTIVE
    world.run_until("2026-12-22 12:00")
    assert left(world) == ["12-07 08:00", "12-14 08:00"]
    assert world.campaign("digest").state is CampaignState.COMPLETED


def test_structure_asks_for_a_pause_as_in_any_campaign(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(digest())
    added = digest(steps="  - {id: remind, at: +1d, email: {subject: Still, body: hello.md}}\n")
    with pytest.raises(RefusedError) as refused:
        world.publish(added)
    assert refused.value.code == "P121"
    world.publish(added, is_live=True)
    assert [step.name for step in news(world, "2026-12-07").steps] == ["news", "remind"]


@pytest.mark.parametrize("recurs_first", [True, False])
def test_a_campaign_recurs_from_the_beginning_or_never(world: World, recurs_first: bool) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    once = digest().replace('  every: "0 9 * * MON"\n', "").replace("+0d", "2026-12-07 09:00")
    first, second = (digest(), once) if recurs_first else (once, digest())
    world.publish(first)
    with pytest.raises(RefusedError) as refused:
        world.publish(second)
    assert refused.value.code == "P120"
    assert "recurs from its first publication on, or never" in refused.value.message


def test_an_occurrence_that_was_paused_by_name_stays_so_with_new_texts(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(digest())
    pause(world.store, "digest@2026-12-07", actor="ada", now=world.clock.now())
    world.publish(digest().replace("News", "Fresh news"))
    world.run_until("2026-12-14 12:00")
    assert left(world) == ["12-14 08:00"]
    assert news(world, "2026-12-07").state is CampaignState.PAUSED


# pausing and stopping


def test_a_paused_series_sends_nothing_and_if_late_decides_when_it_goes_on(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(
        digest(more="if_late: skip\n", steps="  - {id: remind, at: +2d, email: {subject: A, body: hello.md}}\n")
    )
    world.run_until("2026-12-07 12:00")
    pause(world.store, "digest", actor="ada", now=world.clock.now())
    world.run_until("2026-12-21 12:00")
    assert left(world) == ["12-07 08:00"]
    resumption = resume(world.store, "digest", actor="ada", now=world.clock.now())
    assert [step.name for step in resumption.overdue] == ["remind", "news", "remind"]
    world.run_until("2026-12-28 12:00")
    assert left(world) == ["12-07 08:00", "12-23 08:00", "12-28 08:00"]
    assert news(world, "2026-12-14").step("news").state is StepState.SKIPPED
    assert news(world, "2026-12-21").step("news").state is StepState.SKIPPED
    assert proven(world)


def test_stop_ends_the_series_and_what_is_to_come_and_not_what_runs(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(digest(steps="  - {id: remind, at: +2d, email: {subject: A, body: hello.md}}\n"))
    world.run_until("2026-12-07 12:00")
    report = world.stop("digest")
    assert (report.ended, report.still_running) == (("digest@2026-12-14",), ("digest@2026-12-07",))
    world.run_until("2027-01-31 12:00")
    assert left(world) == ["12-07 08:00", "12-09 08:00"]
    assert occurrences(world) == {"digest@2026-12-07": "completed", "digest@2026-12-14": "stopped"}
    with pytest.raises(RefusedError) as refused:
        world.publish(digest())
    assert refused.value.code == "P103"
    assert proven(world)


def test_an_occurrence_that_is_stopped_by_name_is_the_only_one(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(digest())
    world.stop("digest@2026-12-07")
    world.run_until("2026-12-14 12:00")
    assert left(world) == ["12-14 08:00"]


# leaving starts out


def test_a_skipped_start_is_left_out_and_the_one_after_it_is_next(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(digest())
    skip(world.store, "digest", "2026-12-07", actor="ada", now=world.clock.now())
    assert list(occurrences(world)) == ["digest@2026-12-14"]
    skip(world.store, "digest", "2026-12-21 09:00", actor="ada", now=world.clock.now())
    world.run_until("2026-12-28 12:00")
    assert left(world) == ["12-14 08:00", "12-28 08:00"]
    assert proven(world)


def test_a_start_can_be_taken_back_and_the_others_stay_as_they_are(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(digest())
    for day in ("2026-12-07", "2026-12-14"):
        skip(world.store, "digest", day, actor="ada", now=world.clock.now())
    assert list(occurrences(world)) == ["digest@2026-12-21"]
    for day in ("2026-12-07", "2026-12-14"):
        skip(world.store, "digest", day, actor="ada", now=world.clock.now(), is_undone=True)
    with world.store.reading() as ledger:
        coming = coming_starts(ledger, ledger.known_campaign("digest"), world.clock.now(), 3)
    assert [(each.campaign, each.is_skipped) for each in coming] == [
        ("digest@2026-12-07", False),
        (None, False),
        ("digest@2026-12-21", False),
    ]
    world.run_until("2026-12-28 12:00")
    assert left(world) == ["12-07 08:00", "12-14 08:00", "12-21 08:00", "12-28 08:00"]


def test_a_skipped_start_stays_skipped_when_the_file_is_published_anew(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(digest())
    skip(world.store, "digest", "2026-12-07", actor="ada", now=world.clock.now())
    done = world.publish(digest().replace("News", "Fresh news"))
    assert done.starts_at == world.instant("2026-12-14 09:00")
    world.run_until("2026-12-14 12:00")
    assert left(world) == ["12-14 08:00"]


@pytest.mark.parametrize(
    ("start", "is_undone"),
    [
        ("2026-12-07", False),  # it has begun
        ("2026-12-15", False),  # a Tuesday
        ("2026-12-14 10:00", False),  # not the time
        ("2026-12-14", True),  # it is not skipped
    ],
)
def test_what_is_no_start_to_come_is_not_skipped(world: World, start: str, is_undone: bool) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(digest())
    world.run_until("2026-12-07 12:00")
    with pytest.raises(RefusedError) as refused:
        skip(world.store, "digest", start, actor="ada", now=world.clock.now(), is_undone=is_undone)
    assert refused.value.code == "P141"
    assert list(occurrences(world)) == ["digest@2026-12-07", "digest@2026-12-14"]


def test_a_day_with_several_starts_asks_for_the_time(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(digest("0 9,17 * * MON"))
    with pytest.raises(RefusedError) as refused:
        skip(world.store, "digest", "2026-12-07", actor="ada", now=world.clock.now())
    assert "`2026-12-07 09:00` or `2026-12-07 17:00`" in refused.value.hint
    skip(world.store, "digest", "2026-12-07 09:00", actor="ada", now=world.clock.now())
    assert list(occurrences(world)) == ["digest@2026-12-07-1700"]


# conditions


def test_conditions_name_the_series_and_mean_any_of_its_occurrences(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(digest(who="french"))
    world.run_until("2026-12-14 12:00")
    for hour, condition in enumerate(("{in_campaign: digest}", "{received: digest/news}", "{received: digest}"), 13):
        name = f"after-{hour}"
        text = (
            f"campaign: {name}\nlist: customers\nsegment: {condition}\nat: 2026-12-14 {hour}:00\n"
            "email: {subject: Hi, body: hello.md}\n"
        )
        world.publish(text)
        world.run_until(f"2026-12-14 {hour}:30")
        assert world.campaign(name).members == 2


def test_a_step_named_alone_is_the_one_of_the_same_occurrence(world: World) -> None:
    """Who got last week's message is not who got this week's."""
    world.at("2026-12-01 12:00")
    world.contacts()
    thank = "{id: thank, at: +1d, email: {subject: A, body: hello.md}}"
    split = (
        "  - id: who\n    at: +1d\n    split:\n      by: segment\n      branches:\n"
        f"        - {{name: got-it, when: {{received: news}}, steps: [{thank}]}}\n"
    )
    world.publish(digest(steps=split))
    world.run_until("2026-12-09 12:00")
    assert world.deliveries("thank", "digest@2026-12-07") == {"sent": 3}
    world.email.answer("ada@example.org", Verdict.FAILED)
    world.run_until("2026-12-16 12:00")
    assert world.deliveries("news", "digest@2026-12-14") == {"sent": 2, "failed": 1}
    assert world.deliveries("thank", "digest@2026-12-14") == {"sent": 2}


def test_a_digest_may_leave_out_who_got_one_lately(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(digest("0 9 * * *", who="{none: [{received: {message: digest/news, within: 70h}}]}"))
    world.run_until("2026-12-09 12:00")
    assert left(world) == ["12-02 08:00", "12-05 08:00", "12-08 08:00"]


def test_a_frequency_cap_counts_the_messages_of_all_occurrences(world: World) -> None:
    world.write("campaignctl.yaml", PROJECT + "send: {frequency_cap: {messages: 2, per: 7d}}\n")
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(digest("0 9 * * *"))
    world.run_until("2026-12-10 12:00")
    assert left(world) == ["12-02 08:00", "12-03 08:00", "12-10 08:00"]
    assert world.deliveries("news", "digest@2026-12-04") == {"skipped": 3}


# what else there is


def test_templates_know_their_occurrence(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(digest().replace("News", "'{{ campaign.name }}'"))
    world.run_until("2026-12-07 12:00")
    assert {_subject(message.content) for message in world.email.sent} == {"digest@2026-12-07"}


def test_random_splits_divide_each_occurrence_anew_and_always_the_same_way(world: World, tmp_path: Path) -> None:
    split = (
        "  - id: half\n    at: +1h\n    split: {by: random, branches: [{name: a, share: 50%}, {name: b, share: 50%}]}\n"
    )
    people = "id,email,name\n" + "".join(f"c-{number},u{number}@example.org,N\n" for number in range(40))

    def halves(of: World) -> list[str]:
        of.at("2026-12-01 12:00")
        of.contacts(people)
        of.publish(digest(steps=split))
        of.run_until("2026-12-14 12:00")
        ways = "SELECT group_concat(path) FROM (SELECT path FROM members JOIN ways ON ways.id = way_id"
        with of.store.database.reading() as connection:
            return [
                str(connection.exec_driver_sql(f"{ways} WHERE members.campaign_id = {each.id})").scalar_one())
                for each in (news(of, "2026-12-07"), news(of, "2026-12-14"))
            ]

    first, second = halves(world)
    assert first != second
    other = tmp_path / "other"
    other.mkdir()
    again = World(other)
    assert halves(again) == [first, second]
    again.store.close()


def test_a_contact_is_traced_through_an_occurrence_and_not_through_the_series(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(digest())
    world.run_until("2026-12-07 12:00")
    with world.store.reading() as ledger:
        assert trace(ledger, "digest@2026-12-07", "c-1", world.clock.now()).member
        with pytest.raises(RefusedError) as refused:
            trace(ledger, "digest", "c-1", world.clock.now())
    assert refused.value.code == "P143"


def test_the_calendar_has_the_occurrences_of_all_starts_in_its_time(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(digest())
    skip(world.store, "digest", "2026-12-14", actor="ada", now=world.clock.now())
    world.publish(
        "campaign: sale\nlist: customers\nsegment: french\nat: 2026-12-28 12:00\n"
        "email: {subject: Sale, body: hello.md}\n"
    )
    with world.store.reading() as ledger:
        since, until_ = world.instant("2026-12-01 00:00"), world.instant("2027-01-01 00:00")
        found = agenda(ledger, world.project.project, since, until_, world.clock.now())
    assert [(entry.campaign, entry.step) for entry in found] == [
        ("digest@2026-12-07", "news"),
        ("digest@2026-12-21", "news"),
        ("digest@2026-12-28", "news"),
        ("sale", "sale"),
    ]
    assert [(conflict.campaign, conflict.contacts) for conflict in found[-1].conflicts] == [("digest@2026-12-28", 2)]


def test_a_plan_shows_the_next_start_and_no_overlap_with_the_occurrence_that_it_changes(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(digest())
    version = world.fast.version(world.write("campaign.yaml", digest().replace("News", "Fresh news")))
    with world.store.reading() as ledger:
        proposal = proposed(ledger, version, world.project.project, world.clock.now())
        plan = planned(ledger, proposal, world.project.project, world.clock.now())
    assert [(each.step.name, each.local, each.messages) for each in plan.timeline] == [("news", "2026-12-07 09:00", 3)]
    assert plan.overlaps == ()


def test_the_least_gap_is_that_of_the_next_occurrence(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    steps = "  - {id: remind, at: +90m, email: {subject: Still, body: hello.md}}\n"
    version = world.fast.version(world.write("campaign.yaml", digest(steps=steps)))
    with world.store.reading() as ledger:
        assert audience(ledger, version, world.clock.now(), 0).least_gap_seconds == 5400


# a second person


APPROVED = PROJECT + "approval: {required: true}\n"


def approve_what_waits(world: World) -> None:
    waiting = waiting_version(world.store, "digest")
    approve(world.store, "digest", waiting.fingerprint, world.project.project, actor="grace", now=world.clock.now())


def test_a_series_that_waits_for_an_approval_starts_from_then_on(world: World) -> None:
    world.write("campaignctl.yaml", APPROVED)
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(digest())
    world.run_until("2026-12-08 12:00")
    assert occurrences(world) == {}
    approve_what_waits(world)
    world.run_until("2026-12-14 12:00")
    assert left(world) == ["12-14 08:00"]
    assert list(occurrences(world)) == ["digest@2026-12-14", "digest@2026-12-21"]


def test_a_change_of_a_series_waits_too_and_then_reaches_what_is_to_come(world: World) -> None:
    world.write("campaignctl.yaml", APPROVED)
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(digest())
    approve_what_waits(world)
    world.publish(digest().replace("News", "Fresh news"))
    world.run_until("2026-12-07 12:00")
    approve_what_waits(world)
    world.run_until("2026-12-14 12:00")
    assert [_subject(message.content) for message in world.email.sent] == ["News"] * 3 + ["Fresh news"] * 3


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE campaigns SET starts_at = NULL WHERE name = 'digest@2026-12-07'", "is an occurrence by half"),
        ("UPDATE campaigns SET counts_from = NULL", "is an occurrence of what does not recur"),
        (
            "INSERT INTO skipped_starts SELECT series_id, starts_at FROM campaigns WHERE series_id IS NOT NULL",
            "is to come, and its start is skipped",
        ),
        ("UPDATE campaigns SET state = 'stopped', finished_at = 1 WHERE name = 'digest'", "and digest is stopped"),
    ],
)
def test_the_store_is_not_whole_where_an_occurrence_does_not_fit(world: World, damage: str, said: str) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    world.publish(digest())
    with world.store.database.writing() as connection:
        connection.exec_driver_sql(damage)
    with world.store.reading() as ledger:
        (found,) = [check for check in check_store(ledger) if check.name == "series"]
    assert any(said in each for each in found.found)


def test_an_occurrence_can_be_tried_out_by_itself(world: World) -> None:
    """What simulates a recurring campaign runs its next occurrence, as an ordinary campaign."""
    world.at("2026-12-01 12:00")
    world.contacts()
    raw = world.fast.version(world.write("campaign.yaml", digest()))
    alone = next_occurrence(raw, world.clock.now())
    publish(world.store, alone, world.project.project, seed="s", actor="ada", now=world.clock.now())
    world.run_until("2026-12-31 12:00")
    assert left(world) == ["12-07 08:00"]
    assert news(world, "2026-12-07").state is CampaignState.COMPLETED


def test_a_simulation_runs_the_next_occurrence_and_leaves_the_series_alone(world: World) -> None:
    world.at("2026-12-01 12:00")
    world.contacts()
    version = world.fast.version(world.write("campaign.yaml", digest(steps=STILL)))
    for name, start in (("2026-12-07", "2026-12-07 09:00"), ("2026-12-14", "2026-12-14 09:00")):
        clicks = [{"campaign": "digest", "step": "news", "contact_key": "c-1", "kind": "click", "line": 1}]
        at = world.instant(start) + timedelta(hours=1)
        events = [{**each, "at": stored(at), "url": "", "is_machine": False, "is_hard": False} for each in clicks]
        with copied(world.store) as copy:
            found = simulate(copy, version, world.project.project, Settings(world.clock.now(), events=events))
        assert found.campaign.name == f"digest@{name}"
        assert [(each.step.name, each.messages) for each in found.steps] == [("news", 3), ("remind", 3)]
        assert found.finished_at == world.instant(start) + timedelta(days=1)
        # Then it is published, and a week passes.
        world.publish(digest(steps=STILL))
        world.run_until("2026-12-08 12:00")
    assert list(occurrences(world)) == ["digest@2026-12-07", "digest@2026-12-14"]
