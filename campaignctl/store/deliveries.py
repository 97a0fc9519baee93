"""Statements about deliveries: one row for each step and contact, and every change of it conditional."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, bindparam, func, insert, literal, or_, select, update

from campaignctl.flow.states import CampaignState, DeliveryState, StepState
from campaignctl.ports import Candidate, Claim, Cohort, LiveCampaign, LiveStep, Result
from campaignctl.store.conditions import matches
from campaignctl.store.instants import instant, stored
from campaignctl.store.lists import ContactList, contact_values
from campaignctl.store.members import MemberStatements, circumstances, in_cohort
from campaignctl.store.suppressions import suppress
from campaignctl.store.tables import campaigns, deliveries, members, steps, suppressions

EMAIL = "email"

_MAY_BE_TRIED = (DeliveryState.QUEUED, DeliveryState.DEFERRED, DeliveryState.UNCERTAIN)
_NOT_STOPPED = (CampaignState.ACTIVE, CampaignState.COMPLETED)


class DeliveryStatements(MemberStatements):
    """The ledger proper: intents, results, and what is still to do."""

    connection: Connection

    def queue_deliveries(self, cohort: Cohort, now: datetime) -> None:
        """One delivery for every member of the cohort."""
        self.connection.execute(
            insert(deliveries).from_select(
                ["step_id", "contact_id", "state", "attempts", "made_at", "changed_at"],
                select(
                    literal(cohort.step.id),
                    members.c.contact_id,
                    literal(DeliveryState.QUEUED.value),
                    literal(0),
                    literal(stored(now)),
                    literal(stored(now)),
                ).where(*in_cohort(cohort)),
            )
        )

    def candidates(self, cohort: Cohort, after: int, limit: int, now: datetime) -> list[Candidate]:
        """Deliveries of a step that may be tried now, by contact, beginning after the contact with the id *after*."""
        contacts = self.contact_list(cohort.campaign)
        found = self.connection.execute(
            self._with_contacts(contacts)
            .where(
                deliveries.c.step_id == cohort.step.id,
                deliveries.c.contact_id > after,
                _is_due(now),
            )
            .order_by(deliveries.c.contact_id)
            .limit(limit)
        )
        return [self._candidate(cohort, contacts, row) for row in found]

    def delivery_of(self, cohort: Cohort, contact_key: str) -> Candidate | None:
        """One contact's delivery of a step, whatever its state."""
        contacts = self.contact_list(cohort.campaign)
        row = self.connection.execute(
            self._with_contacts(contacts).where(
                deliveries.c.step_id == cohort.step.id, contacts.table.c.contact_key == contact_key
            )
        ).one_or_none()
        return None if row is None else self._candidate(cohort, contacts, row)

    def cohort_contacts(self, cohort: Cohort) -> Any:
        """The contacts of a cohort, one after the other, in flat memory."""
        contacts = self.contact_list(cohort.campaign)
        statement = (
            select(
                members.c.contact_id, literal(0).label("made_at"), literal(0).label("attempts"), *contacts.table.columns
            )
            .join(contacts.table, contacts.table.c.id == members.c.contact_id)
            .where(*in_cohort(cohort))
            .order_by(members.c.contact_id)
        )
        after = 0
        while rows := self.connection.execute(statement.where(members.c.contact_id > after).limit(1000)).all():
            for row in rows:
                yield self._candidate(cohort, contacts, row)
            after = rows[-1].contact_id

    def _with_contacts(self, contacts: ContactList) -> Select[Any]:
        return select(
            deliveries.c.contact_id, deliveries.c.made_at, deliveries.c.attempts, *contacts.table.columns
        ).join(contacts.table, contacts.table.c.id == deliveries.c.contact_id)

    def _candidate(self, cohort: Cohort, contacts: ContactList, row: Row[Any]) -> Candidate:
        values = contact_values(contacts, row)
        settings = cohort.version.content.contacts
        address = None if settings.email is None else values.get(settings.email)
        return Candidate(
            contact_id=row.contact_id,
            contact_key=row.contact_key,
            address=None if address is None else str(address),
            values=values,
            made_at=instant(row.made_at),
            attempts=row.attempts,
        )

    def claim(self, cohort: Cohort, candidates: Sequence[Candidate], epoch: int, now: datetime) -> list[Claim]:
        """
        Write the intent to send to these contacts, as far as each may be written to at this moment.

        Consent, suppression, address and the campaign's state are asked in the
        transaction that writes the intent.
        """
        facts = self._facts(cohort, candidates, now)
        claims = []
        granted, skipped = [], []
        for candidate in candidates:
            fact = facts.get(candidate.contact_id)
            if fact is None or (fact.address or None) != candidate.address:
                claims.append(Claim.REFUSED)
            elif reason := _reason_to_skip(fact):
                skipped.append({"contact": candidate.contact_id, "why": reason})
                claims.append(Claim.SKIPPED)
            else:
                granted.append({"contact": candidate.contact_id})
                claims.append(Claim.GRANTED)
        this = and_(deliveries.c.step_id == cohort.step.id, deliveries.c.contact_id == bindparam("contact"))
        if skipped:
            self.connection.execute(
                update(deliveries)
                .where(this)
                .values(
                    state=DeliveryState.SKIPPED.value,
                    reason=bindparam("why"),
                    changed_at=stored(now),
                    next_attempt_at=None,
                ),
                skipped,
            )
        if granted:
            self.connection.execute(
                update(deliveries)
                .where(this)
                .values(
                    state=DeliveryState.SENDING.value,
                    attempts=deliveries.c.attempts + 1,
                    epoch=epoch,
                    changed_at=stored(now),
                    next_attempt_at=None,
                    reason=None,
                    detail=None,
                ),
                granted,
            )
        return claims

    def _facts(self, cohort: Cohort, candidates: Sequence[Candidate], now: datetime) -> Mapping[int, Row[Any]]:
        """What is true at this moment of those contacts whose delivery may still be tried."""
        contacts = self.contact_list(cohort.campaign)
        settings = cohort.version.content.contacts
        has_address = settings.email is not None and contacts.attribute(settings.email) is not None
        address = contacts.column(str(settings.email)) if has_address else literal(None)
        own = cohort.version.content.project_segment
        consents = literal(True) if own is None else matches(own, contacts, circumstances(cohort.version, now))
        rows = self.connection.execute(
            select(
                deliveries.c.contact_id,
                address.label("address"),
                consents.label("consents"),
                suppressions.c.reason.label("suppressed"),
            )
            .join(contacts.table, contacts.table.c.id == deliveries.c.contact_id)
            .join(steps, steps.c.id == deliveries.c.step_id)
            .join(campaigns, campaigns.c.id == steps.c.campaign_id)
            .outerjoin(
                suppressions,
                and_(suppressions.c.channel == EMAIL, suppressions.c.address == func.lower(address)),
            )
            .where(
                deliveries.c.step_id == cohort.step.id,
                deliveries.c.contact_id.in_([candidate.contact_id for candidate in candidates]),
                _is_due(now),
                steps.c.state.in_([StepState.RUNNING.value, StepState.DONE.value]),
                campaigns.c.state.in_([state.value for state in _NOT_STOPPED]),
            )
        )
        return {row.contact_id: row for row in rows}

    def skip(self, cohort: Cohort, candidate: Candidate, reason: str, detail: str, now: datetime) -> None:
        """The message is not to be sent to this contact."""
        self.connection.execute(
            update(deliveries)
            .where(
                deliveries.c.step_id == cohort.step.id,
                deliveries.c.contact_id == candidate.contact_id,
                deliveries.c.state.in_([state.value for state in _MAY_BE_TRIED]),
            )
            .values(
                state=DeliveryState.SKIPPED.value,
                reason=reason,
                detail=detail,
                changed_at=stored(now),
                next_attempt_at=None,
            )
        )

    def record(self, cohort: Cohort, candidate: Candidate, result: Result, epoch: int, now: datetime) -> bool:
        """
        Write down what became of a message that this epoch sent.

        False where the delivery is in other hands by now; nothing is changed then.
        """
        changed = self.connection.execute(
            update(deliveries)
            .where(
                deliveries.c.step_id == cohort.step.id,
                deliveries.c.contact_id == candidate.contact_id,
                deliveries.c.state == DeliveryState.SENDING.value,
                deliveries.c.epoch == epoch,
            )
            .values(
                state=result.state.value,
                reason=result.reason or None,
                detail=result.detail or None,
                next_attempt_at=stored(result.next_attempt_at),
                changed_at=stored(now),
                attempts=deliveries.c.attempts - (0 if result.used_attempt else 1),
            )
        )
        if changed.rowcount == 1 and result.suppresses and candidate.address:
            suppress(self.connection, EMAIL, candidate.address, result.reason, now)
        return changed.rowcount == 1

    def recover(self, epoch: int, may_repeat: bool, now: datetime) -> int:
        """
        What dead daemons left in `sending` has no verdict; how many deliveries that are.

        With *may_repeat* they are tried again at once.
        """
        left = self.connection.execute(
            update(deliveries)
            .where(deliveries.c.state == DeliveryState.SENDING.value, deliveries.c.epoch != epoch)
            .values(
                state=DeliveryState.UNCERTAIN.value,
                reason="daemon_died",
                changed_at=stored(now),
                next_attempt_at=stored(now) if may_repeat else None,
            )
        )
        return left.rowcount

    def is_drained(self, step: LiveStep) -> bool:
        """Whether every delivery of the step was worked on; what is deferred or uncertain does not block."""
        blocking = (DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.HELD)
        return (
            self.connection.execute(
                select(deliveries.c.contact_id)
                .where(deliveries.c.step_id == step.id, deliveries.c.state.in_([state.value for state in blocking]))
                .limit(1)
            ).first()
            is None
        )

    def next_attempt_at(self) -> datetime | None:
        """When the next deferred delivery of a campaign that was not stopped is to be tried again."""
        at: int | None = self.connection.scalar(
            select(func.min(deliveries.c.next_attempt_at))
            .join(steps, steps.c.id == deliveries.c.step_id)
            .join(campaigns, campaigns.c.id == steps.c.campaign_id)
            .where(
                deliveries.c.state.in_([DeliveryState.DEFERRED.value, DeliveryState.UNCERTAIN.value]),
                campaigns.c.state.in_([state.value for state in _NOT_STOPPED]),
            )
        )
        return instant(at)

    def has_retries(self, step: LiveStep) -> bool:
        """Whether the step has deliveries that will be tried again."""
        return (
            self.connection.execute(
                select(deliveries.c.contact_id)
                .where(
                    deliveries.c.step_id == step.id,
                    deliveries.c.state.in_([DeliveryState.DEFERRED.value, DeliveryState.UNCERTAIN.value]),
                    deliveries.c.next_attempt_at.is_not(None),
                )
                .limit(1)
            ).first()
            is not None
        )

    def has_open_deliveries(self, campaign: LiveCampaign) -> bool:
        """Whether a message of the campaign may still leave."""
        found = (
            select(deliveries.c.contact_id)
            .where(
                deliveries.c.step_id.in_([step.id for step in campaign.steps]),
                deliveries.c.state.in_([state.value for state in DeliveryState if not state.is_final]),
            )
            .limit(1)
        )
        return self.connection.execute(found).first() is not None

    def cancel_deliveries(self, campaign: LiveCampaign, now: datetime) -> None:
        """What has not left by now will not leave."""
        open_states = (DeliveryState.QUEUED, DeliveryState.HELD, DeliveryState.DEFERRED)
        self.connection.execute(
            update(deliveries)
            .where(
                deliveries.c.step_id.in_([step.id for step in campaign.steps]),
                deliveries.c.state.in_([state.value for state in open_states]),
            )
            .values(state=DeliveryState.CANCELLED.value, reason="stopped", changed_at=stored(now), next_attempt_at=None)
        )

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


def _is_due(now: datetime) -> Any:
    return or_(
        deliveries.c.state == DeliveryState.QUEUED.value,
        and_(
            deliveries.c.state.in_([DeliveryState.DEFERRED.value, DeliveryState.UNCERTAIN.value]),
            deliveries.c.next_attempt_at <= stored(now),
        ),
    )


def _reason_to_skip(fact: Row[Any]) -> str:
    """Why a contact must not be written to; nothing where it may be."""
    if not fact.address:
        return "no_address"
    if fact.suppressed:
        return "unsubscribed" if fact.suppressed == "unsubscribed" else "suppressed"
    if not fact.consents:
        return "not_in_project_segment"
    return ""
