"""A second person agrees to what is published, where the project asks for it."""

from __future__ import annotations

import pytest
from world import PROJECT, World

from campaignctl.approving import approve, reject, request_of, waiting_version
from campaignctl.errors import RefusedError
from campaignctl.flow.states import CampaignState
from campaignctl.pausing import pause, resume
from campaignctl.publishing import Publication

FIRST = "  - {id: first, at: 2026-12-01 10:05, email: {subject: Hi, body: hello.md}}\n"
SECOND = "  - {id: second, at: 2026-12-02 09:00, email: {subject: SUBJECT, body: hello.md}}\n"
HEAD = "campaign: sale\nlist: customers\nstarter: {segment: {attribute: email, exists: true}}\nsteps:\n"
ONE = HEAD + FIRST
TWO = ONE + SECOND.replace("SUBJECT", "Hello")


@pytest.fixture
def careful(world: World) -> World:
    """A project that asks for approvals."""
    world.write("campaignctl.yaml", PROJECT + "approval: {required: true}\n")
    world.contacts()
    return world


def waiting(world: World) -> str:
    return waiting_version(world.store, "sale").fingerprint


def agree(world: World, *, actor: str = "grace", fingerprint: str = "", starts_now: bool = False) -> Publication:
    return approve(
        world.store,
        "sale",
        fingerprint or waiting(world),
        world.project.project,
        actor=actor,
        now=world.clock.now(),
        starts_now=starts_now,
    )


def subjects(world: World) -> list[str]:
    return [line for each in world.email.sent for line in each.content.decode().split("\r\n") if "Subject:" in line]


def test_a_new_campaign_sends_nothing_until_somebody_else_agrees(careful: World) -> None:
    assert careful.publish(ONE).state is CampaignState.PENDING_APPROVAL
    careful.run_until("2026-12-01 10:30")
    assert careful.addresses == []


def test_the_safety_delay_counts_from_the_approval(careful: World) -> None:
    careful.publish(ONE)
    careful.at("2026-12-01 10:03")
    done = agree(careful)
    assert (done.version, done.state, done.is_delayed_by_safety) == (1, CampaignState.ACTIVE, True)
    careful.run_until("2026-12-01 10:07:59")
    assert careful.addresses == []
    careful.run_until("2026-12-01 10:08")
    assert len(careful.addresses) == 3


def test_what_was_approved_too_late_is_refused_unless_it_is_to_start_now(careful: World) -> None:
    careful.publish(ONE)
    careful.at("2026-12-01 11:00")
    with pytest.raises(RefusedError, match="past"):
        agree(careful)
    agree(careful, starts_now=True)
    careful.run_until("2026-12-01 11:05")
    assert len(careful.addresses) == 3


def test_nobody_approves_their_own(careful: World) -> None:
    careful.publish(ONE)
    with pytest.raises(RefusedError) as refused:
        agree(careful, actor=waiting_version(careful.store, "sale").by)
    assert refused.value.code == "P131"
    assert careful.campaign().state is CampaignState.PENDING_APPROVAL


def test_an_approval_is_for_what_was_seen_and_for_nothing_else(careful: World) -> None:
    # Given somebody who has looked at a version
    careful.publish(ONE)
    seen = waiting(careful)
    # When the file is published anew meanwhile
    careful.publish(TWO)
    # Then what was seen is approved no more
    with pytest.raises(RefusedError) as refused:
        agree(careful, fingerprint=seen)
    assert refused.value.code == "P132"
    # And the new version is
    assert agree(careful, fingerprint=waiting(careful)[:12]).version == 2
    careful.run_until("2026-12-03 00:00")
    assert len(careful.addresses) == 6


def test_a_few_characters_are_no_fingerprint(careful: World) -> None:
    careful.publish(ONE)
    with pytest.raises(RefusedError, match="and not"):
        agree(careful, fingerprint=waiting(careful)[:7])


def test_a_live_campaign_goes_on_as_it_is_until_its_edit_is_approved(careful: World) -> None:
    # Given a campaign that runs, and an edit of its second step
    careful.publish(TWO)
    agree(careful)
    careful.run_until("2026-12-01 12:00")
    done = careful.publish(TWO.replace("Hello", "Hurry"))
    assert (done.version, done.state) == (2, CampaignState.PENDING_APPROVAL)
    assert (careful.campaign().version, careful.campaign().state) == (1, CampaignState.ACTIVE)
    # When it is approved
    asked = request_of(careful.store, "sale", careful.project.project, now=careful.clock.now())
    assert [(change.step, change.field) for change in asked.proposal.changes] == [("second", "subject")]
    assert agree(careful).version == 2
    # Then the second step has the new text
    careful.run_until("2026-12-03 00:00")
    assert subjects(careful) == ["Subject: Hi"] * 3 + ["Subject: Hurry"] * 3


def test_an_edit_that_comes_too_late_is_not_applied(careful: World) -> None:
    careful.publish(TWO)
    agree(careful)
    careful.publish(TWO.replace("Hello", "Hurry"))
    seen = waiting(careful)
    careful.run_until("2026-12-03 00:00")
    with pytest.raises(RefusedError, match="cannot be made now"):
        agree(careful, fingerprint=seen)
    assert subjects(careful) == ["Subject: Hi"] * 3 + ["Subject: Hello"] * 3


def test_a_rejected_edit_is_gone_and_can_be_proposed_again_otherwise(careful: World) -> None:
    careful.publish(TWO)
    agree(careful)
    careful.publish(TWO.replace("Hello", "Hurry"))
    reject(careful.store, "sale", waiting(careful), reason="no", actor="grace", now=careful.clock.now())
    with pytest.raises(RefusedError) as refused:
        waiting(careful)
    assert refused.value.code == "P130"
    assert careful.publish(TWO.replace("Hello", "Listen")).version == 2
    agree(careful)
    careful.run_until("2026-12-03 00:00")
    assert subjects(careful)[3:] == ["Subject: Listen"] * 3


def test_a_new_campaign_that_was_rejected_waits_for_another_version(careful: World) -> None:
    careful.publish(ONE)
    reject(careful.store, "sale", waiting(careful), reason="no", actor="grace", now=careful.clock.now())
    with pytest.raises(RefusedError) as refused:
        agree(careful, actor="alan")
    assert refused.value.code == "P133"
    careful.publish(TWO)
    agree(careful)
    assert careful.campaign().state is CampaignState.ACTIVE


def test_the_same_file_waits_once(careful: World) -> None:
    careful.publish(TWO)
    agree(careful)
    edit = TWO.replace("Hello", "Hurry")
    careful.publish(edit)
    careful.publish(edit)
    with careful.store.reading() as ledger:
        actions = [entry.action for entry in ledger.history(ledger.known_campaign("sale"))]
    assert actions == ["proposed", "approved", "proposed"]


def test_a_pending_campaign_can_be_stopped_and_nothing_else(careful: World) -> None:
    careful.publish(ONE)
    for act in (pause, resume):
        with pytest.raises(RefusedError):
            act(careful.store, "sale", actor="ada", now=careful.clock.now())
    careful.stop("sale")
    with pytest.raises(RefusedError, match="nothing of `sale` waits"):
        waiting(careful)


def test_an_extension_waits_as_well(careful: World) -> None:
    careful.publish(ONE)
    agree(careful)
    careful.run_until("2026-12-01 12:00")
    assert careful.campaign().state is CampaignState.COMPLETED
    careful.extend(TWO)
    careful.run_until("2026-12-01 13:00")
    assert careful.campaign().state is CampaignState.COMPLETED
    agree(careful)
    careful.run_until("2026-12-03 00:00")
    assert len(careful.addresses) == 6


def test_what_waits_is_over_when_a_project_asks_no_more_and_something_else_is_published(careful: World) -> None:
    careful.publish(TWO)
    agree(careful)
    careful.publish(TWO.replace("Hello", "Hurry"))
    careful.write("campaignctl.yaml", PROJECT)
    assert careful.publish(TWO.replace("Hello", "Listen")).state is CampaignState.ACTIVE
    with pytest.raises(RefusedError, match="nothing of `sale` waits"):
        waiting(careful)
