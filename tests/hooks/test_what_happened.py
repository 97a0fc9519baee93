"""What counts as having happened, where it is not plain: consent, gates, steps that go on, starts that never were."""

from __future__ import annotations

from datetime import timedelta

import pytest
from gates.compliance import GATED, Compliance, Gated
from hooks.receiver import SECRET, Answer
from hooks.told import SALE, ToldWorld
from sqlalchemy import select, text

from campaignctl.approving import approve, waiting_version
from campaignctl.flow.states import StepState
from campaignctl.ports import Verdict
from campaignctl.resolving import resolve
from campaignctl.store.tables import hook_events
from campaignctl.store.uncertain import Resolution
from campaignctl.telling import tell_again

DIGEST = (
    "campaign: digest\nlist: customers\nstarter: {segment: {attribute: email, exists: true}, every: '0 9 * * DAY'}\n"
    "steps:\n  - {id: first, at: +0d, email: {subject: Hi, body: hello.md}}\n"
)


def agree(told: ToldWorld) -> None:
    world = told.world
    version = waiting_version(world.store, "sale").fingerprint
    approve(world.store, "sale", version, world.project.project, actor="grace", now=world.clock.now())


def test_what_waits_for_consent_is_published_when_somebody_agrees_and_once(told: ToldWorld) -> None:
    told.hooked("campaign.published", also="approval: {required: true}\n")
    told.publish()
    told.tell()
    assert told.taken == []
    agree(told)
    told.tell()
    assert [each.data["version"] for each in told.receiver.taken] == [1]
    # A change to what is live is noted twice in the journal: as approved, and as published
    told.world.publish(SALE.replace("subject: Hi", "subject: Hello"))
    agree(told)
    told.tell()
    assert [each.data["version"] for each in told.receiver.taken] == [1, 2]


@pytest.mark.parametrize("hold", ["true", "false"])
def test_a_step_that_another_system_is_asked_about_is_held_and_does_not_start_twice(told: ToldWorld, hold: str) -> None:
    told.hooked("step.started, step.held, step.done")
    file = told.world.folder / "campaignctl.yaml"
    gate = f"compliance: {{url: 'https://compliance.shop.example/', secret: {SECRET}}}, crm:"
    file.write_text(file.read_text().replace("crm:", gate, 1) + "public_url: https://mail.shop.example\n")
    told.world.endpoints = Compliance()
    gated = Gated(told.world, Compliance())
    told.publish(GATED.replace("timeout: 4h", f"timeout: 4h, hold: {hold}"))
    told.world.run_until("2026-12-01 10:10")
    gated.answer()
    told.world.run_until("2026-12-01 10:20")
    told.tell()
    held = [("step.held", "first")] if hold == "true" else []
    assert told.taken == [("step.started", "first"), *held, ("step.done", "first")]
    assert [each.data.get("reason") for each in told.receiver.taken if each.type == "step.held"] == ["gate"] * len(held)


def test_a_held_step_that_goes_on_does_not_start_again(told: ToldWorld) -> None:
    told.hooked("step.started, step.held, step.done")
    told.publish()
    told.world.run_until("2026-12-01 10:10")
    with told.world.store.writing() as ledger:
        step = ledger.known_campaign("sale").step("first")
        ledger.connection.execute(text("UPDATE steps SET state = 'running', finished_at = NULL WHERE name = 'first'"))
        ledger.step_held(step, "bounces")
        ledger.step_released(step, told.world.clock.now())
        ledger.step_finished(step, told.world.clock.now())
    told.tell()
    assert told.taken.count(("step.started", "first")) == 1
    assert told.world.campaign().step("first").state is StepState.DONE


def test_a_message_without_a_verdict_is_told_of_when_it_has_one_and_when_it_left(told: ToldWorld) -> None:
    told.hooked("message.sent")
    told.world.email.answer("grace@example.org", Verdict.UNCERTAIN, "line_broke")
    told.publish()
    told.world.run_until("2026-12-01 10:05:30", told.world.daemon(may_repeat=False))
    told.tell()
    assert [each.data["contact"] for each in told.receiver.taken] == ["c-1", "c-3"]
    told.world.clock.set_to(told.world.clock.now() + timedelta(hours=5))
    resolve(told.world.store, "sale", Resolution.SENT, actor="ada", now=told.world.clock.now())
    told.tell()
    assert (told.receiver.taken[-1].data["contact"], told.receiver.taken[-1].at) == ("c-2", "2026-12-01T09:05:00Z")


def test_what_is_told_again_by_hand_has_its_whole_time_again(told: ToldWorld) -> None:
    told.hooked("message.sent", ", give_up_after: 1h")
    told.publish()
    told.world.run_until("2026-12-01 10:10")
    told.receiver.answering = lambda each: Answer(500 if each.data["contact"] == "c-1" else 200)
    told.tell()
    while (wake_at := told.wake_at()) is not None:
        told.world.clock.set_to(wake_at)
        told.tell()
    assert tell_again(told.world.store, "crm", [], actor="ada", now=told.world.clock.now()) == 1
    told.tell()
    assert told.wake_at() == told.world.clock.now() + timedelta(seconds=5)


def test_an_occurrence_that_never_was_takes_nothing_with_it(told: ToldWorld) -> None:
    """What was told of it, or waits, is of its series from then on, as in the journal."""
    told.hooked("campaign.published")
    told.publish(DIGEST.replace("DAY", "mon"))
    told.world.run_until("2026-12-01 12:00")
    told.world.publish(DIGEST.replace("DAY", "mon").replace("subject: Hi", "subject: Hello"))
    told.world.publish(DIGEST.replace("DAY", "fri"))
    told.tell()
    assert {each.data["campaign"] for each in told.receiver.taken} == {"digest"}
    assert len({each.id for each in told.receiver.taken}) == len(told.receiver.taken) == 4


def test_numbers_of_events_are_never_used_again(told: ToldWorld) -> None:
    """Their order is the order in which things happened, also after all were told."""
    told.hooked("campaign.published")
    told.publish()
    told.tell()
    told.world.publish_file(told.world.write("other.yaml", SALE.replace("campaign: sale", "campaign: other")))
    with told.world.store.reading() as ledger:
        assert ledger.connection.scalars(select(hook_events.c.id)).all() == [2]
