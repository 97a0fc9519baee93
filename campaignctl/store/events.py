"""Statements about events: what contacts and servers did with messages."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    MetaData,
    Select,
    Table,
    Text,
    and_,
    case,
    func,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.sqlite import insert

from campaignctl.flow.states import DeliveryState
from campaignctl.message.phone import normal_phone
from campaignctl.ports import LiveCampaign
from campaignctl.store.instants import stored
from campaignctl.store.lists import KEY_COLUMN, ContactList, list_named
from campaignctl.store.suppressions import EMAIL, SMS, UNSUBSCRIBED
from campaignctl.store.tables import deliveries, events, steps, suppressions
from campaignctl.store.uncertain import Resolution, UncertainStatements


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


# Events on their way in stand in a database `staging` beside the store: first as
# they came, then those that belong to a delivery, and whom they suppress.
_staging = MetaData(schema="staging")

# `is_hard` says of a bounce that the address does not exist.
brought = Table(
    "brought",
    _staging,
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

# In the order of the unique index of `events`, which takes them so several times quicker.
_placed = Table(
    "placed",
    _staging,
    *(
        Column(column.name, column.type, primary_key=True, autoincrement=False)
        for column in (events.c.step_id, events.c.kind, events.c.contact_id, events.c.at, events.c.url)
    ),
    Column("is_machine", Boolean, nullable=False),
    Column("is_hard", Boolean, nullable=False),
    sqlite_with_rowid=False,
)
# What of it is kept.
_EVENT = [column for column in _placed.c if column.name != "is_hard"]
_unwanted = Table(
    "unwanted",
    _staging,
    Column("channel", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    sqlite_with_rowid=False,
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


class EventStatements(UncertainStatements):
    """Bringing events in."""

    connection: Connection

    def prepare_for_events(self) -> None:
        """Make room beside the store."""
        _staging.create_all(self.connection, checkfirst=False)

    def place_events(self, country: str | None = None) -> Counter[EventOutcome]:
        """
        Find the delivery that each of the *brought* events belongs to; counts those that have none.

        A number without a country code is one of *country*.

        This is most of the work, and needs no lock.
        """
        lost: Counter[EventOutcome] = Counter()
        of_each = select(brought.c.campaign, func.count()).group_by(brought.c.campaign)
        for name, count in self.connection.execute(of_each).all():
            campaign = self.campaign_named(name)
            contacts = None if campaign is None else list_named(self.connection, campaign.list_name)
            if campaign is None or contacts is None:
                lost[EventOutcome.NO_STEP] += count
            else:
                lost += self._place(campaign, contacts)
                self._note_unwanted(campaign, contacts)
                self._note_unwanted_numbers(campaign, contacts, country)
        return lost

    def take_events(self, now: datetime) -> tuple[int, int]:
        """
        Write down the events that have a place, each once, and suppress whom they say at once.

        Deliveries without a verdict get the one that their events prove.

        How many events are new, and how many addresses were not suppressed before.
        """
        columns = [column.name for column in _EVENT]
        added = self.connection.execute(
            insert(events).from_select(columns, select(*_EVENT).where(true())).on_conflict_do_nothing()
        )
        self._take_evidence(now)
        wanted = select(_unwanted.c.channel, _unwanted.c.address, _unwanted.c.reason, literal(stored(now))).where(
            true()
        )
        suppressed = self.connection.execute(
            insert(suppressions).from_select(["channel", "address", "reason", "since"], wanted).on_conflict_do_nothing()
        )
        # Whoever unsubscribed may come back: not where a complaint or a bounce says more.
        stronger = select(_unwanted.c.reason).where(
            _unwanted.c.channel == suppressions.c.channel,
            _unwanted.c.address == suppressions.c.address,
            _unwanted.c.reason != UNSUBSCRIBED,
        )
        self.connection.execute(
            update(suppressions)
            .where(suppressions.c.reason == UNSUBSCRIBED, stronger.exists())
            .values(reason=stronger.scalar_subquery())
        )
        return added.rowcount, suppressed.rowcount

    def _take_evidence(self, now: datetime) -> None:
        """
        Whoever did something with a message had got it: then it was sent, if nobody knew.

        A message of which nothing is known but that its address does not exist
        has failed. What else comes back, the other side had taken.
        """
        has_come_back = and_(_placed.c.kind == EventKind.BOUNCE.value, _placed.c.is_hard)
        is_its_own = and_(deliveries.c.step_id == _placed.c.step_id, deliveries.c.contact_id == _placed.c.contact_id)
        found = self.connection.execute(
            select(_placed.c.step_id, _placed.c.contact_id, func.min(case((has_come_back, 1), else_=0)).label("failed"))
            .join(deliveries, is_its_own)
            .where(deliveries.c.state == DeliveryState.UNCERTAIN.value)
            .group_by(_placed.c.step_id, _placed.c.contact_id)
        ).all()
        for resolution, failed in ((Resolution.SENT, 0), (Resolution.FAILED, 1)):
            proven = [(row.step_id, row.contact_id) for row in found if row.failed == failed]
            self.resolve_by_evidence(proven, resolution, now)

    def _place(self, campaign: LiveCampaign, contacts: ContactList) -> Counter[EventOutcome]:
        found = _found(campaign, contacts)
        counts = select(
            func.count(),
            func.count(steps.c.id),
            func.count(case((steps.c.id.is_not(None), contacts.table.c.id))),
            func.count(deliveries.c.step_id),
        )
        of_campaign = brought.c.campaign == campaign.name
        all_, with_step, with_contact, with_delivery = self.connection.execute(
            counts.select_from(found).where(of_campaign)
        ).one()
        columns = [column.name for column in _placed.c]
        place = {**brought.c, "step_id": deliveries.c.step_id, "contact_id": deliveries.c.contact_id}
        placed = (
            select(*(place[name] for name in columns))
            .select_from(found)
            .where(of_campaign, deliveries.c.step_id.is_not(None))
            .order_by(brought.c.line)
        )
        self.connection.execute(insert(_placed).from_select(columns, placed).on_conflict_do_nothing())
        return Counter(
            {
                EventOutcome.NO_STEP: all_ - with_step,
                EventOutcome.NO_CONTACT: with_step - with_contact,
                EventOutcome.NO_DELIVERY: with_contact - with_delivery,
            }
        )

    def _note_unwanted(self, campaign: LiveCampaign, contacts: ContactList) -> None:
        email = self.version(campaign, campaign.version).content.contacts.email
        if email is None or contacts.attribute(email) is None:
            return
        address: ColumnElement[str] = func.lower(func.trim(contacts.column(email)))
        wanted = _whose(campaign, contacts, literal(EMAIL), address).where(steps.c.verb != "sms")
        columns = ["channel", "address", "reason"]
        self.connection.execute(insert(_unwanted).from_select(columns, wanted).on_conflict_do_nothing())

    def _note_unwanted_numbers(self, campaign: LiveCampaign, contacts: ContactList, country: str | None) -> None:
        """The same of text messages, whose numbers a list has in any form."""
        phone = self.version(campaign, campaign.version).content.contacts.phone
        if phone is None or contacts.attribute(phone) is None:
            return
        written = _whose(campaign, contacts, literal(SMS), contacts.column(phone)).where(steps.c.verb == "sms")
        rows = [
            {"channel": channel, "address": number, "reason": reason}
            for channel, text, reason in self.connection.execute(written)
            if (number := normal_phone(str(text), country)) is not None
        ]
        if rows:
            self.connection.execute(insert(_unwanted).on_conflict_do_nothing(), rows)


def _whose(
    campaign: LiveCampaign, contacts: ContactList, channel: ColumnElement[str], address: ColumnElement[Any]
) -> Select[Any]:
    """Whom events suppress: the channel, the address and the reason, in the order in which they came."""
    return (
        select(channel, address, _REASON)
        .select_from(_found(campaign, contacts))
        .where(brought.c.campaign == campaign.name, deliveries.c.step_id.is_not(None), _SUPPRESSES, address != "")
        .order_by(brought.c.line)
    )


def _found(campaign: LiveCampaign, contacts: ContactList) -> FromClause:
    """The events that were brought, each with its step, contact and delivery where it has them."""
    table = contacts.table
    return (
        brought.outerjoin(steps, and_(steps.c.campaign_id == campaign.id, steps.c.name == brought.c.step))
        .outerjoin(table, table.c[KEY_COLUMN] == brought.c.contact_key)
        .outerjoin(deliveries, and_(deliveries.c.step_id == steps.c.id, deliveries.c.contact_id == table.c.id))
    )
