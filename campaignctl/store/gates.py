"""Statements about send gates: opened at a step's time, asked about, and closed once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, case, insert, literal, or_, select, update

from campaignctl.campaign.steps.base import Gate
from campaignctl.campaign.steps.union import SENDING_VERBS
from campaignctl.flow.states import GateState
from campaignctl.flow.tree import stops
from campaignctl.ports import FOR_GATE, Candidate, Cohort, LiveCampaign, LiveGate, LiveStep
from campaignctl.store.candidates import CandidateReader
from campaignctl.store.deliveries import DeliveryStatements
from campaignctl.store.instants import instant, stored
from campaignctl.store.lists import KEY_COLUMN
from campaignctl.store.members import on_turn
from campaignctl.store.tables import campaigns, deliveries, gates, members, steps, ways

_OPEN: Final = [state.value for state in GateState if state.is_open]
IS_OPEN: Final = gates.c.state.in_(_OPEN)


@dataclass(frozen=True)
class GateContact:
    """One of those whom a gate is about: the state of the delivery, or at a step without one what was decided."""

    contact: str
    state: str
    reason: str | None


class GateStatements(DeliveryStatements):
    """Send gates as they are opened and asked about, and whom they are about."""

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
        return self.gate_goes(
            gate, gates.c.state == GateState.REQUESTED.value, attempts=gates.c.attempts + 1,
            next_attempt_at=stored(again_at),
        )  # fmt: skip

    def gate_asked(self, gate: LiveGate, now: datetime) -> None:
        """The endpoint took the request; it may have answered already."""
        taken = {"next_attempt_at": None, "asked_at": stored(now), "said": None}
        self.gate_goes(gate, gates.c.state == GateState.REQUESTED.value, state=GateState.ASKED.value, **taken)

    def gate_not_asked(self, gate: LiveGate, said: str, again_at: datetime | None) -> None:
        """The endpoint did not take the request; without another attempt a person has to look."""
        self.gate_goes(
            gate, gates.c.state == GateState.REQUESTED.value, said=said, next_attempt_at=stored(again_at)
        )  # fmt: skip

    def ask_again(self, gate: LiveGate, now: datetime) -> bool:
        """A person has mended what kept the endpoint from taking the request."""
        is_stuck = and_(gates.c.state == GateState.REQUESTED.value, gates.c.next_attempt_at.is_(None))
        return self.gate_goes(gate, is_stuck, next_attempt_at=stored(now))

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
        return self._gates(IS_OPEN, *of_it)

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

    def gate_cohort(self, gate: LiveGate) -> Cohort:
        """The members whom a gate is about, with the version that its step runs by."""
        campaign = self.known_campaign(gate.campaign)
        step = campaign.step(gate.step)
        version = self.version(campaign, step.version)
        return Cohort(
            campaign, step, version, next(stop.turn for stop in stops(version.campaign) if stop.id == gate.step)
        )

    def gate_candidates(self, cohort: Cohort, after: int, most: int) -> list[Candidate]:
        """The contacts that a gate is about, *most* of those after this one, as the other system gets to know them."""
        contacts = self.contact_list(cohort.campaign)
        # Without an order of its own it is no table that is made anew for every part.
        of_gate = gate_contacts(cohort).where(_contact_of(cohort) > after).order_by(None).subquery()
        is_member = and_(members.c.campaign_id == cohort.campaign.id, members.c.contact_id == of_gate.c.contact_id)
        rows = self.connection.execute(
            select(
                of_gate.c.contact_id, literal(0).label("made_at"), literal(0).label("attempts"),
                *contacts.table.columns, members.c.data, members.c.gate,
            )
            .select_from(of_gate)
            .join(contacts.table, contacts.table.c.id == of_gate.c.contact_id)
            .join(members, is_member)
            .order_by(of_gate.c.contact_id)
            .limit(most)
        )  # fmt: skip
        reader = CandidateReader(cohort, contacts)
        return [reader.candidate(row) for row in rows]

    def gate_members(self, gate: LiveGate) -> Iterator[GateContact]:
        """Whom a gate is about, and what has become of each by now, in the order of contacts."""
        cohort = self.gate_cohort(gate)
        contacts = self.contact_list(cohort.campaign).table
        key = contacts.c[KEY_COLUMN].label("key")
        if gate.verb in SENDING_VERBS:
            found = (
                select(key, deliveries.c.state, deliveries.c.reason)
                .join(deliveries, deliveries.c.contact_id == contacts.c.id)
                .where(deliveries.c.step_id == gate.step_id)
            )
        else:
            stays = "held" if gate.state.is_open and gate.is_holding else "passed"
            left = members.c.left_at_step == gate.step_id
            found = (
                select(
                    key, case((left, "rejected"), else_=stays).label("state"), case((left, FOR_GATE)).label("reason")
                )
                .join(members, members.c.contact_id == contacts.c.id)
                .where(members.c.campaign_id == cohort.campaign.id, members.c.contact_id.in_(gate_contacts(cohort)))
            )
        for row in self.connection.execute(found.order_by(contacts.c.id).execution_options(yield_per=1000)):
            yield GateContact(row.key, row.state, row.reason)

    def gate_goes(self, gate: LiveGate, is_allowed: ColumnElement[bool], **changes: Any) -> bool:
        changed = self.connection.execute(update(gates).where(gates.c.id == gate.id, is_allowed).values(**changes))
        return changed.rowcount == 1


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


def _contact_of(cohort: Cohort) -> ColumnElement[int]:
    return deliveries.c.contact_id if cohort.step.verb in SENDING_VERBS else members.c.contact_id


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
