"""Statements about events: what contacts and servers did with messages."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    MetaData,
    Table,
    Text,
    and_,
    case,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects.sqlite import insert

from campaignctl.ports import LiveCampaign
from campaignctl.store.campaigns import CampaignStatements
from campaignctl.store.deliveries import EMAIL
from campaignctl.store.instants import stored
from campaignctl.store.lists import KEY_COLUMN, ContactList, list_named
from campaignctl.store.tables import deliveries, events, steps, suppressions


class EventKind(StrEnum):
    """What happened with a message."""

    OPEN = "open"  # it was looked at
    CLICK = "click"  # a link in it was followed
    BOUNCE = "bounce"  # it came back
    COMPLAINT = "complaint"  # it was called spam
    UNSUBSCRIBE = "unsubscribe"  # no more of these


class EventOutcome(StrEnum):
    """What came of bringing in one event."""

    ADDED = "added"  # new
    KNOWN = "known"  # was there already
    NO_STEP = "no_step"  # the campaign has no such step
    NO_CONTACT = "no_contact"  # the list has no such contact
    NO_DELIVERY = "no_delivery"  # the step made no message for this contact


# Events on their way in, in the order they came. The table stands in a database
# `staging` beside the store. `is_hard` says of a bounce that the address does not exist.
brought = Table(
    "events",
    MetaData(schema="staging"),
    Column("line", Integer, primary_key=True),
    Column("campaign", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("contact_key", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("url", Text, nullable=False),
    Column("is_machine", Boolean, nullable=False),
    Column("is_hard", Boolean, nullable=False),
)

_SUPPRESSES = or_(
    brought.c.kind.in_([EventKind.UNSUBSCRIBE.value, EventKind.COMPLAINT.value]),
    and_(brought.c.kind == EventKind.BOUNCE.value, brought.c.is_hard),
)
_REASON = case(
    (brought.c.kind == EventKind.UNSUBSCRIBE.value, "unsubscribed"),
    (brought.c.kind == EventKind.COMPLAINT.value, "complaint"),
    else_="hard_bounce",
)


class EventStatements(CampaignStatements):
    """Bringing events in."""

    connection: Connection

    def take_events(self, now: datetime) -> tuple[Counter[EventOutcome], int]:
        """
        Write down the events that were *brought*, each once, and count what came of them.

        Unsubscribes, complaints and hard bounces suppress the address at once;
        the number tells how many addresses were not suppressed before.
        """
        outcomes: Counter[EventOutcome] = Counter()
        newly_suppressed = 0
        of_each = select(brought.c.campaign, func.count()).group_by(brought.c.campaign)
        for name, count in self.connection.execute(of_each).all():
            campaign = self.campaign_named(name)
            contacts = None if campaign is None else list_named(self.connection, campaign.list_name)
            if campaign is None or contacts is None:
                outcomes[EventOutcome.NO_STEP] += count
                continue
            outcomes += self._add(campaign, contacts)
            newly_suppressed += self._suppress(campaign, contacts, now)
        return outcomes, newly_suppressed

    def _add(self, campaign: LiveCampaign, contacts: ContactList) -> Counter[EventOutcome]:
        found = _found(campaign, contacts)
        of_campaign = brought.c.campaign == campaign.name
        counts = select(
            func.count(),
            func.count(steps.c.id),
            func.count(case((steps.c.id.is_not(None), contacts.table.c.id))),
            func.count(deliveries.c.step_id),
        )
        all_, with_step, with_contact, with_delivery = self.connection.execute(
            counts.select_from(found).where(of_campaign)
        ).one()
        new = (
            select(
                deliveries.c.step_id,
                deliveries.c.contact_id,
                brought.c.kind,
                brought.c.at,
                brought.c.url,
                brought.c.is_machine,
            )
            .select_from(found)
            .where(of_campaign, deliveries.c.step_id.is_not(None))
            .order_by(brought.c.line)
        )
        columns = [column.name for column in new.selected_columns]
        added = self.connection.execute(insert(events).from_select(columns, new).on_conflict_do_nothing()).rowcount
        return Counter(
            {
                EventOutcome.ADDED: added,
                EventOutcome.KNOWN: with_delivery - added,
                EventOutcome.NO_STEP: all_ - with_step,
                EventOutcome.NO_CONTACT: with_step - with_contact,
                EventOutcome.NO_DELIVERY: with_contact - with_delivery,
            }
        )

    def _suppress(self, campaign: LiveCampaign, contacts: ContactList, now: datetime) -> int:
        email = self.version(campaign, campaign.version).content.contacts.email
        if email is None or contacts.attribute(email) is None:
            return 0
        address: ColumnElement[str] = func.lower(func.trim(contacts.column(email)))
        wanted = (
            select(literal(EMAIL), address, _REASON, literal(stored(now)))
            .select_from(_found(campaign, contacts))
            .where(brought.c.campaign == campaign.name, deliveries.c.step_id.is_not(None), _SUPPRESSES, address != "")
            .order_by(brought.c.line)
        )
        columns = ["channel", "address", "reason", "since"]
        return self.connection.execute(
            insert(suppressions).from_select(columns, wanted).on_conflict_do_nothing()
        ).rowcount


def _found(campaign: LiveCampaign, contacts: ContactList) -> FromClause:
    """The events that were brought, each with its step, contact and delivery where it has them."""
    table = contacts.table
    return (
        brought.outerjoin(steps, and_(steps.c.campaign_id == campaign.id, steps.c.name == brought.c.step))
        .outerjoin(table, table.c[KEY_COLUMN] == brought.c.contact_key)
        .outerjoin(deliveries, and_(deliveries.c.step_id == steps.c.id, deliveries.c.contact_id == table.c.id))
    )
