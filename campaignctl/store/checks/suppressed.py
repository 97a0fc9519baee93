"""Whether nobody was written to after they had said that they want no more."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, func, literal, not_, or_, select

from campaignctl.flow.states import DeliveryState
from campaignctl.ports import LiveCampaign
from campaignctl.store.events import EventKind
from campaignctl.store.instants import stored_length
from campaignctl.store.ledger import SqlLedger
from campaignctl.store.lists import ContactList
from campaignctl.store.numbers import is_suppressed_number
from campaignctl.store.reasons import LOOKED_UP, WITH_NUMBERS, address_of
from campaignctl.store.suppressions import EMAIL
from campaignctl.store.tables import campaigns, deliveries, events, steps, suppressions
from campaignctl.store.told import topic_url
from campaignctl.store.uncertain import RESOLVED

# Instants are read before the store is locked for writing; so long may pass in between.
_LOCK_WAIT: Final = timedelta(minutes=1)
# No answer is waited for so long: a result that comes later belongs to a later intent.
_LONGEST_CONVERSATION: Final = timedelta(hours=1)

_OWN_WISHES: Final = {
    "unsubscribed": EventKind.UNSUBSCRIBE,
    "complaint": EventKind.COMPLAINT,
    "hard_bounce": EventKind.BOUNCE,
}


def nobody_suppressed_was_written_to(ledger: SqlLedger, country: str | None = None) -> Iterator[str]:
    """
    No intent was written after the suppression of its address, or of its number.

    A number without a country code is one of *country*, as the project has it
    now.

    For what is on its way the intent's instant is compared. For what was sent
    only its result's is known, and the address may be another one by now: there
    it takes the contact's own unsubscribe, complaint or bounce, an hour before.
    """
    for campaign in ledger.every_campaign():
        contacts, version = ledger.contact_list(campaign), ledger.version(campaign, campaign.version)
        email: ColumnElement[str] = func.lower(func.trim(address_of(version, contacts)))
        is_email = and_(suppressions.c.channel == EMAIL, suppressions.c.address == email)
        yield from _told(ledger, campaign, _written_to(campaign, contacts, is_email, LOOKED_UP))
        number = address_of(version, contacts, "sms")
        is_number = is_suppressed_number(ledger.connection, suppressions, number, country)
        if is_number is not None:
            yield from _told(ledger, campaign, _written_to(campaign, contacts, is_number, WITH_NUMBERS))


def _told(ledger: SqlLedger, campaign: LiveCampaign, written_to: Select[Any]) -> Iterator[str]:
    for row in ledger.connection.execute(written_to):
        yield (
            f"{campaign.name}/{row.step}: contact `{row.contact_key}` is suppressed ({row.reason}),"
            f" and was written to after that: {row.state}"
        )


def _written_to(
    campaign: LiveCampaign, contacts: ContactList, is_theirs: ColumnElement[bool], verbs: Collection[str]
) -> Select[Any]:
    table = contacts.table
    return (
        select(steps.c.name.label("step"), table.c.contact_key, suppressions.c.reason, deliveries.c.state)
        .select_from(table)
        .join(suppressions, is_theirs)
        .join(steps, and_(steps.c.campaign_id == campaign.id, steps.c.verb.in_(verbs)))
        .join(deliveries, and_(deliveries.c.step_id == steps.c.id, deliveries.c.contact_id == table.c.id))
        .where(left_after(suppressions.c.since, _asked_for_it(campaign, table.c.id)))
    )


def left_after(since: ColumnElement[int], asked_for_it: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a delivery left after that instant; of what was sent only where its contact *asked_for_it* to end."""
    is_on_its_way = and_(
        deliveries.c.state == DeliveryState.SENDING.value,
        deliveries.c.changed_at > since + literal(stored_length(_LOCK_WAIT)),
    )
    was_sent = and_(
        deliveries.c.state == DeliveryState.SENT.value,
        deliveries.c.changed_at > since + literal(stored_length(_LONGEST_CONVERSATION)),
        or_(deliveries.c.reason.is_(None), deliveries.c.reason.not_in(RESOLVED)),
        asked_for_it,
    )
    return or_(is_on_its_way, was_sent)


def _asked_for_it(campaign: LiveCampaign, contact_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether an event of this very contact is why the address is suppressed."""
    said_so = or_(
        *(and_(suppressions.c.reason == reason, events.c.kind == kind.value) for reason, kind in _OWN_WISHES.items())
    )
    # Whoever left a topic has not left everything.
    is_of_topic = events.c.url.startswith(topic_url(""), autoescape=True)
    return has_event(campaign, contact_id, and_(said_so, not_(is_of_topic)))


def has_event(
    campaign: LiveCampaign, contact_id: ColumnElement[int], which: ColumnElement[bool]
) -> ColumnElement[bool]:
    """Whether there is such an event of this very contact, about a message of any campaign of the list."""
    of_list = select(campaigns.c.list_id).where(campaigns.c.id == campaign.id).scalar_subquery()
    other, of = steps.alias("other_steps"), campaigns.alias("other_campaigns")
    return (
        select(events.c.id)
        .join(other, other.c.id == events.c.step_id)
        .join(of, of.c.id == other.c.campaign_id)
        .where(
            of.c.list_id == of_list,
            events.c.contact_id == contact_id,
            which,
        )
        .exists()
    )
