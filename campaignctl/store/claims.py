"""
Statements of the delivery loop: what may be tried, the intent before it leaves, the result after.

They run for every message, so they are built once for each step and kept for a
few seconds; each works on all messages of a round at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Update,
    and_,
    bindparam,
    case,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.sql.elements import ClauseElement

from campaignctl.flow.rates import FrequencyCap
from campaignctl.flow.states import CampaignState, DeliveryState, StepState
from campaignctl.ports import FOR_GATE, Candidate, Claim, Cohort, Finished, Result
from campaignctl.store.candidates import CandidateReader, candidates_of
from campaignctl.store.instants import stored
from campaignctl.store.limits import LimitStatements
from campaignctl.store.lists import ContactList
from campaignctl.store.members import MemberStatements
from campaignctl.store.message_ids import MessageIdStatements
from campaignctl.store.reasons import LOOKED_UP, address_of, is_suppressed, reasons_to_skip
from campaignctl.store.rounds import RoundStatement
from campaignctl.store.suppressions import EMAIL, SMS, suppress
from campaignctl.store.tables import (
    campaigns,
    deliveries,
    orphan_outcomes,
    steps,
    suppressions,
)
from campaignctl.store.uncertain import RETRIED, SKIPPED, UncertainStatements

MAY_BE_TRIED: Final = (DeliveryState.QUEUED, DeliveryState.DEFERRED, DeliveryState.UNCERTAIN)
NOT_STOPPED: Final = (CampaignState.ACTIVE, CampaignState.COMPLETED)

# The clock inside conditions ("in the last 30 days") may stand still this long.
_KEPT_FOR: Final = timedelta(seconds=5)

_OF_STEP = deliveries.c.step_id == bindparam("step")


def _about(make: Callable[[ColumnElement[bool]], ClauseElement]) -> RoundStatement:
    return RoundStatement(deliveries.c.contact_id, make)


_GRANT: Final = _about(
    lambda these: (
        update(deliveries)
        .where(_OF_STEP, these)
        .values(
            state=DeliveryState.SENDING.value,
            attempts=deliveries.c.attempts + 1,
            epoch=bindparam("by_epoch"),
            changed_at=bindparam("now"),
            next_attempt_at=None,
            reason=None,
            detail=None,
        )
    )
)
_SKIP: Final = _about(
    lambda these: (
        update(deliveries)
        .where(_OF_STEP, these, deliveries.c.state.in_([state.value for state in MAY_BE_TRIED]))
        .values(
            state=DeliveryState.SKIPPED.value,
            reason=bindparam("why"),
            detail=bindparam("said"),
            changed_at=bindparam("now"),
            next_attempt_at=None,
        )
    )
)
_RECORD: Final = _about(
    lambda these: (
        update(deliveries)
        .where(
            _OF_STEP,
            these,
            deliveries.c.state == DeliveryState.SENDING.value,
            deliveries.c.epoch == bindparam("of_epoch"),
        )
        .values(
            state=bindparam("becomes"),
            reason=bindparam("why"),
            detail=bindparam("said"),
            next_attempt_at=bindparam("again_at"),
            attempts=deliveries.c.attempts - bindparam("unused"),
            changed_at=bindparam("now"),
            epoch=None,
        )
    )
)
# What was in flight when the campaign was stopped, and was refused for now.
_CANCEL_OF_STOPPED: Final = _about(
    lambda these: (
        update(deliveries)
        .where(
            _OF_STEP,
            these,
            deliveries.c.state.in_([DeliveryState.QUEUED.value, DeliveryState.DEFERRED.value]),
            select(steps.c.id)
            .join(campaigns, campaigns.c.id == steps.c.campaign_id)
            .where(steps.c.id == bindparam("step"), campaigns.c.state == CampaignState.STOPPED.value)
            .exists(),
        )
        .values(state=DeliveryState.CANCELLED.value, reason="stopped", next_attempt_at=None)
    )
)
_PUT_OFF: Final[Update] = (
    update(deliveries)
    .where(
        deliveries.c.step_id == bindparam("step"),
        deliveries.c.contact_id == bindparam("contact"),
        deliveries.c.next_attempt_at.is_not(None),
    )
    .values(next_attempt_at=bindparam("again_at"))
)


# Address, and why it must not be written to.
_Fact = list[Any]


@dataclass(frozen=True)
class Prepared:
    """The statements that ask about one step's deliveries, and the list as it was when they were built."""

    made_at: datetime
    contacts: ContactList
    candidates: Select[Any]
    reader: CandidateReader
    facts: RoundStatement

    def is_fresh(self, now: datetime) -> bool:
        return self.made_at <= now < self.made_at + _KEPT_FOR


class ClaimStatements(MemberStatements, LimitStatements, UncertainStatements, MessageIdStatements):
    """What the delivery loop asks and writes."""

    connection: Connection
    prepared: dict[tuple[int, int], Prepared]  # by step and version

    def candidates(self, cohort: Cohort, limit: int, now: datetime) -> list[Candidate]:
        """Deliveries of a step that may be tried now, those first that have waited longest."""
        prepared = self._prepared_for(cohort, now)
        found: list[Candidate] = []
        for state in MAY_BE_TRIED:
            if len(found) < limit:
                rows = self.connection.execute(
                    prepared.candidates, {"state": state.value, "now": stored(now), "limit": limit - len(found)}
                )
                found += [prepared.reader.candidate(row) for row in rows]
        return found

    def claim(
        self,
        cohort: Cohort,
        candidates: Sequence[Candidate],
        epoch: int,
        now: datetime,
        cap: FrequencyCap | None = None,
        numbers: Sequence[str] | None = None,
    ) -> list[Claim]:
        """
        Write the intent to send to these contacts, as far as each may be written to at this moment.

        *numbers* are theirs in E.164, in which they are suppressed, where that is asked.

        Consent, suppression, address, the frequency cap and the campaign's
        state are asked in the transaction that writes the intent.
        """
        if not candidates:
            return []
        facts = self._facts(cohort, candidates, now)
        recent = {} if cap is None else self.recent_messages(cohort, candidates, now - cap.per)
        unwanted = {} if numbers is None else self._suppressed(candidates, numbers)
        claims: list[Claim] = []
        granted: list[int] = []
        skipped: dict[str, list[int]] = {}
        for candidate in candidates:
            fact = facts.get(candidate.contact_id)
            if fact is None or (fact[0] or None) != candidate.address:
                claims.append(Claim.REFUSED)
            elif (
                reason := fact[1]
                or unwanted.get(candidate.contact_id)
                or ("frequency_cap" if cap and recent.get(candidate.contact_id, 0) >= cap.messages else "")
            ):
                skipped.setdefault(reason, []).append(candidate.contact_id)
                claims.append(Claim.SKIPPED)
            else:
                granted.append(candidate.contact_id)
                claims.append(Claim.GRANTED)
        these = {"step": cohort.step.id, "now": stored(now)}
        doubtful = self.doubtful(cohort, candidates)
        for reason, contacts in skipped.items():
            _SKIP.run(self.connection, contacts, {**these, "why": reason, "said": None})
            left = [doubtful[each] for each in contacts if each in doubtful]
            self.note_left(SKIPPED, cohort, left, now, reason=reason)
        if granted:
            self.note_left(RETRIED, cohort, [doubtful[each] for each in granted if each in doubtful], now)
            _GRANT.run(self.connection, granted, {**these, "by_epoch": epoch})
        return claims

    def _suppressed(self, candidates: Sequence[Candidate], numbers: Sequence[str]) -> Mapping[int, str]:
        """Why some of the contacts must not be written to at these numbers."""
        rows = self.connection.execute(
            select(suppressions.c.address, suppressions.c.reason).where(
                suppressions.c.channel == SMS, suppressions.c.address.in_(numbers)
            )
        )
        why = {row.address: "unsubscribed" if row.reason == "unsubscribed" else "suppressed" for row in rows}
        return {
            candidate.contact_id: why[number]
            for candidate, number in zip(candidates, numbers, strict=True)
            if number in why
        }

    def skip(self, cohort: Cohort, candidate: Candidate, reason: str, detail: str, now: datetime) -> None:
        """The message is not to be sent to this contact."""
        written = {"step": cohort.step.id, "why": reason, "said": detail, "now": stored(now)}
        doubtful = list(self.doubtful(cohort, [candidate]).values())
        _SKIP.run(self.connection, [candidate.contact_id], written)
        self.note_left(SKIPPED, cohort, doubtful, now, reason=reason)

    def record(self, finished: Sequence[Finished]) -> list[Finished]:
        """
        Write down what became of messages; those whose delivery is in other hands by now.

        Their outcomes are kept as orphans: they are true, and no longer decide anything.
        """
        orphans: list[Finished] = []
        self.keep_message_ids(finished)
        for (step_id, epoch, at, result), alike in _alike(finished).items():
            contacts = [each.contact_id for each in alike]
            written = {
                "step": step_id,
                "of_epoch": epoch,
                "becomes": result.state.value,
                "why": result.reason or None,
                "said": result.detail or None,
                "again_at": stored(result.next_attempt_at),
                "unused": 0 if result.used_attempt else 1,
                "now": stored(at),
            }
            if _RECORD.run(self.connection, contacts, written).rowcount != len(contacts):
                orphans += self._orphaned(alike)
            if not result.state.is_final:
                _CANCEL_OF_STOPPED.run(self.connection, contacts, {"step": step_id})
            if result.suppresses:
                for each in alike:
                    suppress(self.connection, EMAIL, each.address, result.reason, at)
        return orphans

    def put_off(self, cohort: Cohort, until: Sequence[tuple[Candidate, datetime]]) -> None:
        """These may be tried from then on only."""
        self.connection.execute(
            _PUT_OFF,
            [
                {"step": cohort.step.id, "contact": candidate.contact_id, "again_at": stored(at)}
                for candidate, at in until
            ],
        )

    def _orphaned(self, alike: Sequence[Finished]) -> list[Finished]:
        """Those of *alike* whose delivery their epoch did not hold any more, with their outcomes kept."""
        first = alike[0]
        ours = set(
            self.connection.scalars(
                select(deliveries.c.contact_id).where(
                    deliveries.c.step_id == first.step_id,
                    deliveries.c.contact_id.in_([each.contact_id for each in alike]),
                    deliveries.c.state == first.result.state.value,
                    deliveries.c.changed_at == stored(first.at),
                    deliveries.c.epoch.is_(None),
                )
            )
        )
        lost = [each for each in alike if each.contact_id not in ours]
        self.connection.execute(
            insert(orphan_outcomes),
            [
                {
                    "step_id": each.step_id,
                    "contact_id": each.contact_id,
                    "epoch": each.epoch,
                    "state": each.result.state.value,
                    "reason": each.result.reason or None,
                    "detail": each.result.detail or None,
                    "at": stored(each.at),
                }
                for each in lost
            ],
        )
        return lost

    def _facts(self, cohort: Cohort, candidates: Sequence[Candidate], now: datetime) -> Mapping[int, _Fact]:
        """What is true at this moment of those contacts whose delivery may still be tried."""
        contacts = [candidate.contact_id for candidate in candidates]
        rows = self._prepared_for(cohort, now).facts.run(self.connection, contacts, {"now": stored(now)})
        return {contact: fact for contact, *fact in rows}

    def _prepared_for(self, cohort: Cohort, now: datetime) -> Prepared:
        key = (cohort.step.id, cohort.step.version)
        kept = self.prepared.get(key)
        if kept is None or not kept.is_fresh(now):
            contacts = self.contact_list(cohort.campaign)
            kept = Prepared(
                now,
                contacts,
                candidates_of(cohort, contacts),
                CandidateReader(cohort, contacts),
                _about(partial(_facts_of, cohort, contacts, now)),
            )
            self.prepared[key] = kept
        return kept


def _alike(finished: Sequence[Finished]) -> dict[tuple[int, int, datetime, Result], list[Finished]]:
    """What one statement can write: nearly all results of a round are the same."""
    found: dict[tuple[int, int, datetime, Result], list[Finished]] = {}
    for each in finished:
        found.setdefault((each.step_id, each.epoch, each.at, each.result), []).append(each)
    return found


def _facts_of(cohort: Cohort, contacts: ContactList, now: datetime, these: ColumnElement[bool]) -> Select[Any]:
    verb = cohort.step.verb
    address = address_of(cohort.version, contacts, verb)
    reasons = reasons_to_skip(cohort.version, contacts, now, verb, cohort.version.topic_of(cohort.step.name))
    facts = (
        select(
            deliveries.c.contact_id,
            address.label("address"),
            (case(*reasons, else_="") if reasons else literal("")).label("reason"),
        )
        .join(contacts.table, contacts.table.c.id == deliveries.c.contact_id)
        .join(steps, steps.c.id == deliveries.c.step_id)
        .join(campaigns, campaigns.c.id == steps.c.campaign_id)
        .where(
            deliveries.c.step_id == cohort.step.id,
            these,
            deliveries.c.next_attempt_at <= bindparam("now"),
            or_(
                steps.c.state.in_([StepState.RUNNING.value, StepState.DONE.value]),
                # What a person has released one by one leaves before the others.
                and_(steps.c.state == StepState.HELD.value, steps.c.reason == FOR_GATE),
            ),
            campaigns.c.state.in_([state.value for state in NOT_STOPPED]),
        )
    )
    # Of other channels an address is looked up in its normal form, which SQL does not know.
    return facts.outerjoin_from(deliveries, suppressions, is_suppressed(address)) if verb in LOOKED_UP else facts
