"""Statements about what is decided at a send gate: by the other system, by a person, or by its time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Column as SqlColumn
from sqlalchemy import (
    ColumnElement,
    Connection,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    and_,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert as insert_or_ignore

from campaignctl.campaign.steps.union import SENDING_VERBS
from campaignctl.flow.states import DeliveryState, GateState, StepState
from campaignctl.ports import FOR_GATE, Cohort, LiveCampaign, LiveGate, LiveStep
from campaignctl.store.gates import IS_OPEN, GateStatements, gate_contacts
from campaignctl.store.instants import stored
from campaignctl.store.lists import KEY_COLUMN
from campaignctl.store.members import in_cohort
from campaignctl.store.tables import deliveries, members, steps

TIMED_OUT: Final = "gate_timeout"

# What a gate that does not hold may still keep from leaving.
_NOT_LEFT: Final = (DeliveryState.QUEUED, DeliveryState.DEFERRED)

# Where an answer waits until all of it was read: beside the store (`contacts/staging.py`).
answers = Table(
    "answers",
    MetaData(),
    SqlColumn("contact_key", Text, primary_key=True),
    SqlColumn("contact_id", Integer),
    SqlColumn("line", Integer, nullable=False),
    SqlColumn("is_rejected", Integer, nullable=False),
    SqlColumn("properties", Text),
    schema="staging",
    sqlite_with_rowid=False,
)
_OF_CONTACT = Index("answers_of_contact", answers.c.contact_id)


class AnswerRow(NamedTuple):
    """What another system says of a contact, in which line: whether it may go on, and its properties as JSON."""

    line: int
    contact_key: str
    is_rejected: bool
    properties: str | None


class GateDecisionStatements(GateStatements):
    """How gates are closed, and what becomes of those that they held."""

    connection: Connection

    def close_gate(self, gate: LiveGate, state: GateState, by: str, now: datetime, **more: Any) -> bool:
        """Write down how a gate ended; False where it has ended already."""
        closed = {"closed_at": stored(now), "closed_by": by, "next_attempt_at": None}
        return self.gate_goes(gate, IS_OPEN, state=state.value, **closed, **more)

    def time_out_gate(self, gate: LiveGate, now: datetime) -> bool:
        """No answer came in time: what is held is released or cancelled, as the gate says; False where it is closed."""
        if not self.close_gate(gate, GateState.TIMED_OUT, "campaignctl", now):
            return False
        campaign = self.known_campaign(gate.campaign)
        if gate.is_holding and gate.on_timeout == "release":
            self.let_go_on(gate, now)
        elif gate.is_holding:
            self._cancel(gate, campaign.step(gate.step), now)
        detail = {"step": gate.step, "endpoint": gate.endpoint, "on_timeout": gate.on_timeout}
        self.note("gate_timed_out", campaign, detail, now)
        return True

    def gates_cancelled(self, campaign: LiveCampaign, now: datetime) -> None:
        """The campaign was stopped, and what was held is cancelled: nobody is asked any more."""
        for gate in self.open_gates(campaign):
            self.close_gate(gate, GateState.CANCELLED, "campaignctl", now)

    def has_deliveries_to_try(self, campaign: LiveCampaign) -> bool:
        """Whether a message of the campaign is to be sent, sent again, or held by a gate."""
        return super().has_deliveries_to_try(campaign) or bool(self.open_gates(campaign))

    # those who are held

    def let_go_on(self, gate: LiveGate, now: datetime) -> None:
        """What is still held may leave, not before the step's time; a step without delivery is done."""
        step = self.known_campaign(gate.campaign).step(gate.step)
        if gate.verb not in SENDING_VERBS:
            self._gate_step_goes(step, StepState.DONE, finished_at=stored(now), reason=None)
            return
        self.release_contacts(gate, step, None, now)
        self._gate_step_goes(step, StepState.RUNNING, reason=None)

    def release_contacts(self, gate: LiveGate, step: LiveStep, which: Any, now: datetime) -> None:
        """The held deliveries to these contacts, or to everybody, may leave."""
        # The clock may have been put back since the step began: nothing leaves before its time.
        not_before = max(now, step.effective_at or now)
        self.connection.execute(
            update(deliveries)
            .where(_held(gate), *_among(deliveries.c.contact_id, which))
            .values(
                state=DeliveryState.QUEUED.value, changed_at=stored(now), next_attempt_at=stored(not_before)
            )
        )  # fmt: skip

    def turn_away(self, gate: LiveGate, which: Any, now: datetime) -> int:
        """
        The gate says no to these contacts, or to everybody: how many that concerns.

        Of a message their deliveries are rejected, as far as they have not
        left; at a step without delivery they leave the campaign. A step that
        did not wait has let them go already. What a person has released before
        stays so.
        """
        if gate.verb not in SENDING_VERBS:
            return self._end_at_gate(gate, which) if gate.is_holding else 0
        may_be = (DeliveryState.HELD,) if gate.is_holding else _NOT_LEFT
        rejected = self.connection.execute(
            update(deliveries)
            .where(
                deliveries.c.step_id == gate.step_id,
                deliveries.c.state.in_([state.value for state in may_be]),
                *_among(deliveries.c.contact_id, which),
            )
            .values(
                state=DeliveryState.REJECTED.value, reason=FOR_GATE, detail=gate.endpoint,
                changed_at=stored(now), next_attempt_at=None,
            )
        )  # fmt: skip
        return rejected.rowcount

    def _end_at_gate(self, gate: LiveGate, which: Any) -> int:
        left = self.connection.execute(
            update(members)
            .where(*in_cohort(self.gate_cohort(gate)), *_among(members.c.contact_id, which))
            .values(left_at_step=gate.step_id)
        )
        return left.rowcount

    def _cancel(self, gate: LiveGate, step: LiveStep, now: datetime) -> None:
        """Nobody whom the gate still holds goes on."""
        if gate.verb in SENDING_VERBS:
            self.connection.execute(
                update(deliveries)
                .where(_held(gate))
                .values(state=DeliveryState.CANCELLED.value, reason=TIMED_OUT, changed_at=stored(now))
            )
        else:
            self._end_at_gate(gate, None)
        self._gate_step_goes(step, StepState.CANCELLED, finished_at=stored(now), reason=TIMED_OUT)

    def _gate_step_goes(self, step: LiveStep, to: StepState, **changes: Any) -> None:
        is_held = and_(steps.c.state == StepState.HELD.value, steps.c.reason == FOR_GATE)
        self.connection.execute(
            update(steps).where(steps.c.id == step.id, is_held).values(state=to.value, **changes)
        )  # fmt: skip

    # by hand

    def held_by(self, gate: LiveGate) -> int:
        """How many a gate holds."""
        if not gate.is_holding or not gate.state.is_open:
            return 0
        if gate.verb in SENDING_VERBS:
            return int(self.connection.scalars(select(func.count()).where(_held(gate))).one())
        return self.cohort_size(self.gate_cohort(gate))

    def held_contacts(self, gate: LiveGate, keys: Sequence[str]) -> dict[str, int]:
        """Those of the contacts with these keys that a gate holds, by key."""
        cohort = self.gate_cohort(gate)
        contacts = self.contact_list(cohort.campaign).table
        if gate.verb in SENDING_VERBS:
            held = select(deliveries.c.contact_id).where(_held(gate))
        else:
            held = select(members.c.contact_id).where(*in_cohort(cohort))
        found: dict[str, int] = {}
        for key in keys:
            this = select(contacts.c.id).where(contacts.c[KEY_COLUMN] == key, contacts.c.id.in_(held))
            number = self.connection.scalar(this)
            if number is not None:
                found[key] = number
        return found

    # the other system's answer

    def stage_answers(self, rows: Iterable[list[AnswerRow]]) -> AnswerRow | None:
        """Put an answer beside the store; the first row that names a contact a second time, if one does."""
        answers.create(self.connection)
        written = insert_or_ignore(answers).on_conflict_do_nothing()
        for some in rows:
            taken = self.connection.execute(written, [row._asdict() for row in some])
            if taken.rowcount != len(some):
                lines = select(answers.c.contact_key, answers.c.line).where(answers.c.line >= some[0].line)
                kept = {(row.contact_key, row.line) for row in self.connection.execute(lines)}
                return next(row for row in some if (row.contact_key, row.line) not in kept)
        return None

    def unknown_in_answer(self, cohort: Cohort, most: int) -> tuple[int, list[str]]:
        """How many contacts of an answer the gate is not about, and the keys of the first of these."""
        contacts = self.contact_list(cohort.campaign).table
        number = select(contacts.c.id).where(contacts.c[KEY_COLUMN] == answers.c.contact_key).scalar_subquery()
        self.connection.execute(update(answers).values(contact_id=number))
        is_unknown = or_(
            answers.c.contact_id.is_(None), answers.c.contact_id.not_in(gate_contacts(cohort).order_by(None))
        )
        count = self.connection.scalars(select(func.count()).where(is_unknown)).one()
        first = select(answers.c.contact_key).where(is_unknown).order_by(answers.c.contact_key).limit(most)
        return count, list(self.connection.scalars(first))

    def take_answer(self, gate: LiveGate, cohort: Cohort, digest: str, now: datetime) -> None:
        """Do what the answer that waits beside the store says, and close the gate."""
        rejected = self.turn_away(gate, select(answers.c.contact_id).where(answers.c.is_rejected == 1), now)
        changed = self._keep_properties(cohort)
        more = {"answer": digest, "rejected": rejected, "changed": changed}
        self.close_gate(gate, GateState.ANSWERED, gate.endpoint, now, **more)
        if gate.is_holding:
            self.let_go_on(gate, now)
        detail = {"step": gate.step, "rejected": rejected, "changed": changed}
        self.note("gate_answered", cohort.campaign, detail, now, f"gate {gate.endpoint}")

    def _keep_properties(self, cohort: Cohort) -> int:
        """Merge the properties over those of earlier gates; `null` takes one away."""
        given = select(answers.c.properties).where(answers.c.contact_id == members.c.contact_id)
        with_properties = select(answers.c.contact_id).where(answers.c.properties.is_not(None))
        merged = func.json_patch(func.coalesce(members.c.gate, "{}"), given.correlate(members).scalar_subquery())
        changed = self.connection.execute(
            update(members)
            .where(members.c.campaign_id == cohort.campaign.id, members.c.contact_id.in_(with_properties))
            .values(gate=merged)
        )
        return changed.rowcount


def _held(gate: LiveGate) -> ColumnElement[bool]:
    return and_(deliveries.c.step_id == gate.step_id, deliveries.c.state == DeliveryState.HELD.value)


def _among(column: ColumnElement[int], which: Any) -> tuple[ColumnElement[bool], ...]:
    """The condition that a contact is one of *which*; none where that is everybody."""
    return () if which is None else (column.in_(which),)
