"""Tracing: why a contact did, or did not, get each message of a campaign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from campaignctl.campaign.steps.gate import GateStep
from campaignctl.campaign.steps.split import EngagementSplit, SegmentSplit, SplitStep
from campaignctl.campaign.steps.union import makes_deliveries
from campaignctl.campaign.version import StepTopic, Version
from campaignctl.campaign.when import wall_text
from campaignctl.campaign.wording import told, why_not
from campaignctl.errors import RefusedError
from campaignctl.flow.states import CampaignState, DeliveryState, StepState
from campaignctl.flow.tree import Stop, Turn, stops
from campaignctl.ports import FOR_GATE, LiveCampaign, LiveGate, LiveStep
from campaignctl.store.ledger import SqlLedger
from campaignctl.store.lists import contact_by_key, contact_values
from campaignctl.store.reasons import NOT_IN_TOPIC
from campaignctl.store.suppressions import EMAIL, Suppression, suppression_of
from campaignctl.store.tracing import (
    Membership,
    TracedDelivery,
    TracedEvent,
    deliveries_to,
    events_of,
    holds_for,
    membership,
)


@dataclass(frozen=True)
class TracedStep:
    """
    What one step came to for the contact.

    `outcome` is the delivery's state where there is one. Otherwise `done`,
    `to_come`, the step's own `held`, `skipped` or `cancelled`, or why it is not
    the contact's: `not_a_member`, `other_branch`, `left`.
    """

    step: str
    outcome: str
    reason: str | None
    at: datetime | None
    events: Sequence[TracedEvent]
    explanation: str


@dataclass(frozen=True)
class Trace:
    """A contact's way through a campaign. `explanation` says why they take part or do not."""

    contact: str
    member: bool
    explanation: str
    path: Sequence[str]
    steps: Sequence[TracedStep]


def trace(ledger: SqlLedger, name: str, key: str, now: datetime) -> Trace:
    """
    Follow one contact through a campaign.

    Raises:
        RefusedError: there is no such campaign, or its list has no such contact.
    """
    campaign = ledger.known_campaign(name)
    if campaign.is_series:
        raise RefusedError(
            "P143",
            f"`{name}` recurs, and each of its occurrences has members of its own",
            f"name one that `campaignctl status {name}` shows",
        )
    contacts = ledger.contact_list(campaign)
    row = contact_by_key(ledger.connection, contacts, key)
    if row is None:
        raise RefusedError("P111", f"the list `{campaign.list_name}` has no contact `{key}`", "check its key")
    version = ledger.version(campaign, campaign.version)
    member = membership(ledger.connection, campaign, row.id)
    values = contact_values(contacts, row)
    address = values.get(version.content.contacts.email or "")
    told_of = _Teller(
        campaign,
        version,
        member,
        deliveries_to(ledger.connection, campaign, row.id),
        events_of(ledger.connection, campaign, row.id),
        suppression_of(ledger.connection, EMAIL, str(address)) if address else None,
        {gate.step_id: gate for gate in ledger.gates_of(campaign)},
        ledger.left_since(str(address)) if address else {},
    )
    explanation = _joining(campaign, member, is_by_request=version.starts_by_request)
    if version.starts_by_request:
        pass  # whom the request names does not follow from the contact
    elif campaign.started_at is None or member is None:
        holds = holds_for(ledger.connection, contacts, row.id, version, now)
        if not holds(version.audience):
            why = why_not(version.audience, holds, version.content.segments, values)
            explanation += f" As things are, the contact does not match: {why}."
        else:
            explanation += " As things are, the contact matches."
    return Trace(
        contact=key,
        member=member is not None,
        explanation=explanation,
        path=[f"{turn.split}={turn.branch}" for turn in member.turns] if member else [],
        steps=[told_of.step(step, stop) for step, stop in zip(campaign.steps, stops(version.campaign), strict=True)],
    )


def _joining(campaign: LiveCampaign, member: Membership | None, *, is_by_request: bool) -> str:
    if member is not None and is_by_request:
        return "Is a member: the request that started the campaign named the contact."
    if campaign.started_at is not None and is_by_request:
        return "Is not a member: the request did not name the contact, or the project's own segment leaves it out."
    if member is not None:
        return "Is a member: the contact matched when the campaign started."
    if campaign.started_at is not None:
        return "Is not a member: the contact did not match when the campaign started, and nobody joins later."
    if campaign.state is CampaignState.STOPPED:
        return "Is not a member: the campaign was stopped before it started."
    return "Nobody is a member yet: the campaign has not started."


@dataclass(frozen=True)
class _Teller:
    """Says what each step came to for one contact."""

    campaign: LiveCampaign
    version: Version
    member: Membership | None
    deliveries: Mapping[int, TracedDelivery]
    events: Mapping[int, Sequence[TracedEvent]]
    suppression: Suppression | None
    gates: Mapping[int, LiveGate]
    left_topics: Mapping[str, datetime]

    def step(self, step: LiveStep, stop: Stop) -> TracedStep:
        delivery = self.deliveries.get(step.id)
        events = self.events.get(step.id, ())
        if delivery is not None:
            explanation = self._of_delivery(step, delivery)
            return TracedStep(step.name, delivery.state, delivery.reason, delivery.changed_at, events, explanation)
        outcome, reason, explanation = self._without_delivery(step, stop)
        at = {"done": step.started_at, "to_come": step.effective_at}.get(outcome)
        return TracedStep(step.name, outcome, reason, at, events, explanation)

    def _without_delivery(self, step: LiveStep, stop: Stop) -> tuple[str, str | None, str]:
        """Outcome, reason and explanation of a step that made no message for the contact."""
        member = self.member
        if member is None and self.campaign.started_at is not None:
            return "not_a_member", None, "not a member"
        if member is not None and member.left_at is not None and member.left_at < step.position:
            return "left", None, f"left the campaign at `{self.campaign.steps[member.left_at].name}`"
        if member is not None and stop.turn is not None and stop.turn not in member.turns:
            taken = next((turn for turn in member.turns if turn.split == stop.turn.split), None)
            if taken is not None:
                return "other_branch", taken.branch or None, f"{_branch_taken(taken)} at `{taken.split}`"
        if isinstance(stop.step, GateStep) and member is not None and member.left_at == step.position:
            return self._turned_away(step)
        match step.state:
            case StepState.HELD if step.reason == FOR_GATE:
                return "held", FOR_GATE, self._of_gate(step)
            case StepState.DONE | StepState.RUNNING if isinstance(stop.step, SplitStep) and member is not None:
                turn = next((turn for turn in member.turns if turn.split == step.name), None)
                if turn is not None:
                    return "done", turn.branch or None, f"{_branch_taken(turn)}: {self._why(stop.step, turn)}"
            case StepState.SCHEDULED | StepState.WAITING:
                on = "" if step.effective_at is None else f" on {self._wall(step.effective_at)}"
                return "to_come", None, f"to come{on}"
            case StepState.HELD | StepState.SKIPPED | StepState.CANCELLED:
                return str(step.state), step.reason, f"the step is {step.state}: {_STEP_REASONS.get(step.reason or '')}"
        if makes_deliveries(stop.step):
            return "not_a_member", None, "was not among the contacts of this step"
        return "done", None, f"the step's `{step.verb}` was carried out"

    def _turned_away(self, step: LiveStep) -> tuple[str, str | None, str]:
        """What became of a contact who went no further than a gate."""
        endpoint = self.gates[step.id].endpoint
        if step.state is StepState.CANCELLED:
            return "cancelled", step.reason, f"the gate `{endpoint}` had no answer in time: nobody went on"
        return "rejected", FOR_GATE, f"rejected by the gate `{endpoint}`: went no further"

    def _of_gate(self, step: LiveStep) -> str:
        gate = self.gates.get(step.id)
        if gate is None:
            return "a gate has to decide"
        until = "" if gate.expires_at is None else f", until {self._wall(gate.expires_at)} at the latest"
        return f"the gate `{gate.endpoint}` has to decide{until}"

    def _why(self, step: SplitStep, turn: Turn) -> str:
        match step.split:
            case EngagementSplit() as split:
                branch = next((each for each in split.branches if each.name == turn.branch), None)
                if branch is None or branch.when is None:
                    return f"no other branch was theirs, by what was known of `{split.of}` at that time"
                return f"{_reaction_words(branch.when)} `{split.of}`, by what was known at that time"
            case SegmentSplit() as split:
                condition = next((each.when for each in split.branches if each.name == turn.branch), None)
                return "no other branch was theirs" if condition is None else told(condition)
            case _:
                return "drawn by chance, from the campaign's seed, the step and the contact"

    def _of_delivery(self, step: LiveStep, delivery: TracedDelivery) -> str:
        at = self._wall(delivery.changed_at)
        said = f": {delivery.detail}" if delivery.detail else ""
        match delivery.state:
            case DeliveryState.SENT:
                tries = f" at attempt {delivery.attempts}" if delivery.attempts > 1 else ""
                return f"sent on {at}{tries}"
            case DeliveryState.SKIPPED if delivery.reason in ("suppressed", "unsubscribed"):
                if step.verb == "export":
                    return (
                        f"not handed on, on {at}, because the address or the number is suppressed ({delivery.reason})"
                    )
                if step.verb == "sms":
                    # In what form the number is suppressed depends on the project, as it was then.
                    return f"not sent on {at}, because the number was suppressed ({delivery.reason})"
                return f"not sent on {at}, because the address is suppressed{self._since()}"
            case DeliveryState.SKIPPED if delivery.reason == NOT_IN_TOPIC:
                topic = self.version.topic_of(step.name)
                named = "" if topic is None else f" `{topic.name}`"
                return f"not sent on {at}, because the contact does not want the topic{named}{self._left_since(topic)}"
            case DeliveryState.DEFERRED if delivery.next_attempt_at is not None:
                again = self._wall(delivery.next_attempt_at)
                return f"refused for now{said}; tried again on {again}"
            case DeliveryState.REJECTED if delivery.reason == FOR_GATE:
                return f"rejected by the gate `{delivery.detail}` on {at}"
            case DeliveryState.HELD:
                return f"made, and held since {at}: {self._of_gate(step)}"
            case DeliveryState.QUEUED:
                return f"waits to be sent since {at}{_because(step)}"
        words = _DELIVERIES.get((delivery.state, delivery.reason)) or _DELIVERIES.get((delivery.state, None))
        return f"{words or delivery.state} on {at}{said}"

    def _wall(self, at: datetime) -> str:
        return wall_text(at.replace(microsecond=0), self.version.zone)

    def _left_since(self, topic: StepTopic | None) -> str:
        left_at = None if topic is None else self.left_topics.get(topic.name)
        return "" if left_at is None else f", left by themselves on {self._wall(left_at)}"

    def _since(self) -> str:
        if self.suppression is None:
            return ", which it is no more"
        since = self._wall(self.suppression.since)
        return f" since {since} ({self.suppression.reason})"


def _branch_taken(turn: Turn) -> str:
    return f"took the branch `{turn.branch}`" if turn.branch else "matched no branch, and went on after the split"


def _reaction_words(when: object) -> str:
    return f"{'did not ' if str(when).startswith('not_') else 'did '}" + _REACTIONS.get(str(when), "click a link of")


def _because(step: LiveStep) -> str:
    return "; the step is held for a person" if step.state is StepState.HELD else ""


_REACTIONS: Final = {
    "opened": "open", "not_opened": "open", "clicked": "click in", "not_clicked": "click in",
    "sent": "get", "not_sent": "get", "bounced": "send back",
}  # fmt: skip
_STEP_REASONS: Final = {
    "too_late": "it could not run in time, because nothing was running",
    "bounces": "too many of its first messages bounced",
    "complaints": "too many called it spam",
    "render_error": "a value cannot be filled in for one of its contacts",
    "export_failed": "its file cannot be written",
    "stopped": "the campaign was stopped",
    "gate_timeout": "its gate had no answer in time",
}
_DELIVERIES: Final[Mapping[tuple[DeliveryState, str | None], str]] = {
    (DeliveryState.SENDING, None): "handed over, without a verdict yet,",
    (DeliveryState.UNCERTAIN, None): "nobody knows whether it arrived: no verdict came",
    (DeliveryState.FAILED, "hard_bounce"): "the address does not exist; refused for good",
    (DeliveryState.FAILED, "expired"): "refused until its time was over,",
    (DeliveryState.FAILED, None): "refused for good",
    (DeliveryState.SKIPPED, "no_address"): "not sent, because the contact has no address,",
    (DeliveryState.SKIPPED, "country_not_allowed"): "not sent, because no text goes to the country of the number,",
    (DeliveryState.SKIPPED, "too_long"): "not sent, because the text takes more parts than are allowed,",
    (DeliveryState.SKIPPED, "frequency_cap"): "not sent, because the contact had got as many messages as are allowed,",
    (DeliveryState.SKIPPED, "render_error"): "not sent, because the message could not be made,",
    (DeliveryState.SKIPPED, "not_in_project_segment"): "not sent, because the project's own segment did not match",
    (DeliveryState.SKIPPED, None): "not sent",
    (DeliveryState.REJECTED, None): "rejected by a send gate",
    (DeliveryState.CANCELLED, "gate_timeout"): "not sent, because its gate had no answer in time",
    (DeliveryState.CANCELLED, None): "not sent, because the campaign was stopped",
}
