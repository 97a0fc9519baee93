"""Why a contact must not be written to at a moment: the conditions, for statements over a list and `suppressions`."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, case, func, literal, not_, or_, select
from sqlalchemy.sql import FromClause

from campaignctl.campaign.version import StepTopic, Version
from campaignctl.store.conditions import matches
from campaignctl.store.lists import ContactList
from campaignctl.store.members import circumstances
from campaignctl.store.suppressions import EMAIL
from campaignctl.store.tables import suppressions
from campaignctl.store.topics import is_out_of

NOT_IN_TOPIC: Final = "not_in_topic"  # the contact does not want messages of the step's topic

Reason = tuple[ColumnElement[bool], str]

# Verbs whose requests are about contacts, whether they have an address or not.
WITHOUT_ADDRESS: Final = frozenset({"webhook", "export"})
# Verbs whose e-mail addresses are looked up among the suppressed: the messages to them, and what hands them on.
LOOKED_UP: Final = frozenset({"email", "export"})
# The same of phone numbers.
WITH_NUMBERS: Final = frozenset({"sms", "export"})


def address_attribute(version: Version, verb: str) -> str | None:
    """The attribute with the address that a step of this verb writes to, or hands on; None where it needs none."""
    contacts = version.content.contacts
    return {"email": contacts.email, "export": contacts.email, "sms": contacts.phone}.get(verb)


def address_of(version: Version, contacts: ContactList, verb: str = "email") -> ColumnElement[Any]:
    """The column with the address that is written to; nothing where the list has none."""
    named = address_attribute(version, verb)
    has_address = named is not None and contacts.attribute(named) is not None
    return contacts.column(str(named)) if has_address else literal(None)


def has_no_address(version: Version, contacts: ContactList, verb: str = "email") -> Reason:
    """Nothing can be sent to nowhere."""
    address = address_of(version, contacts, verb)
    return or_(address.is_(None), address == ""), "no_address"


def is_suppressed(address: ColumnElement[Any]) -> ColumnElement[bool]:
    """What joins `suppressions` to an address."""
    return and_(suppressions.c.channel == EMAIL, suppressions.c.address == func.lower(address))


def suppressed_for(table: FromClause) -> list[Reason]:
    """The reasons that a row of *table*, which is `suppressions` or another name for it, comes to."""
    return [(table.c.reason == "unsubscribed", "unsubscribed"), (table.c.reason.is_not(None), "suppressed")]


def reasons_to_skip(
    version: Version, contacts: ContactList, now: datetime, verb: str = "email", topic: StepTopic | None = None
) -> list[Reason]:
    """
    Every reason not to send a message of *topic* to a contact, the first that holds first; not how often they got some.

    Nor, of phone numbers, whether they are suppressed: a list has them in any
    form. A request is about a contact, and goes to no address.
    """
    own = version.content.project_segment
    found: list[Reason] = [] if verb in WITHOUT_ADDRESS else [has_no_address(version, contacts, verb)]
    if verb in LOOKED_UP:
        found += suppressed_for(suppressions)
    if topic is not None:
        found.append((is_out_of(topic, contacts, address_of(version, contacts, verb)), NOT_IN_TOPIC))
    if own is not None:
        found.append((not_(matches(own, contacts, circumstances(version, now))), "not_in_project_segment"))
    return found


def reason_to_skip(
    connection: Connection, version: Version, contacts: ContactList, step: str, contact_id: int, now: datetime
) -> str:
    """Why one contact would not be sent the e-mail of *step* now; empty where nothing speaks against it."""
    reasons = reasons_to_skip(version, contacts, now, topic=version.topic_of(step))
    found: str = connection.scalars(
        select(case(*reasons, else_=""))
        .select_from(contacts.table)
        .outerjoin(suppressions, is_suppressed(address_of(version, contacts)))
        .where(contacts.table.c.id == contact_id)
    ).one()
    return found
