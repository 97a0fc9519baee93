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
from campaignctl.ports import LiveCampaign, LiveStep
from campaignctl.store.campaigns import CampaignStatements
from campaignctl.store.history import JournalEntry
from campaignctl.store.instants import instant, stored
from campaignctl.store.lists import KEY_COLUMN, known_list
from campaignctl.store.tables import deliveries, steps

BY_HAND: Final = "by_hand"
EVIDENCE: Final = "evidence"
RESOLVED: Final = (BY_HAND, EVIDENCE)  # the reasons of deliveries whose verdict no channel gave

ACTION: Final = "uncertain_resolved"
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
