"""Campaigns that wait for a person, because somebody said so or because something is wrong."""

from __future__ import annotations

import pytest
from world import World

from campaignctl.errors import RefusedError
from campaignctl.flow.states import CampaignState, StepState
from campaignctl.pausing import pause, resume
from campaignctl.ports import Verdict

HEAD = "campaign: sale\nlist: customers\nstarter: {segment: {attribute: email, exists: true}}\nsteps:\n"


def email(step: str, at: str, more: str = "") -> str:
    return f"  - {{id: {step}, at: {at}{more}, email: {{subject: Hi, body: hello.md}}}}\n"


TWO = HEAD + email("first", "2026-12-01 10:05") + email("second", "2026-12-02 09:00")


def people(count: int) -> str:
    return "id,email,name\n" + "".join(f"c-{number:03},u{number}@example.org,N\n" for number in range(count))


def test_after_pause_no_step_begins_and_no_message_leaves_and_resume_goes_on(world: World) -> None:
    world.contacts()
    world.publish(TWO)
    world.run_until("2026-12-01 12:00")
    pause(world.store, "sale", actor="ada", now=world.clock.now())
    world.run_until("2026-12-02 12:00")
    assert len(world.addresses) == 3
    resumption = resume(world.store, "sale", actor="ada", now=world.clock.now())
    assert [step.name for step in resumption.overdue] == ["second"]
    world.run_until("2026-12-02 13:00")
    assert len(world.addresses) == 6


def test_a_pause_in_the_middle_of_a_step_holds_for_what_has_not_left(world: World) -> None:
    world.contacts()
    world.publish(TWO)
    world.email.capacity = 1
    taken = world.email.exchange

    def exchange(messages: object, _patience: object) -> object:
        outcomes = taken(messages)  # type: ignore[arg-type] # passed through
        if len(world.email.sent) == 1 and world.campaign().state is CampaignState.ACTIVE:
            pause(world.store, "sale", actor="ada", now=world.clock.now())
        return outcomes

    world.email.exchange = exchange  # type: ignore[method-assign,assignment] # somebody pauses while it sends
    world.run_until("2026-12-01 12:00")
    assert len(world.addresses) == 1
    assert world.deliveries("first") == {"queued": 2, "sent": 1}
    world.email.exchange = taken  # type: ignore[method-assign]
    resume(world.store, "sale", actor="ada", now=world.clock.now())
    world.run_until("2026-12-01 13:00")
    assert world.deliveries("first") == {"sent": 3}


@pytest.mark.parametrize(("word", "sent"), [("run", 6), ("skip", 3), ("{within: 3h}", 6), ("{within: 1h}", 3)])
def test_what_became_overdue_in_a_pause_goes_by_if_late(world: World, word: str, sent: int) -> None:
    world.contacts()
    world.publish(HEAD + email("first", "2026-12-01 10:05") + email("second", "2026-12-02 09:00", f", if_late: {word}"))
    world.run_until("2026-12-01 12:00")
    pause(world.store, "sale", actor="ada", now=world.clock.now())
    world.at("2026-12-02 11:00")
    resume(world.store, "sale", actor="ada", now=world.clock.now())
    world.run_until("2026-12-02 11:30")
    assert len(world.addresses) == sent


def test_a_list_that_is_imported_anew_in_a_pause_changes_addresses_and_not_the_audience(world: World) -> None:
    # Given three members, one of whom was written to before the pause
    world.contacts()
    for address in ("grace@example.org", "alan@example.org"):
        world.email.answer(address, Verdict.DEFERRED)
    world.publish(TWO)
    world.run_until("2026-12-01 10:06")
    pause(world.store, "sale", actor="ada", now=world.clock.now())
    # When the list is brought in anew: one with another address, one without, and a new one
    world.contacts("id,email,name\nc-2,grace@navy.example,Grace\nc-3,,Alan\nc-4,mary@example.org,Mary\n")
    resume(world.store, "sale", actor="ada", now=world.clock.now())
    world.run_until("2026-12-03 00:00")
    # Then nobody joins, and what had not left goes to where people are now
    assert world.deliveries("first") == {"sent": 2, "skipped": 1}
    assert sorted(world.addresses) == ["ada@example.org"] * 2 + ["grace@navy.example"] * 2


def test_a_step_that_was_too_late_runs_when_a_person_says_so(world: World) -> None:
    world.contacts()
    world.publish(TWO)
    world.at("2026-12-04 12:00")
    world.run_until("2026-12-04 13:00")
    assert world.campaign().step("first").state is StepState.HELD
    resume(world.store, "sale", actor="ada", now=world.clock.now())
    world.run_until("2026-12-04 14:00")
    # What comes after it has shifted with it, which is never late.
    assert len(world.addresses) == 6


def test_pause_and_resume_refuse_what_makes_no_sense(world: World) -> None:
    world.contacts()
    world.publish(TWO)
    with pytest.raises(RefusedError):
        resume(world.store, "sale", actor="ada", now=world.clock.now())
    pause(world.store, "sale", actor="ada", now=world.clock.now())
    with pytest.raises(RefusedError):
        pause(world.store, "sale", actor="ada", now=world.clock.now())
    world.stop("sale")
    with pytest.raises(RefusedError):
        resume(world.store, "sale", actor="ada", now=world.clock.now())


def test_a_refusal_of_the_sender_pauses_the_campaign_and_costs_no_contact(world: World) -> None:
    """MAIL FROM refused for good: the next message would meet the same, and no contact is at fault."""
    world.contacts()
    world.email.answer("ada@example.org", Verdict.NOT_SENT, "sender_refused", blames_sender=True)
    world.publish(TWO)
    world.run_until("2026-12-01 12:00")
    assert world.campaign().state is CampaignState.PAUSED
    assert "failed" not in world.deliveries("first")
    resume(world.store, "sale", actor="ada", now=world.clock.now())
    world.run_until("2026-12-01 13:00")
    assert world.deliveries("first") == {"sent": 3}


def test_a_refused_password_pauses_every_campaign_that_sends(world: World) -> None:
    world.contacts()
    for name in ("sale", "news"):
        world.publish(TWO.replace("campaign: sale", f"campaign: {name}"))
    world.email.answer("ada@example.org", Verdict.NOT_SENT, "auth_refused", blames_sender=True)
    world.run_until("2026-12-01 12:00")
    assert {world.campaign(name).state for name in ("sale", "news")} == {CampaignState.PAUSED}


def test_a_step_whose_first_messages_bounce_is_held_and_goes_on_when_a_person_says_so(world: World) -> None:
    world.contacts(people(300))
    for number in range(40):
        world.email.answer(f"u{number}@example.org", Verdict.FAILED, "hard_bounce", is_hard_bounce=True)
    world.publish(HEAD + email("first", "2026-12-01 10:05"))
    world.run_until("2026-12-01 12:00")
    assert world.campaign().step("first").state is StepState.HELD
    assert world.deliveries("first")["failed"] < 20
    assert world.deliveries("first")["queued"] > 200

    resume(world.store, "sale", actor="ada", now=world.clock.now())
    world.run_until("2026-12-01 13:00")
    assert world.deliveries("first") == {"failed": 40, "sent": 260}


@pytest.mark.parametrize(("complaints", "is_held"), [(1, False), (2, True)])
def test_a_step_that_is_called_spam_is_held_and_goes_on_when_a_person_says_so(
    world: World, complaints: int, is_held: bool
) -> None:
    # Given a step that is being sent slowly
    world.contacts(people(30))
    world.publish(HEAD + email("first", "2026-12-01 10:05").replace("hello.md", "hello.md, rate: 10/h"))
    world.run_until("2026-12-01 11:06")
    # When some who got it complain
    for number in range(complaints):
        world.event("first", f"c-{number:03}", "complaint")
    world.run_until("2026-12-01 15:00")
    # Then two are enough to hold it
    assert (world.campaign().step("first").state is StepState.HELD) is is_held
    assert (len(world.email.sent) < 30) is is_held
    if is_held:
        resume(world.store, "sale", actor="ada", now=world.clock.now())
        world.run_until("2026-12-01 19:00")
        assert world.deliveries("first") == {"sent": 30}


def test_bounces_after_the_first_two_hundred_messages_hold_nothing(world: World) -> None:
    world.contacts(people(300))
    for number in range(250, 290):
        world.email.answer(f"u{number}@example.org", Verdict.FAILED, "hard_bounce", is_hard_bounce=True)
    world.publish(HEAD + email("first", "2026-12-01 10:05"))
    world.run_until("2026-12-01 12:00")
    assert world.deliveries("first") == {"failed": 40, "sent": 260}
