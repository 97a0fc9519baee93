"""Send gates: what is held, what lets it go on, and what ends it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from campaigns.test_stopping import KilledError, WatchedStore, killed_before
from faults.test_jumping_clock import JumpingClock
from gates.compliance import AS_A_STEP, GATED, Gated
from world import WrittenChannel

from campaignctl.answering import GateClosedError
from campaignctl.errors import RefusedError
from campaignctl.files import ProjectFiles
from campaignctl.flow.states import CampaignState, GateState, StepState
from campaignctl.gating import ByHand, decide
from campaignctl.pausing import pause, resume
from campaignctl.ports import Outcome, Verdict
from campaignctl.project import PROJECT_FILE
from campaignctl.publishing import frozen
from campaignctl.simulation.run import Settings, copied, simulate
from campaignctl.stopping import stop

UNCERTAIN = Outcome("", Verdict.UNCERTAIN, "no_answer", "no answer in time")
REFUSED = Outcome("", Verdict.FAILED, "refused", "404 no such gate")


def test_at_the_steps_time_messages_are_made_and_held_and_the_other_system_is_asked(gated: Gated) -> None:
    # Given a message that compliance has to look at
    gated.publish()

    # When its time comes
    gated.world.run_until("2026-12-01 10:10")

    # Then nothing has left, and compliance knows where to look and where to answer
    assert gated.world.addresses == []
    assert gated.world.deliveries("first") == {"held": 3}
    assert (gated.state(), gated.world.campaign().step("first").reason) == (StepState.HELD, "gate")
    (request,) = gated.compliance.asked
    assert (request.gate.contacts, request.actions) == (3, {"promo": "SPRING"})
    assert request.download_url.startswith("https://mail.shop.example/gates/")
    assert request.finish_url == request.download_url.replace("/contacts", "/finish")
    assert gated.gate().state is GateState.ASKED


def test_after_the_answer_messages_leave_but_to_those_who_are_rejected(gated: Gated) -> None:
    gated.publish()
    gated.world.run_until("2026-12-01 10:10")
    done = gated.answer([{"id": "c-2", "reject": True}, {"id": "c-3", "properties": {"promo": "X7"}}])
    assert (done.contacts, done.rejected, done.changed) == (3, 1, 1)
    gated.world.run_until("2026-12-01 10:20")
    assert sorted(gated.world.addresses) == ["ada@example.org", "alan@example.org"]
    assert gated.world.deliveries("first") == {"rejected": 1, "sent": 2}
    assert gated.state() is StepState.DONE
    assert gated.traced("c-2", "first")[:2] == ("rejected", "gate")
    assert "rejected by the gate `compliance`" in gated.traced("c-2", "first")[2]


def test_what_the_other_system_says_of_a_contact_reaches_later_messages(gated: Gated) -> None:
    gated.publish()
    gated.world.run_until("2026-12-01 10:10")
    gated.answer([{"id": "c-3", "properties": {"promo": "X7"}}])
    gated.world.run_until("2026-12-03 10:00")
    assert sorted(gated.subjects()[3:]) == ["Again X7", "Again none", "Again none"]
    assert gated.world.campaign().state is CampaignState.COMPLETED


def test_the_steps_after_a_held_one_wait_for_it(gated: Gated) -> None:
    gated.publish(GATED.replace(", timeout: 4h", ""))
    gated.world.run_until("2026-12-05 10:00")
    assert gated.world.addresses == []
    gated.answer()
    gated.world.run_until("2026-12-05 10:10")
    assert len(gated.world.addresses) == 6


def test_without_an_answer_in_time_what_is_held_is_cancelled(gated: Gated) -> None:
    gated.publish()
    gated.world.run_until("2026-12-01 14:05:01")
    assert gated.world.addresses == []
    assert gated.world.deliveries("first") == {"cancelled": 3}
    assert (gated.state(), gated.gate().state) == (StepState.CANCELLED, GateState.TIMED_OUT)
    assert gated.traced("c-1", "first")[:2] == ("cancelled", "gate_timeout")
    with pytest.raises(GateClosedError):
        gated.answer()
    gated.world.run_until("2026-12-03 10:00")
    assert len(gated.world.addresses) == 3
    assert gated.world.campaign().state is CampaignState.COMPLETED


def test_or_it_leaves_where_the_gate_says_so(gated: Gated) -> None:
    gated.publish(GATED.replace("timeout: 4h", "timeout: 4h, on_timeout: release"))
    gated.world.run_until("2026-12-01 14:04:59")
    assert gated.world.addresses == []
    gated.world.run_until("2026-12-01 14:05:01")
    assert len(gated.world.addresses) == 3


def test_an_answer_at_the_moment_when_the_time_is_over_is_too_late(gated: Gated) -> None:
    gated.publish()
    gated.world.run_until("2026-12-01 10:10")
    gated.world.at("2026-12-01 14:05")
    with pytest.raises(GateClosedError):
        gated.answer()
    assert gated.world.deliveries("first") == {"held": 3}


def test_the_same_answer_again_changes_nothing_and_another_one_is_refused(gated: Gated) -> None:
    gated.publish()
    gated.world.run_until("2026-12-01 10:10")
    first = gated.answer([{"id": "c-2", "reject": True}])
    gated.world.run_until("2026-12-01 10:20")
    assert gated.answer([{"id": "c-2", "reject": True}]) == first
    with pytest.raises(RefusedError) as refused:
        gated.answer([{"id": "c-1", "reject": True}])
    assert refused.value.code == "H134"
    gated.world.run_until("2026-12-01 10:30")
    assert gated.world.deliveries("first") == {"rejected": 1, "sent": 2}


def test_a_gate_that_does_not_hold_is_asked_at_and_nobody_waits(gated: Gated) -> None:
    gated.publish(GATED.replace("actions:", "hold: false, actions:"))
    gated.world.run_until("2026-12-01 10:06")
    assert len(gated.world.addresses) == 3
    assert [request.gate.is_holding for request in gated.compliance.asked] == [False]
    assert gated.answer([{"id": "c-1", "reject": True, "properties": {"promo": "X7"}}]).rejected == 0
    gated.world.run_until("2026-12-02 10:00")
    assert gated.subjects().count("Again X7") == 1


@pytest.mark.parametrize("held", [False, True])
def test_who_is_rejected_at_a_step_without_message_does_not_go_on(gated: Gated, held: bool) -> None:
    gated.publish(AS_A_STEP)
    gated.world.run_until("2026-12-02 10:00" if not held else "2026-12-01 10:10")
    if not held:
        # It had no answer in four hours.
        assert gated.world.addresses == []
        assert gated.state("check") is StepState.CANCELLED
        assert gated.traced("c-1", "second")[0] == "left"
        return
    gated.answer([{"id": "c-2", "reject": True}, {"id": "c-1", "properties": {"promo": "X7"}}], "check")
    assert gated.state("check") is StepState.DONE
    gated.world.run_until("2026-12-02 10:00")
    assert sorted(gated.subjects()) == ["For X7", "For none"]
    assert gated.traced("c-2", "check")[:2] == ("rejected", "gate")
    assert gated.traced("c-2", "second")[0] == "left"
    assert gated.traced("c-1", "check")[0] == "done"


def test_nobody_is_asked_about_nobody(gated: Gated) -> None:
    gated.publish(AS_A_STEP.replace("exists: true", "eq: nobody@example.org"))
    gated.world.run_until("2026-12-03 10:00")
    assert gated.compliance.asked == []
    assert gated.world.campaign().state is CampaignState.COMPLETED


def test_an_endpoint_that_does_not_listen_is_asked_again_with_the_same_id(gated: Gated) -> None:
    gated.compliance.says = [UNCERTAIN, UNCERTAIN]
    gated.publish()
    gated.world.run_until("2026-12-01 10:10")
    assert len({request.message_id for request in gated.compliance.asked}) == 1
    assert len(gated.compliance.asked) == 3
    assert gated.gate().state is GateState.ASKED


def test_an_endpoint_that_refuses_is_asked_again_when_a_person_says_so(gated: Gated) -> None:
    gated.compliance.says = [REFUSED]
    gated.publish()
    gated.world.run_until("2026-12-01 11:00")
    assert len(gated.compliance.asked) == 1
    assert gated.gate().needs_person
    assert gated.gate().said == "404 no such gate"
    done = resume(gated.world.store, "sale", actor="ada", now=gated.world.clock.now())
    assert [step.name for step in done.asked_again] == ["first"]
    gated.world.run_until("2026-12-01 11:01")
    assert (len(gated.compliance.asked), gated.gate().state) == (2, GateState.ASKED)
    assert gated.world.addresses == []


def test_resuming_never_passes_a_gate(gated: Gated) -> None:
    gated.publish()
    gated.world.run_until("2026-12-01 10:10")
    with pytest.raises(RefusedError):
        resume(gated.world.store, "sale", actor="ada", now=gated.world.clock.now())
    pause(gated.world.store, "sale", actor="ada", now=gated.world.clock.now())
    resume(gated.world.store, "sale", actor="ada", now=gated.world.clock.now())
    gated.world.run_until("2026-12-01 10:20")
    assert gated.world.deliveries("first") == {"held": 3}


def test_what_is_answered_during_a_pause_leaves_after_it(gated: Gated) -> None:
    gated.publish()
    gated.world.run_until("2026-12-01 10:10")
    pause(gated.world.store, "sale", actor="ada", now=gated.world.clock.now())
    gated.answer([{"id": "c-2", "reject": True}])
    gated.world.run_until("2026-12-01 11:00")
    assert gated.world.addresses == []
    resume(gated.world.store, "sale", actor="ada", now=gated.world.clock.now())
    gated.world.run_until("2026-12-01 11:01")
    assert len(gated.world.addresses) == 2


def test_stopping_cancels_what_is_held_and_closes_the_gate(gated: Gated) -> None:
    gated.publish()
    gated.world.run_until("2026-12-01 10:10")
    stopped = gated.world.stop("sale")
    assert (stopped.sent, stopped.cancelled, stopped.in_flight) == (0, 3, 0)
    assert gated.gate().state is GateState.CANCELLED
    with pytest.raises(GateClosedError):
        gated.answer()


def test_a_person_lets_one_contact_go_on_and_another_not(gated: Gated) -> None:
    gated.publish()
    gated.world.run_until("2026-12-01 10:10")
    store, now = gated.world.store, gated.world.clock.now()
    decide(store, "sale", "first", ByHand.RELEASE, contacts=["c-1"], actor="ada", now=now)
    gated.world.run_until("2026-12-01 10:12")
    assert gated.world.addresses == ["ada@example.org"]
    assert gated.world.deliveries("first") == {"held": 2, "sent": 1}
    decide(store, "sale", "first", ByHand.REJECT, contacts=["c-2"], actor="ada", now=now)
    with pytest.raises(RefusedError) as refused:
        decide(store, "sale", "first", ByHand.REJECT, contacts=["c-1", "c-3"], actor="ada", now=now)
    assert refused.value.code == "P164"
    # The last one closes the gate.
    assert decide(store, "sale", "first", ByHand.RELEASE, contacts=["c-3"], actor="ada", now=now).closed
    gated.world.run_until("2026-12-01 10:13")
    assert gated.world.deliveries("first") == {"rejected": 1, "sent": 2}
    assert gated.state() is StepState.DONE
    with pytest.raises(RefusedError):
        gated.answer()


@pytest.mark.parametrize(("decision", "sent"), [(ByHand.RELEASE, 3), (ByHand.REJECT, 0)])
def test_a_person_decides_about_all(gated: Gated, decision: ByHand, sent: int) -> None:
    gated.publish()
    gated.world.run_until("2026-12-01 10:10")
    decide(gated.world.store, "sale", "first", decision, actor="ada", now=gated.world.clock.now())
    gated.world.run_until("2026-12-01 10:12")
    assert len(gated.world.addresses) == sent
    assert gated.state() is StepState.DONE
    with gated.world.store.reading() as ledger:
        entry = ledger.history(gated.world.campaign())[-1]
    assert (entry.action, entry.actor) == (f"gate_{decision}d" if decision == "release" else "gate_rejected", "ada")


def test_nothing_leaves_before_the_steps_time_where_the_clock_was_put_back(gated: Gated) -> None:
    clock = JumpingClock(gated.world.clock.now())
    gated.world.clock = gated.world.email.clock = clock
    gated.publish()
    gated.world.run_until("2026-12-01 10:10")
    clock.jump_to(gated.world.instant("2026-12-01 09:30"))
    gated.answer()
    gated.world.run_until("2026-12-01 10:04:59")
    assert gated.world.addresses == []
    gated.world.run_until("2026-12-01 10:06")
    assert len(gated.world.addresses) == 3


def test_an_hour_without_a_daemon_counts_for_the_time_that_an_answer_has(gated: Gated) -> None:
    gated.publish()
    gated.world.run_until("2026-12-01 10:10")
    opened = gated.gate().opened_at
    gated.world.clock.set_to(opened + timedelta(hours=5))
    gated.world.run_until("2026-12-01 16:00")
    assert gated.world.deliveries("first") == {"cancelled": 3}


@pytest.mark.parametrize("text", [GATED, AS_A_STEP])
@pytest.mark.parametrize("when", ["2026-12-01 09:00", "2026-12-01 10:10"])
def test_a_simulation_lets_everybody_pass_gates_whether_they_are_held_or_still_to_come(
    gated: Gated, text: str, when: str
) -> None:
    text = text.replace("{{ gate.promo | default('none') }}", "{{ gate.promo }}")
    gated.publish(text)
    gated.world.run_until(when)
    checked = gated.world.check(text)
    assert checked.file is not None
    project = gated.world.project.project
    version = frozen(checked.file, project, ProjectFiles(gated.world.folder, gated.world.folder))
    with copied(gated.world.store) as copy:
        done = simulate(copy, version, project, Settings(gated.world.clock.now()))
    assert done.finished_at == gated.world.instant("2026-12-02 09:00")
    assert [step.messages for step in done.steps] == ([0, 3] if "check" in text else [3, 3])
    assert [step.render_errors for step in done.steps] == [0, 0]
    # And nothing of it happens.
    assert gated.world.addresses == []


def test_a_stop_that_was_killed_leaves_nothing_held_once_a_daemon_runs_again(gated: Gated) -> None:
    gated.publish()
    gated.world.run_until("2026-12-01 10:10")
    with pytest.raises(KilledError):
        stop(WatchedStore(gated.world, killed_before(1)), "sale", actor="ada", now=gated.world.clock.now())
    assert gated.world.deliveries("first") == {"held": 3}
    # No answer is taken in between, and nobody can let anything go on.
    with pytest.raises(GateClosedError):
        gated.answer()
    with pytest.raises(RefusedError):
        decide(gated.world.store, "sale", "first", ByHand.RELEASE, actor="ada", now=gated.world.clock.now())
    gated.world.run_until("2026-12-01 10:20")
    assert gated.world.deliveries("first") == {"cancelled": 3}
    assert gated.gate().state is GateState.CANCELLED


def test_text_messages_are_held_as_well(gated: Gated) -> None:
    world = gated.world
    file = world.folder / PROJECT_FILE
    file.write_text(file.read_text().replace("email: email", "email: email, phone: mobile"))
    world.contacts("id,email,mobile\nc-1,ada@example.org,+33612345678\nc-2,grace@example.org,+33612345679\n")
    world.channels["sms"] = phone = WrittenChannel(world.clock)
    gated.publish(
        GATED.replace("email:\n      subject: Hi\n      body: hello.md", 'sms:\n      text: "For {{ gate.promo }}"')
    )
    world.run_until("2026-12-01 10:10")
    assert (world.deliveries("first"), phone.sent) == ({"held": 3}, [])
    gated.answer([{"id": "c-1", "properties": {"promo": "X7"}}, {"id": "c-2", "reject": True}])
    world.run_until("2026-12-01 10:20")
    assert [message.recipient for message in phone.sent] == ["+33612345678"]
    assert b"For X7" in phone.sent[0].content
    assert world.deliveries("first") == {"rejected": 1, "sent": 1, "skipped": 1}
