"""Statements about send gates: opened at a step's time, asked about, and closed once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, func, insert, literal, or_, select, update

from campaignctl.campaign.steps.base import Gate
from campaignctl.campaign.steps.union import SENDING_VERBS
from campaignctl.flow.states import DeliveryState, GateState, StepState
from campaignctl.flow.tree import stops
from campaignctl.ports import FOR_GATE, Cohort, LiveCampaign, LiveGate, LiveStep
from campaignctl.store.deliveries import DeliveryStatements
from campaignctl.store.instants import instant, stored
from campaignctl.store.members import in_cohort, on_turn
from campaignctl.store.tables import campaigns, deliveries, gates, members, steps, ways

TIMED_OUT: Final = "gate_timeout"
_OPEN: Final = [state.value for state in GateState if state.is_open]
_IS_OPEN: Final = gates.c.state.in_(_OPEN)
# What a gate that does not hold may still keep from leaving.
_NOT_LEFT: Final = (DeliveryState.QUEUED, DeliveryState.DEFERRED)


class GateStatements(DeliveryStatements):
    """Send gates: what waits for them, and what becomes of it."""

    connection: Connection

    # opening and asking

    def open_gate(self, cohort: Cohort, gate: Gate, now: datetime) -> bool:
        """
        Open the gate of a step that begins; False where its cohort is empty, and nobody need be asked.

        A gate that holds holds the step from now on.
        """
        count, fingerprint = _fingerprint_of(self._contacts_of(cohort))
        if not count:
            return False
        self.connection.execute(
            insert(gates).values(
                step_id=cohort.step.id,
                version=cohort.campaign.version,
                endpoint=gate.endpoint,
                is_holding=gate.hold,
                on_timeout=gate.on_timeout,
                state=GateState.REQUESTED.value,
                contacts=count,
                fingerprint=fingerprint,
                opened_at=stored(now),
                expires_at=None if gate.timeout is None else stored(now + gate.timeout),
                attempts=0,
                next_attempt_at=stored(now),
                rejected=0,
                changed=0,
            )
        )
        if gate.hold:
            self.step_held(cohort.step, FOR_GATE)
        detail = {"step": cohort.step.name, "endpoint": gate.endpoint, "contacts": count}
        self.note("gate_opened", cohort.campaign, detail, now)
        return True

    def asking_gate(self, gate: LiveGate, again_at: datetime) -> bool:
        """The endpoint is about to be asked; without an outcome it is asked again then. False where it is closed."""
        return self._gate_goes(
            gate, gates.c.state == GateState.REQUESTED.value, attempts=gates.c.attempts + 1,
            next_attempt_at=stored(again_at),
        )  # fmt: skip

    def gate_asked(self, gate: LiveGate, now: datetime) -> None:
        """The endpoint took the request; it may have answered already."""
        taken = {"next_attempt_at": None, "asked_at": stored(now), "said": None}
        self._gate_goes(gate, gates.c.state == GateState.REQUESTED.value, state=GateState.ASKED.value, **taken)

    def gate_not_asked(self, gate: LiveGate, said: str, again_at: datetime | None) -> None:
        """The endpoint did not take the request; without another attempt a person has to look."""
        self._gate_goes(
            gate, gates.c.state == GateState.REQUESTED.value, said=said, next_attempt_at=stored(again_at)
        )  # fmt: skip

    # looking

    def gate(self, gate_id: int) -> LiveGate | None:
        """The gate with this number."""
        return next(iter(self._gates(gates.c.id == gate_id)), None)

    def gate_of_step(self, step: LiveStep) -> LiveGate | None:
        """The gate of a step, open or closed."""
        return next(iter(self._gates(gates.c.step_id == step.id)), None)

    def gates_of(self, campaign: LiveCampaign) -> list[LiveGate]:
        """Every gate that a campaign has opened, in the order of its steps."""
        return self._gates(gates.c.step_id.in_([step.id for step in campaign.steps]))

    def open_gates(self, campaign: LiveCampaign | None = None) -> list[LiveGate]:
        """The gates that have no decision yet, of one campaign or of all."""
        of_it = () if campaign is None else (gates.c.step_id.in_([step.id for step in campaign.steps]),)
        return self._gates(_IS_OPEN, *of_it)

    def _gates(self, *conditions: ColumnElement[bool]) -> list[LiveGate]:
        rows = self.connection.execute(
            select(
                gates.c.id, campaigns.c.name.label("campaign"), steps.c.name.label("step"), steps.c.verb,
                gates.c.step_id, gates.c.version, gates.c.endpoint, gates.c.is_holding, gates.c.on_timeout,
                gates.c.state, gates.c.contacts, gates.c.fingerprint, gates.c.opened_at, gates.c.expires_at,
                gates.c.attempts, gates.c.next_attempt_at, gates.c.asked_at, gates.c.said, gates.c.closed_at,
                gates.c.closed_by, gates.c.answer, gates.c.rejected, gates.c.changed,
            )
            .join(steps, steps.c.id == gates.c.step_id)
            .join(campaigns, campaigns.c.id == steps.c.campaign_id)
            .where(*conditions)
            .order_by(campaigns.c.id, steps.c.position)
        )  # fmt: skip
        return [
            LiveGate(**row | {"state": GateState(row["state"])} | {name: instant(row[name]) for name in _INSTANTS})
            for row in map(dict, rows.mappings())
        ]

    def gate_fits(self, gate: LiveGate, cohort: Cohort) -> bool:
        """Whether version and contacts are those that the gate was opened for."""
        return gate.version == cohort.step.version and _fingerprint_of(self._contacts_of(cohort)) == (
            gate.contacts,
            gate.fingerprint,
        )

    def _contacts_of(self, cohort: Cohort) -> Iterator[int]:
        return iter(self.connection.scalars(gate_contacts(cohort).execution_options(yield_per=10_000)))

    def held_of(self, step: LiveStep) -> int:
        """How many deliveries of a step are held."""
        is_held = and_(deliveries.c.step_id == step.id, deliveries.c.state == DeliveryState.HELD.value)
        return int(self.connection.scalars(select(func.count()).where(is_held)).one())

    # closing

    def close_gate(self, gate: LiveGate, state: GateState, by: str, now: datetime, **more: Any) -> bool:
        """Write down how a gate ended; False where it has ended already."""
        closed = {"closed_at": stored(now), "closed_by": by, "next_attempt_at": None}
        return self._gate_goes(gate, _IS_OPEN, state=state.value, **closed, **more)

    def time_out_gate(self, gate: LiveGate, now: datetime) -> bool:
        """No answer came in time: what is held is released or cancelled, as the gate says; False where it is closed."""
        if not self.close_gate(gate, GateState.TIMED_OUT, "campaignctl", now):
            return False
        campaign = self.known_campaign(gate.campaign)
        if gate.is_holding:
            if gate.on_timeout == "release":
                self.let_go_on(gate, now)
            else:
                self._cancel(gate, campaign, now)
        detail = {"step": gate.step, "endpoint": gate.endpoint, "on_timeout": gate.on_timeout}
        self.note("gate_timed_out", campaign, detail, now)
        return True

    def let_go_on(self, gate: LiveGate, now: datetime) -> None:
        """What is still held may leave, not before the step's time; a step without delivery is done."""
        step = self.known_campaign(gate.campaign).step(gate.step)
        if gate.verb not in SENDING_VERBS:
            self._gate_step_goes(step, StepState.DONE, finished_at=stored(now), reason=None)
            return
        self.release_held(gate, step, literal(1) == 1, now)
        self._gate_step_goes(step, StepState.RUNNING, reason=None)

    def release_held(self, gate: LiveGate, step: LiveStep, which: ColumnElement[bool], now: datetime) -> int:
        """Those of the held deliveries may leave; how many they are."""
        # The clock may have been put back since the step began: nothing leaves before its time.
        not_before = max(now, step.effective_at or now)
        queued = {"state": DeliveryState.QUEUED.value, "next_attempt_at": stored(not_before)}
        changed = self.connection.execute(
            update(deliveries)
            .where(deliveries.c.step_id == gate.step_id, deliveries.c.state == DeliveryState.HELD.value, which)
            .values(changed_at=stored(now), **queued)
        )
        return changed.rowcount

    def turn_away(self, gate: LiveGate, which: ColumnElement[bool] | None, now: datetime) -> int:
        """
        The gate says no to those contacts, or to everybody: how many that concerns.

        Of a message their deliveries are rejected, as far as they have not
        left; at a step without delivery they leave the campaign. A step that
        did not wait has let them go already.
        """
        if gate.verb in SENDING_VERBS:
            # What a person has released by hand stays so.
            may_be = (DeliveryState.HELD,) if gate.is_holding else _NOT_LEFT
            is_of_gate = and_(
                deliveries.c.step_id == gate.step_id, deliveries.c.state.in_([state.value for state in may_be])
            )
            rejected = self.connection.execute(
                update(deliveries)
                .where(is_of_gate, *(() if which is None else (which,)))
                .values(
                    state=DeliveryState.REJECTED.value, reason=FOR_GATE, detail=gate.endpoint,
                    changed_at=stored(now), next_attempt_at=None,
                )
            )  # fmt: skip
            return rejected.rowcount
        return self._end_at_gate(gate, which) if gate.is_holding else 0

    def _end_at_gate(self, gate: LiveGate, which: ColumnElement[bool] | None) -> int:
        left = self.connection.execute(
            update(members)
            .where(*in_cohort(self.gate_cohort(gate)), *(() if which is None else (which,)))
            .values(left_at_step=gate.step_id)
        )
        return left.rowcount

    def _cancel(self, gate: LiveGate, campaign: LiveCampaign, now: datetime) -> None:
        if gate.verb in SENDING_VERBS:
            self.connection.execute(
                update(deliveries)
                .where(deliveries.c.step_id == gate.step_id, deliveries.c.state == DeliveryState.HELD.value)
                .values(state=DeliveryState.CANCELLED.value, reason=TIMED_OUT, changed_at=stored(now))
            )
        else:
            self._end_at_gate(gate, None)
        cancelled = {"finished_at": stored(now), "reason": TIMED_OUT}
        self._gate_step_goes(campaign.step(gate.step), StepState.CANCELLED, **cancelled)

    def gates_cancelled(self, campaign: LiveCampaign, now: datetime) -> None:
        """The campaign was stopped, and what was held is cancelled: nobody is asked any more."""
        for gate in self.open_gates(campaign):
            self.close_gate(gate, GateState.CANCELLED, "campaignctl", now)

    def ask_again(self, gate: LiveGate, now: datetime) -> bool:
        """A person has mended what kept the endpoint from taking the request."""
        is_stuck = and_(gates.c.state == GateState.REQUESTED.value, gates.c.next_attempt_at.is_(None))
        return self._gate_goes(gate, is_stuck, next_attempt_at=stored(now))

    def gate_cohort(self, gate: LiveGate) -> Cohort:
        """The members whom a gate is about, with the version that its step runs by."""
        campaign = self.known_campaign(gate.campaign)
        step = campaign.step(gate.step)
        version = self.version(campaign, step.version)
        return Cohort(campaign, step, version, next(stop.turn for stop in stops(version.campaign) if stop.id == gate.step))

    def _gate_goes(self, gate: LiveGate, is_allowed: ColumnElement[bool], **changes: Any) -> bool:
        changed = self.connection.execute(update(gates).where(gates.c.id == gate.id, is_allowed).values(**changes))
        return changed.rowcount == 1

    def _gate_step_goes(self, step: LiveStep, to: StepState, **changes: Any) -> bool:
        is_held = and_(steps.c.state == StepState.HELD.value, steps.c.reason == FOR_GATE)
        changed = self.connection.execute(
            update(steps).where(steps.c.id == step.id, is_held).values(state=to.value, **changes)
        )
        return changed.rowcount == 1

    def has_deliveries_to_try(self, campaign: LiveCampaign) -> bool:
        """Whether a message of the campaign is to be sent, sent again, or held by a gate."""
        return super().has_deliveries_to_try(campaign) or bool(self.open_gates(campaign))


def gate_contacts(cohort: Cohort) -> Select[Any]:
    """The contacts that the gate of a step is about, in order: whatever has become of them since."""
    if cohort.step.verb in SENDING_VERBS:
        return (
            select(deliveries.c.contact_id)
            .where(deliveries.c.step_id == cohort.step.id)
            .order_by(deliveries.c.contact_id)
        )
    is_there = or_(members.c.left_at_step.is_(None), members.c.left_at_step == cohort.step.id)
    return (
        select(members.c.contact_id)
        .where(members.c.campaign_id == cohort.campaign.id, is_there, *_on_way(cohort))
        .order_by(members.c.contact_id)
    )


def _on_way(cohort: Cohort) -> list[ColumnElement[bool]]:
    return [] if cohort.turn is None else [members.c.way_id.in_(select(ways.c.id).where(*on_turn(cohort)))]


def _fingerprint_of(contacts: Iterator[int]) -> tuple[int, str]:
    """How many contacts there are, and a SHA-256 of their numbers."""
    digest, count = hashlib.sha256(), 0
    for contact in contacts:
        digest.update(b"%d\n" % contact)
        count += 1
    return count, digest.hexdigest()


_INSTANTS: Final = ("opened_at", "expires_at", "next_attempt_at", "asked_at", "closed_at")
