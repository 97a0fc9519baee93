"""Campaigns that wait for the request which starts them: what may be done with them until then."""

from __future__ import annotations

import pytest
from campaigns.test_triggering import ADA, THANKS, asked, row
from world import World

from campaignctl.cli.attributes import attributes_of
from campaignctl.diagnostics import Severity
from campaignctl.flow.states import StepState
from campaignctl.pausing import pause, resume
from campaignctl.validation import check_file

TIMED = THANKS.replace("{id: first,", "{id: first, at: 2026-11-25 10:00,").replace(
    "{id: second,", "{id: second, at: 2026-11-26 10:00,"
)


def test_a_leading_step_that_loses_its_time_before_the_request_runs_when_that_comes(world: World) -> None:
    world.at("2026-11-20 10:00")
    world.publish(TIMED)
    world.publish(THANKS)
    first = world.campaign("thanks").step("first")
    assert (first.state, first.at, first.effective_at) == (StepState.WAITING, None, None)
    # And the request does not come after a time that the step no longer has
    world.at("2026-11-27 10:00")
    asked(world, ADA)
    world.run_until("2026-11-27 10:01")
    assert world.addresses == ["ada@example.org"]


def test_a_leading_step_may_get_a_time_before_the_request(world: World) -> None:
    world.at("2026-11-20 10:00")
    world.publish(THANKS)
    world.publish(TIMED)
    asked(world, ADA)
    world.run_until("2026-11-25 09:59")
    assert world.addresses == []
    world.run_until("2026-11-25 10:01")
    assert world.addresses == ["ada@example.org"]


@pytest.mark.parametrize(("name", "hint"), [("nmae", "did you mean `name`?"), ("points", "the request brings it")])
def test_an_attribute_that_only_the_request_can_bring_is_no_mistake(world: World, name: str, hint: str) -> None:
    world.contacts()
    world.at("2026-11-20 10:00")
    text = THANKS.replace("subject: Again", f'subject: "{{{{ contact.{name} }}}}"')
    found = check_file(world.write("campaign.yaml", text), world.project, attributes_of(world.store)).problems
    (problem,) = (each for each in found if each.code == "C406")
    assert problem.severity is Severity.WARNING
    assert hint in problem.hint
    # It is published, and the request brings it
    world.publish(text)
    asked(world, row("z", 1, email="zoe@example.org", name="Zoe", **{name: "5"}))
    world.run_until("2026-12-01 10:01")
    assert world.addresses == ["zoe@example.org"] * 2


def test_nothing_of_a_campaign_is_overdue_that_no_request_has_started(world: World) -> None:
    world.at("2026-11-20 10:00")
    world.publish(THANKS)
    pause(world.store, "thanks", actor="tester", now=world.clock.now())
    world.at("2026-12-02 10:00")
    assert resume(world.store, "thanks", actor="tester", now=world.clock.now()).overdue == ()


def test_a_step_is_overdue_of_a_campaign_that_a_request_has_started(world: World) -> None:
    world.at("2026-11-20 10:00")
    world.publish(THANKS)
    asked(world, ADA)
    pause(world.store, "thanks", actor="tester", now=world.clock.now())
    world.at("2026-12-02 10:00")
    overdue = resume(world.store, "thanks", actor="tester", now=world.clock.now()).overdue
    assert [step.name for step in overdue] == ["first", "second", "later"]
