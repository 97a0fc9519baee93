"""Statements about deliveries without a verdict: which there are, and how they get one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, func, select, update

from campaignctl.flow.states import DeliveryState
from campaignctl.ports import Candidate, Cohort, LiveCampaign, LiveStep
from campaignctl.store.campaigns import CampaignStatements
from campaignctl.store.history import JournalEntry
from campaignctl.store.instants import instant, stored
from campaignctl.store.lists import KEY_COLUMN, known_list
from campaignctl.store.tables import deliveries, steps

BY_HAND: Final = "by_hand"
EVIDENCE: Final = "evidence"
RESOLVED: Final = (BY_HAND, EVIDENCE)  # the reasons of deliveries whose verdict no channel gave

# Every way out of `uncertain` is in the journal: a verdict, another try, or that it must not be tried again.
ACTION: Final = "uncertain_resolved"
RETRIED: Final = "uncertain_retried"
SKIPPED: Final = "uncertain_skipped"
_MOST_KEYS: Final = 20  # the journal names no more contacts than these, and counts the others

_UNCERTAIN: Final = deliveries.c.state == DeliveryState.UNCERTAIN.value


class Resolution(StrEnum):
    """What is decided of a delivery without a verdict."""

    SENT = "sent"  # it had left
    FAILED = "failed"  # it had not, and is not tried again
    RETRY = "retry"  # it is tried again now


@dataclass(frozen=True)
class UncertainDelivery:
    """A message that may or may not have left."""

    campaign: str
    step: str
    contact: str
    since: datetime
    reason: str | None
    detail: str | None
    next_attempt_at: datetime | None


class UncertainStatements(CampaignStatements):
    """What has no verdict."""

    connection: Connection

    def uncertain(self, campaign: LiveCampaign) -> Iterator[UncertainDelivery]:
        """The deliveries of *campaign* without a verdict, by step and contact."""
        contacts = known_list(self.connection, campaign.list_name)
        key = contacts.table.c[KEY_COLUMN]
        for row in self.connection.execute(
            select(
                steps.c.name,
                func.coalesce(key, func.printf("no. %d", deliveries.c.contact_id)).label("contact"),
                deliveries.c.changed_at,
                deliveries.c.reason,
                deliveries.c.detail,
                deliveries.c.next_attempt_at,
            )
            .join(deliveries, deliveries.c.step_id == steps.c.id)
            .outerjoin(contacts.table, contacts.table.c.id == deliveries.c.contact_id)
            .where(steps.c.campaign_id == campaign.id, _UNCERTAIN)
            .order_by(steps.c.position, key)
        ):
            yield UncertainDelivery(
                campaign.name,
                row.name,
                row.contact,
                instant(row.changed_at),
                row.reason,
                row.detail,
                instant(row.next_attempt_at),
            )

    def uncertain_contacts(self, campaign: LiveCampaign, step: LiveStep, key: str | None = None) -> list[int]:
        """The contacts whose delivery of *step* has no verdict; *key* picks one of them."""
        found = select(deliveries.c.contact_id).where(deliveries.c.step_id == step.id, _UNCERTAIN)
        if key is not None:
            table = known_list(self.connection, campaign.list_name).table
            found = found.join(table, table.c.id == deliveries.c.contact_id).where(table.c[KEY_COLUMN] == key)
        return list(self.connection.scalars(found.order_by(deliveries.c.contact_id)))

    def resolve(
        self,
        campaign: LiveCampaign,
        step: LiveStep,
        contact_ids: Sequence[int],
        resolution: Resolution,
        by: str,
        actor: str,
        now: datetime,
    ) -> int:
        """
        Give these contacts' deliveries of *step* a verdict where they have none, and note it; how many had none.

        What was sent keeps its instant: it left when it was tried, and not when
        somebody found out.
        """
        resolved = sum(
            self.connection.execute(
                update(deliveries)
                .where(deliveries.c.step_id == step.id, deliveries.c.contact_id.in_(some), _UNCERTAIN)
                .values(_changes(resolution, by, now))
            ).rowcount
            for some in _in_parts(contact_ids)
        )
        if resolved:
            table = known_list(self.connection, campaign.list_name).table
            keys = select(table.c[KEY_COLUMN]).where(table.c.id.in_(contact_ids[:_MOST_KEYS])).order_by(table.c.id)
            detail = {"step": step.name, "as": resolution.value, "count": resolved, "by": by}
            self.note(ACTION, campaign, {**detail, "contacts": list(self.connection.scalars(keys))}, now, actor)
        return resolved

    def doubtful(self, cohort: Cohort, candidates: Sequence[Candidate]) -> dict[int, str]:
        """Those of these contacts whose delivery has no verdict, with their keys."""
        # What was never tried waits for none, and that is nearly all.
        keys = {candidate.contact_id: candidate.contact_key for candidate in candidates if candidate.attempts}
        found = [
            self.connection.scalars(
                select(deliveries.c.contact_id).where(
                    deliveries.c.step_id == cohort.step.id, deliveries.c.contact_id.in_(some), _UNCERTAIN
                )
            )
            for some in _in_parts(list(keys))
        ]
        return {contact: keys[contact] for contacts in found for contact in contacts}

    def note_left(self, action: str, cohort: Cohort, keys: Sequence[str], now: datetime, **more: str) -> None:
        """Note that deliveries have no verdict and are in another state from now on."""
        if keys:
            detail = {"step": cohort.step.name, **more, "count": len(keys), "contacts": list(keys[:_MOST_KEYS])}
            self.note(action, cohort.campaign, detail, now)

    def resolve_by_evidence(self, proven: Iterable[tuple[int, int]], resolution: Resolution, now: datetime) -> None:
        """Give deliveries, named by step and contact, the verdict that something proves which happened with them."""
        by_step: dict[int, list[int]] = {}
        for step_id, contact_id in proven:
            by_step.setdefault(step_id, []).append(contact_id)
        for campaign in self.every_campaign() if by_step else ():
            for step in campaign.steps:
                if step.id in by_step:
                    self.resolve(campaign, step, by_step[step.id], resolution, EVIDENCE, "campaignctl", now)

    def resolved_by_state(self, step: LiveStep) -> dict[str, int]:
        """How many deliveries of *step* are in each state because somebody or something resolved them."""
        rows = self.connection.execute(
            select(deliveries.c.state, func.count().label("number"))
            .where(
                deliveries.c.step_id == step.id,
                deliveries.c.reason.in_(RESOLVED),
                deliveries.c.state.in_([Resolution.SENT.value, Resolution.FAILED.value]),
            )
            .group_by(deliveries.c.state)
        )
        return {row.state: row.number for row in rows}


def resolved_in_journal(entries: Iterable[JournalEntry]) -> Counter[tuple[str, str]]:
    """How many deliveries of each step were resolved, and as what, as the journal has it."""
    found: Counter[tuple[str, str]] = Counter()
    for entry in entries:
        if entry.action == ACTION:
            found[str(entry.detail["step"]), str(entry.detail["as"])] += int(str(entry.detail["count"]))
    return found


def _changes(resolution: Resolution, by: str, now: datetime) -> dict[str, Any]:
    match resolution:
        case Resolution.SENT:
            return {"state": DeliveryState.SENT.value, "reason": by, "next_attempt_at": None}
        case Resolution.FAILED:
            reason = "hard_bounce" if by == EVIDENCE else by
            state = DeliveryState.FAILED.value
            return {"state": state, "reason": reason, "next_attempt_at": None, "changed_at": stored(now)}
        case Resolution.RETRY:
            return {"next_attempt_at": stored(now)}


def _in_parts(ids: Sequence[int], size: int = 900) -> Iterator[Sequence[int]]:
    """Few enough for the bound parameters of any SQLite."""
    return (ids[start : start + size] for start in range(0, len(ids), size))
