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
    null,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.sqlite import insert

from campaignctl.flow.states import DeliveryState
from campaignctl.message.phone import normal_phone
from campaignctl.ports import LiveCampaign
from campaignctl.store.conversions import TO_CREDIT, ConversionStatements
from campaignctl.store.instants import stored
from campaignctl.store.lists import KEY_COLUMN, ContactList, list_named
from campaignctl.store.suppressions import EMAIL, SMS, UNSUBSCRIBED
from campaignctl.store.tables import conversions, deliveries, events, steps, suppressions
from campaignctl.store.uncertain import Resolution


class EventKind(StrEnum):
    """What happened with a message."""

    OPEN = "open"  # it was looked at
    CLICK = "click"  # a link in it was followed
    BOUNCE = "bounce"  # it came back
    COMPLAINT = "complaint"  # it was called spam
    UNSUBSCRIBE = "unsubscribe"  # no more of these
    CONVERSION = "conversion"  # what it was for, like an order


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

# `is_hard` says of a bounce that the address does not exist. A conversion that
# names no message has a list instead; `is_proof` says that it came by a token of
# the message itself, and `within` how long before it a click or open counts.
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
    Column("list", Text),
    Column("order_id", Text),
    Column("value", BigInteger),
    Column("currency", Text),
    Column("within", BigInteger),
    Column("is_proof", Boolean),
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
_ordered = Table(
    "ordered",
    _staging,
    Column("order_id", Text, primary_key=True),
    *(
        Column(column.name, column.type)
        for column in (
            conversions.c.list_id, conversions.c.contact_id, conversions.c.at, conversions.c.value,
            conversions.c.currency, conversions.c.within, conversions.c.told_step_id,
        )
    ),
    Column("is_proof", Boolean, nullable=False),
    sqlite_with_rowid=False,
)  # fmt: skip
_CONVERSION = [column for column in _ordered.c if column.name != "is_proof"]
_lost = Table(
    "lost",
    _staging,
    Column("line", Integer, primary_key=True),
    Column("outcome", Text, nullable=False),
)
_unwanted = Table(
    "unwanted",
    _staging,
    Column("channel", Text, primary_key=True),
    Column("address", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    sqlite_with_rowid=False,
)

_NAMES_A_MESSAGE = brought.c.list.is_(None)
_IS_CONVERSION = brought.c.kind == EventKind.CONVERSION.value
_IS_TOUCH = _placed.c.kind.in_([EventKind.CLICK.value, EventKind.OPEN.value])
_SUPPRESSES = or_(
    brought.c.kind.in_([EventKind.UNSUBSCRIBE.value, EventKind.COMPLAINT.value]),
    and_(brought.c.kind == EventKind.BOUNCE.value, brought.c.is_hard),
)
_REASON = case(
    (brought.c.kind == EventKind.UNSUBSCRIBE.value, "unsubscribed"),
    (brought.c.kind == EventKind.COMPLAINT.value, "complaint"),
    else_="hard_bounce",
)


class EventStatements(ConversionStatements):
    """Bringing events in."""

    connection: Connection

    def prepare_for_events(self) -> None:
        """Make room beside the store."""
        _staging.create_all(self.connection, checkfirst=False)

    def place_events(self, country: str | None = None) -> Counter[EventOutcome]:
        """
        Find the delivery, or the contact, that each of the *brought* events belongs to; counts those that have none.

        A number without a country code is one of *country*.

        This is most of the work, and needs no lock.
        """
        for name in self.connection.scalars(select(brought.c.campaign).where(_NAMES_A_MESSAGE).distinct()).all():
            campaign = self.campaign_named(name)
            contacts = None if campaign is None else list_named(self.connection, campaign.list_name)
            if campaign is None or contacts is None:
                self._lose(EventOutcome.NO_STEP, and_(_NAMES_A_MESSAGE, brought.c.campaign == name))
            else:
                self._place(campaign, contacts)
                self._note_unwanted(campaign, contacts)
                self._note_unwanted_numbers(campaign, contacts, country)
        for name in self.connection.scalars(select(brought.c.list).where(brought.c.list.is_not(None)).distinct()).all():
            contacts = list_named(self.connection, name)
            if contacts is None:
                self._lose(EventOutcome.NO_CONTACT, brought.c.list == name)
            else:
                self._place_by_contact(contacts)
        counts = select(_lost.c.outcome, func.count()).group_by(_lost.c.outcome)
        return Counter({EventOutcome(outcome): count for outcome, count in self.connection.execute(counts)})

    def lost_lines(self, most: int) -> list[int]:
        """The first lines of events that belong to nothing."""
        return list(self.connection.scalars(select(_lost.c.line).order_by(_lost.c.line).limit(most)))

    def take_events(self, now: datetime) -> tuple[int, int]:
        """
        Write down the events that have a place, each once, and suppress whom they say at once.

        Deliveries without a verdict get the one that their events prove.
        Conversions wait to be credited (`credit_some`).

        How many events are new, and how many addresses were not suppressed before.
        """
        columns = [column.name for column in _EVENT]
        added = self.connection.execute(
            insert(events).from_select(columns, select(*_EVENT).where(true())).on_conflict_do_nothing()
        ).rowcount
        added += self._take_conversions()
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
        return added, suppressed.rowcount

    def _take_conversions(self) -> int:
        """Write down conversions, each order once, to be credited; earlier ones anew, of contacts who also clicked."""
        columns = [*(column.name for column in _CONVERSION), "rules"]
        added = self.connection.execute(
            insert(conversions)
            .from_select(columns, select(*_CONVERSION, literal(TO_CREDIT)).where(true()))
            .on_conflict_do_nothing()
        ).rowcount
        touched = select(_placed.c.contact_id).where(_IS_TOUCH)
        self.connection.execute(
            update(conversions).where(conversions.c.contact_id.in_(touched)).values(rules=TO_CREDIT)
        )
        return added

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
        doubtful = self.connection.execute(
            select(deliveries.c.step_id, deliveries.c.contact_id)
            .join(
                _ordered,
                and_(deliveries.c.step_id == _ordered.c.told_step_id, deliveries.c.contact_id == _ordered.c.contact_id),
            )
            .where(_ordered.c.is_proof, deliveries.c.state == DeliveryState.UNCERTAIN.value)
        )
        self.resolve_by_evidence([(row.step_id, row.contact_id) for row in doubtful], Resolution.SENT, now)

    def _place(self, campaign: LiveCampaign, contacts: ContactList) -> None:
        found = _found(campaign, contacts)
        of_campaign = and_(_NAMES_A_MESSAGE, brought.c.campaign == campaign.name)
        why = case(
            (steps.c.id.is_(None), EventOutcome.NO_STEP.value),
            (contacts.table.c.id.is_(None), EventOutcome.NO_CONTACT.value),
            else_=EventOutcome.NO_DELIVERY.value,
        )
        lost = select(brought.c.line, why).select_from(found).where(of_campaign, deliveries.c.step_id.is_(None))
        self.connection.execute(insert(_lost).from_select(["line", "outcome"], lost))
        known = and_(of_campaign, deliveries.c.step_id.is_not(None))
        columns = [column.name for column in _placed.c]
        place = {**brought.c, "step_id": deliveries.c.step_id, "contact_id": deliveries.c.contact_id}
        placed = select(*(place[name] for name in columns)).select_from(found).where(known, ~_IS_CONVERSION)
        self.connection.execute(
            insert(_placed).from_select(columns, placed.order_by(brought.c.line)).on_conflict_do_nothing()
        )
        self._place_conversions(found, contacts, known, deliveries.c.step_id)

    def _place_by_contact(self, contacts: ContactList) -> None:
        table = contacts.table
        found = brought.outerjoin(table, table.c[KEY_COLUMN] == brought.c.contact_key)
        of_list = brought.c.list == contacts.name
        lost = select(brought.c.line, literal(EventOutcome.NO_CONTACT.value)).select_from(found)
        self.connection.execute(
            insert(_lost).from_select(["line", "outcome"], lost.where(of_list, table.c.id.is_(None)))
        )
        self._place_conversions(found, contacts, and_(of_list, table.c.id.is_not(None)), null())

    def _place_conversions(
        self, found: FromClause, contacts: ContactList, which: ColumnElement[bool], told: ColumnElement[Any]
    ) -> None:
        """Of several with one id the first counts."""
        columns = [column.name for column in _ordered.c]
        place = {
            **brought.c, "list_id": literal(contacts.id), "contact_id": contacts.table.c.id, "told_step_id": told,
        }  # fmt: skip
        ordered = select(*(place[name] for name in columns)).select_from(found).where(which, _IS_CONVERSION)
        self.connection.execute(
            insert(_ordered).from_select(columns, ordered.order_by(brought.c.line)).on_conflict_do_nothing()
        )

    def _lose(self, outcome: EventOutcome, which: ColumnElement[bool]) -> None:
        lost = select(brought.c.line, literal(outcome.value)).where(which)
        self.connection.execute(insert(_lost).from_select(["line", "outcome"], lost))

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
        .where(
            _NAMES_A_MESSAGE,
            brought.c.campaign == campaign.name,
            deliveries.c.step_id.is_not(None),
            _SUPPRESSES,
            address != "",
        )
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
