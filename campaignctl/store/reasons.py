"""Why a contact must not be written to at a moment: the conditions, for statements over a list and `suppressions`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal, not_, or_

from campaignctl.campaign.version import Version
from campaignctl.store.conditions import matches
from campaignctl.store.lists import ContactList
from campaignctl.store.members import circumstances
from campaignctl.store.suppressions import EMAIL
from campaignctl.store.tables import suppressions

Reason = tuple[ColumnElement[bool], str]


def address_of(version: Version, contacts: ContactList) -> ColumnElement[Any]:
    """The column with the address of e-mail; nothing where the list has none."""
    named = version.content.contacts.email
    has_address = named is not None and contacts.attribute(named) is not None
    return contacts.column(str(named)) if has_address else literal(None)


def has_no_address(version: Version, contacts: ContactList) -> Reason:
    """Nothing can be sent to nowhere."""
    address = address_of(version, contacts)
    return or_(address.is_(None), address == ""), "no_address"


def is_suppressed(address: ColumnElement[Any]) -> ColumnElement[bool]:
    """What joins `suppressions` to an address."""
    return and_(suppressions.c.channel == EMAIL, suppressions.c.address == func.lower(address))


def reasons_to_skip(version: Version, contacts: ContactList, now: datetime) -> list[Reason]:
    """Every reason not to write to a contact, the first that holds first; nothing of how often is asked here."""
    own = version.content.project_segment
    found: list[Reason] = [
        has_no_address(version, contacts),
        (suppressions.c.reason == "unsubscribed", "unsubscribed"),
        (suppressions.c.reason.is_not(None), "suppressed"),
    ]
    if own is not None:
        found.append((not_(matches(own, contacts, circumstances(version, now))), "not_in_project_segment"))
    return found
