"""Statements about events: what contacts and servers did with messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert as insert_or_ignore

from campaignctl.store.campaigns import CampaignStatements
from campaignctl.store.instants import stored
from campaignctl.store.lists import list_named
from campaignctl.store.suppressions import EMAIL, suppress
from campaignctl.store.tables import deliveries, events, steps


class EventKind(StrEnum):
    """What happened with a message."""

    OPEN = "open"  # it was looked at
    CLICK = "click"  # a link in it was followed
    BOUNCE = "bounce"  # it came back
    COMPLAINT = "complaint"  # it was called spam
    UNSUBSCRIBE = "unsubscribe"  # no more of these


@dataclass(frozen=True)
class Event:
    """
    Something that happened with the message of one step to one contact.

    `is_hard` says of a bounce that the address does not exist.
    """

    step: str
    contact_key: str
    kind: EventKind
    at: datetime
    url: str = ""
    is_machine: bool = False
    is_hard: bool = False


class EventOutcome(StrEnum):
    """What came of bringing in one event."""

    ADDED = "added"  # new
    KNOWN = "known"  # was there already
    NO_STEP = "no_step"  # the campaign has no such step
    NO_CONTACT = "no_contact"  # the list has no such contact
    NO_DELIVERY = "no_delivery"  # the step made no message for this contact


class EventStatements(CampaignStatements):
    """Bringing events in."""

    connection: Connection

    def add_events(self, campaign_name: str, brought: Sequence[Event], now: datetime) -> list[EventOutcome]:
        """Write events down, each once; unsubscribes, complaints and hard bounces suppress the address at once."""
        campaign = self.campaign_named(campaign_name)
        contacts = None if campaign is None else list_named(self.connection, campaign.list_name)
        if campaign is None or contacts is None:
            return [EventOutcome.NO_STEP] * len(brought)
        step_ids = {step.name: step.id for step in campaign.steps}
        settings = self.version(campaign, campaign.version).content.contacts
        table = contacts.table
        keys = {event.contact_key for event in brought}
        has_address = settings.email is not None and contacts.attribute(settings.email) is not None
        columns = [table.c.contact_key, table.c.id] + ([contacts.column(str(settings.email))] if has_address else [])
        known = {row[0]: row for row in self.connection.execute(select(*columns).where(table.c.contact_key.in_(keys)))}
        outcomes = []
        for event in brought:
            step_id, contact = step_ids.get(event.step), known.get(event.contact_key)
            if step_id is None:
                outcomes.append(EventOutcome.NO_STEP)
            elif contact is None:
                outcomes.append(EventOutcome.NO_CONTACT)
            elif not self._has_delivery(step_id, contact[1]):
                outcomes.append(EventOutcome.NO_DELIVERY)
            else:
                outcomes.append(self._add(step_id, contact[1], event))
                reason = _reason_to_suppress(event)
                if reason and has_address and contact[2]:
                    suppress(self.connection, EMAIL, contact[2], reason, now)
        return outcomes

    def _has_delivery(self, step_id: int, contact_id: int) -> bool:
        found = self.connection.execute(
            select(deliveries.c.step_id)
            .join(steps, steps.c.id == deliveries.c.step_id)
            .where(deliveries.c.step_id == step_id, deliveries.c.contact_id == contact_id)
        )
        return found.first() is not None

    def _add(self, step_id: int, contact_id: int, event: Event) -> EventOutcome:
        added = self.connection.execute(
            insert_or_ignore(events)
            .values(
                step_id=step_id,
                contact_id=contact_id,
                kind=event.kind.value,
                at=stored(event.at),
                url=event.url,
                is_machine=event.is_machine,
            )
            .on_conflict_do_nothing()
        )
        return EventOutcome.ADDED if added.rowcount == 1 else EventOutcome.KNOWN


def _reason_to_suppress(event: Event) -> str:
    match event.kind:
        case EventKind.UNSUBSCRIBE:
            return "unsubscribed"
        case EventKind.COMPLAINT:
            return "complaint"
        case EventKind.BOUNCE if event.is_hard:
            return "hard_bounce"
        case _:
            return ""
