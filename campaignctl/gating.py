"""Send gates by hand: who is held, and a person who lets them go on or turns them away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from campaignctl.campaign.steps.union import SENDING_VERBS
from campaignctl.diagnostics import did_you_mean, listed
from campaignctl.errors import RefusedError
from campaignctl.flow.states import CampaignState, GateState
from campaignctl.ports import LiveCampaign, LiveGate, LiveStep
from campaignctl.store.gates import GateContact
from campaignctl.store.ledger import SqlLedger, SqlStore


class ByHand(StrEnum):
    """What a person decides at a gate."""

    RELEASE = "release"  # they go on
    REJECT = "reject"  # they do not


@dataclass(frozen=True)
class Decided:
    """What a person decided about how many contacts, and whether the gate is closed with that."""

    campaign: str
    step: str
    decision: ByHand
    contacts: int
    closed: bool


def gates_by_name(ledger: SqlLedger, name: str | None) -> list[LiveGate]:
    """
    The gates of one campaign, or those of all campaigns that have no decision yet.

    Raises:
        RefusedError: there is no such campaign.
    """
    if name is None:
        return ledger.open_gates()
    campaign = ledger.known_campaign(name)
    of_it = ledger.occurrences(campaign) if campaign.is_series else [campaign]
    return [gate for each in of_it for gate in ledger.gates_of(each)]


def known_gate(ledger: SqlLedger, name: str, step: str) -> LiveGate:
    """
    The gate of this step.

    Raises:
        RefusedError: there is no such campaign or step, or its gate was not opened.
    """
    campaign = ledger.known_campaign(name)
    found = next((each for each in campaign.steps if each.name == step), None)
    if found is None:
        names = [each.name for each in campaign.steps]
        hint = did_you_mean(step, names, f"see `campaignctl status {name}`")
        raise RefusedError("P117", f"`{name}` has no step `{step}`", hint)
    gate = ledger.gate_of_step(found)
    if gate is None:
        raise RefusedError(
            "P160", f"no gate of the step `{step}` was opened", f"see `campaignctl gate list {name}`"
        )  # fmt: skip
    return gate


def gate_contacts(ledger: SqlLedger, gate: LiveGate) -> Iterator[GateContact]:
    """Whom the gate is about, and what has become of each, in the order of contacts."""
    return ledger.gate_members(gate)


def decide(
    store: SqlStore,
    name: str,
    step: str,
    decision: ByHand,
    *,
    contacts: Sequence[str] = (),
    actor: str,
    now: datetime,
    is_trial: bool = False,
) -> Decided:
    """
    Let what a gate holds go on, or turn it away: all of it, or only these *contacts*.

    With *is_trial* it is only counted. The gate is closed when nothing is held
    any more; what the endpoint answers then comes too late.

    Raises:
        RefusedError: there is no such gate, it is closed, or a contact is not held by it.
    """
    with store.writing() as ledger:
        gate = known_gate(ledger, name, step)
        campaign = ledger.known_campaign(name)
        _refuse_what_is_closed(gate, campaign)
        if contacts:
            held = _held(ledger, gate, contacts, decision)
            if is_trial:
                return Decided(name, step, decision, len(held), closed=False)
            closed = _decide_about(ledger, gate, campaign.step(step), held, decision, actor, now)
            count = len(held)
        else:
            count = ledger.held_by(gate)
            if is_trial:
                return Decided(name, step, decision, count, closed=True)
            closed = _decide_about_all(ledger, gate, decision, actor, now)
        detail: dict[str, object] = {"step": step, "endpoint": gate.endpoint, "contacts": count}
        if contacts:
            detail["only"] = list(contacts)
        ledger.note(f"gate_{_DONE[decision]}", campaign, detail, now, actor)
    return Decided(name, step, decision, count, closed)


def _refuse_what_is_closed(gate: LiveGate, campaign: LiveCampaign) -> None:
    if not gate.state.is_open or campaign.state is CampaignState.STOPPED:
        state = GateState.CANCELLED if gate.state.is_open else gate.state
        raise RefusedError(
            "P161", f"the gate of `{gate.step}` is closed: {state.value.replace('_', ' ')}",
            f"see `campaignctl gate show {gate.campaign} {gate.step}`",
        )  # fmt: skip
    if not gate.is_holding:
        raise RefusedError(
            "P162", f"the gate of `{gate.step}` holds nothing: it says `hold: false`",
            "pause or stop the campaign where nothing may leave",
        )  # fmt: skip


def _held(ledger: SqlLedger, gate: LiveGate, keys: Sequence[str], decision: ByHand) -> list[int]:
    """The numbers of these contacts, all of which the gate has to hold."""
    if decision is ByHand.RELEASE and gate.verb not in SENDING_VERBS:
        raise RefusedError(
            "P163", f"`{gate.step}` has no messages, and its contacts go on together",
            "reject those that may not go on, then release the gate",
        )  # fmt: skip
    found = ledger.held_contacts(gate, keys)
    if strangers := [key for key in dict.fromkeys(keys) if key not in found]:
        raise RefusedError(
            "P164", f"the gate of `{gate.step}` does not hold {listed(strangers[:10], 'and')}",
            f"see `campaignctl gate show {gate.campaign} {gate.step}`",
        )  # fmt: skip
    return list(found.values())


def _decide_about(
    ledger: SqlLedger, gate: LiveGate, step: LiveStep, held: Sequence[int], decision: ByHand, actor: str, now: datetime
) -> bool:
    """Decide about some; whether nothing is held any more."""
    if decision is ByHand.RELEASE:
        ledger.release_contacts(gate, step, held, now)
    else:
        ledger.turn_away(gate, held, now)
    if ledger.held_by(gate):
        return False
    ledger.close_gate(gate, GateState.RELEASED, actor, now)
    ledger.let_go_on(gate, now)
    return True


def _decide_about_all(ledger: SqlLedger, gate: LiveGate, decision: ByHand, actor: str, now: datetime) -> bool:
    if decision is ByHand.RELEASE:
        ledger.close_gate(gate, GateState.RELEASED, actor, now)
    else:
        rejected = ledger.turn_away(gate, None, now)
        ledger.close_gate(gate, GateState.REJECTED, actor, now, rejected=rejected)
    ledger.let_go_on(gate, now)
    return True


_DONE = {ByHand.RELEASE: "released", ByHand.REJECT: "rejected"}
