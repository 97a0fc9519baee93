"""Statements about deliveries: one row for each step and contact, made, counted, cancelled and recovered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, insert, literal, select, update

from campaignctl.flow.states import DeliveryState
from campaignctl.ports import Candidate, Cohort, LiveCampaign, LiveStep
from campaignctl.store.batches import BatchStatements
from campaignctl.store.candidates import CandidateReader, values_of_members
from campaignctl.store.claims import MAY_BE_TRIED
from campaignctl.store.instants import instant, stored
from campaignctl.store.lists import ContactList
from campaignctl.store.members import in_cohort
from campaignctl.store.numbers import suppressed_numbers
from campaignctl.store.readers import ReaderStatements
from campaignctl.store.reasons import address_of, is_suppressed, reasons_to_skip
from campaignctl.store.tables import deliveries, events, members, suppressions

# The store is not to be locked for longer than a tenth of a second.
_CANCELLED_AT_ONCE: Final = 20_000


class DeliveryStatements(BatchStatements, ReaderStatements):
    """The ledger proper: what is to be sent, and what became of it."""

    connection: Connection

    def queue_deliveries(self, cohort: Cohort, now: datetime, batch: int | None = None) -> None:
        """
        One delivery for every member of the cohort, with *batch* so many to a request.

        Who shares a request with whom is written down here, once: a request
        that is tried again is about the same contacts.
        """
        self._make_deliveries(cohort, DeliveryState.QUEUED, now, now)
        if batch is not None:
            self.divide(cohort, batch)

    def hold_deliveries(self, cohort: Cohort, now: datetime) -> None:
        """One delivery for every member of the cohort, none of which may be sent before a gate lets it."""
        self._make_deliveries(cohort, DeliveryState.HELD, now, None)

    def _make_deliveries(self, cohort: Cohort, state: DeliveryState, now: datetime, next_at: datetime | None) -> None:
        self.connection.execute(
            insert(deliveries).from_select(
                ["step_id", "contact_id", "state", "attempts", "made_at", "changed_at", "next_attempt_at"],
                select(
                    literal(cohort.step.id),
                    members.c.contact_id,
                    literal(state.value),
                    literal(0),
                    literal(stored(now)),
                    literal(stored(now)),
                    literal(stored(next_at)),
                ).where(*in_cohort(cohort)),
            )
        )

    def cohort_contacts(self, cohort: Cohort) -> Iterator[Candidate]:
        """The contacts of a cohort, one after the other, in flat memory."""
        contacts = self.contact_list(cohort.campaign)
        reader, statement = CandidateReader(cohort, contacts), _contacts_of(cohort, contacts, [])
        after = 0
        while rows := self.connection.execute(statement.where(members.c.contact_id > after).limit(1000)).all():
            yield from map(reader.candidate, rows)
            after = rows[-1].contact_id

    def contacts_and_reasons(self, cohort: Cohort, now: datetime, after: int, most: int) -> list[tuple[Candidate, str]]:
        """The next contacts of a cohort, each with why it must not be handed on; empty where it may."""
        contacts = self.contact_list(cohort.campaign)
        why = case(*reasons_to_skip(cohort.version, contacts, now, "export"), else_="").label("why")
        statement = (
            _contacts_of(cohort, contacts, [why])
            .outerjoin(suppressions, is_suppressed(address_of(cohort.version, contacts)))
            .where(members.c.contact_id > after)
            .limit(most)
        )
        reader = CandidateReader(cohort, contacts)
        return [(reader.candidate(row), why_not) for why_not, *row in self.connection.execute(statement)]

    def suppressed_numbers(self) -> frozenset[str]:
        """The phone numbers that must not be written to."""
        return suppressed_numbers(self.connection)

    def recover(self, epoch: int, may_repeat: bool, now: datetime) -> int:
        """
        What dead daemons left in `sending` has no verdict; how many deliveries that are.

        With *may_repeat* they are tried again at once.
        """
        left = self.connection.execute(
            update(deliveries)
            .where(deliveries.c.epoch.is_not(None), deliveries.c.epoch != epoch)
            .values(
                state=DeliveryState.UNCERTAIN.value,
                reason="daemon_died",
                changed_at=stored(now),
                next_attempt_at=stored(now) if may_repeat else None,
                epoch=None,
            )
        )
        return left.rowcount

    def is_drained(self, step: LiveStep) -> bool:
        """Whether every delivery of the step was worked on; what is deferred or uncertain does not block."""
        this = deliveries.c.step_id == step.id
        to_try = and_(this, deliveries.c.state == DeliveryState.QUEUED.value, deliveries.c.next_attempt_at.is_not(None))
        in_flight = and_(this, deliveries.c.epoch.is_not(None))
        return not any(
            self.connection.execute(select(deliveries.c.contact_id).where(blocking).limit(1)).first()
            for blocking in (to_try, in_flight)
        )

    def next_attempts(self) -> dict[int, datetime]:
        """The steps with deliveries that are to be tried, and when the first of each may be."""
        found: dict[int, datetime] = {}
        # From step to step and from state to state along the index: a look at
        # every delivery would take a second with a million of them.
        step = 0
        while (after := self._step_to_try_after(step)) is not None:
            step = after
            instants = [self._first_attempt_at(step, state) for state in MAY_BE_TRIED]
            found[step] = instant(min(at for at in instants if at is not None))
        return found

    def _step_to_try_after(self, step: int) -> int | None:
        found: int | None = self.connection.scalar(
            select(func.min(deliveries.c.step_id)).where(
                deliveries.c.next_attempt_at.is_not(None), deliveries.c.step_id > step
            )
        )
        return found

    def _first_attempt_at(self, step: int, state: DeliveryState) -> int | None:
        found: int | None = self.connection.scalar(
            select(func.min(deliveries.c.next_attempt_at)).where(
                deliveries.c.step_id == step,
                deliveries.c.state == state.value,
                deliveries.c.next_attempt_at.is_not(None),
            )
        )
        return found

    def in_flight(self, campaign: LiveCampaign) -> int:
        """How many messages of the campaign are under way and have no verdict yet."""
        count = select(func.count()).where(
            deliveries.c.step_id.in_([step.id for step in campaign.steps]), deliveries.c.epoch.is_not(None)
        )
        return int(self.connection.scalars(count).one())

    def tried_and_bounced(self, step: LiveStep, most: int) -> tuple[int, int]:
        """How many messages of a step had an outcome, *most* at the most, and how many of these bounced hard."""
        first = (
            select(deliveries.c.reason)
            .where(
                deliveries.c.step_id == step.id,
                deliveries.c.state.in_([DeliveryState.SENT.value, DeliveryState.FAILED.value]),
            )
            .limit(most)
            .subquery()
        )
        row = self.connection.execute(
            select(func.count(), func.count().filter(first.c.reason == "hard_bounce")).select_from(first)
        ).one()
        return row[0], row[1]

    def sent_and_complained(self, step: LiveStep) -> tuple[int, int]:
        """How many got a step's message, and how many of them called it spam; nobody is counted where none did."""
        complaints = select(func.count(events.c.contact_id.distinct())).where(
            events.c.step_id == step.id, events.c.kind == "complaint"
        )
        complained = self.connection.scalars(complaints).one()
        if not complained:
            return 0, 0
        took = select(func.count()).where(
            deliveries.c.step_id == step.id, deliveries.c.state == DeliveryState.SENT.value
        )
        return self.connection.scalars(took).one(), complained

    def has_deliveries_to_try(self, campaign: LiveCampaign) -> bool:
        """Whether a message of the campaign is to be sent, or sent again."""
        found = (
            select(deliveries.c.contact_id)
            .where(
                deliveries.c.step_id.in_([step.id for step in campaign.steps]),
                deliveries.c.next_attempt_at.is_not(None),
            )
            .limit(1)
        )
        return self.connection.execute(found).first() is not None

    def under_way(self, campaign: LiveCampaign) -> list[tuple[int, int]]:
        """The deliveries that a daemon is at work on: by step and contact."""
        found = select(deliveries.c.step_id, deliveries.c.contact_id).where(
            deliveries.c.step_id.in_([step.id for step in campaign.steps]), deliveries.c.epoch.is_not(None)
        )
        return [(row.step_id, row.contact_id) for row in self.connection.execute(found)]

    def states_of(self, these: Iterable[tuple[int, int]]) -> list[DeliveryState]:
        """The state of each of these deliveries."""
        state = select(deliveries.c.state)
        return [
            DeliveryState(self.connection.scalars(state.where(_is_delivery(step, contact))).one())
            for step, contact in these
        ]

    def cancel_deliveries(self, step: LiveStep, after: int, now: datetime) -> int | None:
        """
        What has not left by now will not leave, and what may have left is not tried again.

        Looks at the next contacts *after* this one; the last of them, and None at the end.
        """
        this = deliveries.c.step_id == step.id
        following = (
            select(deliveries.c.contact_id)
            .where(this, deliveries.c.contact_id > after)
            .order_by(deliveries.c.contact_id)
            .limit(_CANCELLED_AT_ONCE)
            .subquery()
        )
        last: int | None = self.connection.scalar(select(func.max(following.c.contact_id)))
        if last is None:
            return None
        these = and_(this, deliveries.c.contact_id > after, deliveries.c.contact_id <= last)
        waits = (DeliveryState.QUEUED, DeliveryState.HELD, DeliveryState.DEFERRED)
        self.connection.execute(
            update(deliveries)
            .where(these, deliveries.c.state.in_([state.value for state in waits]))
            .values(state=DeliveryState.CANCELLED.value, reason="stopped", changed_at=stored(now), next_attempt_at=None)
        )
        self.connection.execute(
            update(deliveries).where(these, deliveries.c.next_attempt_at.is_not(None)).values(next_attempt_at=None)
        )
        return last

    def deliveries_by_state(self, step_ids: Sequence[int]) -> dict[int, dict[DeliveryState, int]]:
        """How many deliveries each step has in each state, counted from the ledger."""
        counted: dict[int, dict[DeliveryState, int]] = {step_id: {} for step_id in step_ids}
        for row in self.connection.execute(
            select(deliveries.c.step_id, deliveries.c.state, func.count().label("number"))
            .where(deliveries.c.step_id.in_(step_ids))
            .group_by(deliveries.c.step_id, deliveries.c.state)
        ):
            counted[row.step_id][DeliveryState(row.state)] = row.number
        return counted


def _is_delivery(step: int, contact: int) -> ColumnElement[bool]:
    return and_(deliveries.c.step_id == step, deliveries.c.contact_id == contact)


def _contacts_of(cohort: Cohort, contacts: ContactList, before: Sequence[ColumnElement[Any]]) -> Select[Any]:
    """Rows for a `CandidateReader` behind the columns *before*, in the order of the contacts."""
    return (
        select(
            *before,
            members.c.contact_id,
            literal(0).label("made_at"),
            literal(0).label("attempts"),
            *contacts.table.columns,
            *values_of_members(cohort.version),
        )
        .join(contacts.table, contacts.table.c.id == members.c.contact_id)
        .where(*in_cohort(cohort))
        .order_by(members.c.contact_id)
    )
