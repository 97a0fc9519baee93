"""Campaigns that go on after their end."""

from __future__ import annotations

import pytest
from world import World

from campaignctl.errors import RefusedError
from campaignctl.flow.states import CampaignState, StepState
from campaignctl.pausing import pause
from campaignctl.ports import Verdict
from campaignctl.proposing import Action
from campaignctl.store.checks.check import check_store

HEAD = "campaign: sale\nlist: customers\nstarter: {segment: {attribute: email, exists: true}}\nsteps:\n"


def email(step: str, at: str, more: str = "") -> str:
    return f"  - {{id: {step}, at: {at}, email: {{subject: Hi, body: hello.md{more}}}}}\n"


ONE = HEAD + email("first", "2026-12-01 10:05")
TWO = ONE + email("second", "2026-12-05 09:00")

# Grace, who is not French, leaves in her branch.
SPLIT = (
    HEAD
    + "  - id: who\n    at: 2026-12-01 09:00\n    split:\n      by: segment\n      branches:\n"
    + "        - name: fr\n          when: french\n          steps:\n"
    + "            - {id: salut, at: 2026-12-01 10:00, email: {subject: Salut, body: hello.md}}\n"
    + "        - name: others\n          steps:\n"
    + "            - {id: hello, at: 2026-12-01 10:00, email: {subject: Hello, body: hello.md}}\n"
    + "            - {id: enough, at: 2026-12-01 11:00, exit: {}}\n"
)
SALUT = next(f"{line}\n" for line in SPLIT.splitlines() if "salut" in line)
AGAIN = SALUT.replace("id: salut, at: 2026-12-01 10:00", "id: encore, at: 2026-12-05 10:00")


def refusal(world: World, text: str) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        world.extend(text)
    return caught.value


def nothing_is_wrong(world: World) -> bool:
    with world.store.reading() as ledger:
        return all(check.ok for check in check_store(ledger))


@pytest.fixture
def completed(world: World) -> World:
    world.contacts()
    world.publish(ONE)
    world.run_until("2026-12-02 00:00")
    assert world.campaign().state is CampaignState.COMPLETED
    return world


def test_a_completed_campaign_goes_on_with_the_members_that_it_had(completed: World) -> None:
    completed.contacts("id,email,name,country\nc-9,late@example.org,Late,FR\n")
    done = completed.extend(TWO)
    assert (done.action, done.version, done.state) == (Action.EXTEND, 2, CampaignState.ACTIVE)
    assert completed.campaign().finished_at is None
    completed.run_until("2026-12-06 00:00")
    assert len(completed.addresses) == 6
    assert "late@example.org" not in completed.addresses
    assert completed.campaign().state is CampaignState.COMPLETED
    assert nothing_is_wrong(completed)


def test_publish_leaves_a_completed_campaign_alone_and_names_extend(completed: World) -> None:
    for is_live in (False, True):
        with pytest.raises(RefusedError) as caught:
            completed.publish(TWO, is_live=is_live)
        assert caught.value.code == "P122"
        assert "campaignctl extend" in caught.value.hint
    assert completed.publish(ONE).action is Action.NONE


def test_a_completed_campaign_can_be_extended_again_and_again(completed: World) -> None:
    completed.extend(TWO)
    completed.run_until("2026-12-06 00:00")
    completed.extend(TWO + email("third", "2026-12-07 09:00"))
    completed.run_until("2026-12-08 00:00")
    assert len(completed.addresses) == 9


def test_a_step_added_to_a_branch_reaches_those_who_took_it_and_not_those_who_left(world: World) -> None:
    world.contacts()
    world.publish(SPLIT)
    world.run_until("2026-12-02 00:00")
    assert world.campaign().state is CampaignState.COMPLETED
    after = email("all", "2026-12-06 09:00")
    world.extend(SPLIT.replace(SALUT, SALUT + AGAIN) + after)
    world.run_until("2026-12-07 00:00")
    assert world.deliveries("encore") == {"sent": 2}
    assert world.deliveries("all") == {"sent": 2}
    assert world.addresses.count("grace@example.org") == 1
    assert nothing_is_wrong(world)


def test_a_branch_is_closed_when_something_after_its_split_has_begun(world: World) -> None:
    world.contacts()
    after = email("all", "2026-12-01 12:00")
    world.publish(SPLIT + after)
    world.run_until("2026-12-02 00:00")
    failure = refusal(world, SPLIT.replace(SALUT, SALUT + AGAIN) + after.replace("12-01", "12-06"))
    assert failure.code == "P120"
    assert world.campaign().state is CampaignState.COMPLETED


def test_a_campaign_is_extended_while_its_last_step_still_sends(world: World) -> None:
    """
    Whoever extends need not know whether the last step is done this minute.

    `publish` asks for `--live`, as for any step that is added; `extend` says
    already what is wanted.
    """
    world.contacts()
    slow = HEAD + email("first", "2026-12-01 10:05", ", rate: 1/h")
    world.publish(slow)
    world.run_until("2026-12-01 10:30")
    assert world.campaign().step("first").state is StepState.RUNNING
    longer = slow + email("second", "2026-12-01 10:45")
    with pytest.raises(RefusedError) as caught:
        world.publish(longer)
    assert caught.value.code == "P121"
    done = world.extend(longer)
    assert (done.action, done.state) == (Action.UPDATE, CampaignState.ACTIVE)
    # The second waits for the slow first.
    world.run_until("2026-12-01 12:00")
    assert world.deliveries("first") == {"queued": 1, "sent": 2}
    assert world.campaign().step("second").state is StepState.SCHEDULED
    world.run_until("2026-12-02 00:00")
    assert (world.deliveries("first"), world.deliveries("second")) == ({"sent": 3}, {"sent": 3})


def test_refused_messages_of_a_completed_campaign_and_its_extension_go_their_own_ways(world: World) -> None:
    """What was deferred is sent with the version that it was made with, before or after the extension."""
    world.contacts()
    world.publish(ONE)
    world.email.answer("ada@example.org", Verdict.DEFERRED)
    world.run_until("2026-12-01 10:06")
    assert world.campaign().state is CampaignState.COMPLETED
    world.extend(TWO)
    world.run_until("2026-12-06 00:00")
    assert (world.deliveries("first"), world.deliveries("second")) == ({"sent": 3}, {"sent": 3})


def test_extend_only_adds_and_only_at_the_end(world: World) -> None:
    world.contacts()
    world.publish(TWO)
    world.run_until("2026-12-02 00:00")
    third = email("third", "2026-12-06 09:00")
    assert refusal(world, TWO.replace("2026-12-05", "2026-12-06")).code == "P125"
    assert refusal(world, TWO.replace("second", "zweitens")).code == "P120"
    assert refusal(world, ONE + email("third", "2026-12-04 09:00") + TWO.removeprefix(ONE)).code == "P120"
    last = email("last", "2026-12-07 09:00")
    world.extend(TWO + last)
    assert refusal(world, TWO + third + last).code == "P125"
    pause(world.store, "sale", actor="ada", now=world.clock.now())
    assert world.extend(TWO + last + email("more", "2026-12-08 09:00")).state is CampaignState.PAUSED


def test_extend_knows_published_campaigns_that_were_not_stopped(world: World) -> None:
    world.contacts()
    assert refusal(world, ONE).code == "P100"
    world.publish(ONE)
    assert world.extend(ONE).action is Action.NONE
    world.stop("sale")
    assert refusal(world, TWO).code == "P103"


def test_a_step_is_not_added_in_the_past(completed: World) -> None:
    assert refusal(completed, ONE + email("second", "2026-12-01 11:00")).code == "P120"
