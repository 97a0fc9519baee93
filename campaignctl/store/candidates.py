"""Deliveries that may be tried, together with what is known of their contacts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, bindparam, select

from campaignctl.campaign.version import Version
from campaignctl.ports import NOTHING, Candidate, Cohort
from campaignctl.store.instants import instant
from campaignctl.store.lists import KEY_COLUMN, ContactList, value_of
from campaignctl.store.reasons import address_attribute
from campaignctl.store.tables import deliveries, members


def with_contacts(cohort: Cohort, contacts: ContactList) -> Select[Any]:
    """Deliveries joined with what is known of their contacts, and of them as members where there is something."""
    of_contact = select(
        deliveries.c.contact_id, deliveries.c.made_at, deliveries.c.attempts, *contacts.table.columns
    ).join(contacts.table, contacts.table.c.id == deliveries.c.contact_id)
    own = values_of_members(cohort.version)
    if not own:
        return of_contact
    is_member = and_(members.c.campaign_id == cohort.campaign.id, members.c.contact_id == deliveries.c.contact_id)
    return of_contact.join(members, is_member).add_columns(*own)


def values_of_members(version: Version) -> tuple[ColumnElement[Any], ...]:
    """The columns that a `CandidateReader` finds behind those of the contact: none where members bring nothing."""
    return (members.c.data, members.c.gate) if version.has_values_of_members else ()


class CandidateReader:
    """Makes what the engine sees of rows of `with_contacts`."""

    def __init__(self, cohort: Cohort, contacts: ContactList) -> None:
        # A value's template, as a letter, knows the contact by their e-mail address.
        verb = cohort.step.verb if cohort.step.verb in ("sms", "webhook") else "email"
        named = address_attribute(cohort.version, verb)
        attribute = None if named is None else contacts.attribute(named)
        self._address = None if attribute is None else attribute.name
        places = {column.name: place for place, column in enumerate(contacts.table.columns, _BEFORE_ATTRIBUTES)}
        self._key = places[KEY_COLUMN]
        self._values = [
            (attribute.name, places[attribute.column], value_of(attribute.type))
            for attribute in contacts.attributes.values()
        ]
        self._made_at = (0, instant(0))
        self._has_own = bool(values_of_members(cohort.version))

    def candidate(self, row: Sequence[Any]) -> Candidate:
        """The delivery in *row*."""
        values = {
            name: row[place] if convert is None else convert(row[place])
            for name, place, convert in self._values
            if row[place] is not None
        }
        address = values.get(self._address) if self._address else None
        contact_id, made_at, attempts = row[:_BEFORE_ATTRIBUTES]
        if made_at != self._made_at[0]:
            # Those of one step were nearly all made at once.
            self._made_at = (made_at, instant(made_at))
        found = Candidate(
            contact_id, row[self._key], None if address is None else str(address), values, self._made_at[1], attempts
        )
        if self._has_own:
            return found._replace(data=_mapping(row[-2]), gate=_mapping(row[-1]))
        return found


def _mapping(text: str | None) -> Mapping[str, object]:
    found: Mapping[str, object] = NOTHING if text is None else json.loads(text)
    return found


_BEFORE_ATTRIBUTES: Final = 3  # columns of the delivery in `with_contacts`


def candidates_of(cohort: Cohort, contacts: ContactList) -> Select[Any]:
    return (
        with_contacts(cohort, contacts)
        .where(
            deliveries.c.step_id == cohort.step.id,
            deliveries.c.state == bindparam("state"),
            deliveries.c.next_attempt_at <= bindparam("now"),
        )
        .order_by(deliveries.c.next_attempt_at, deliveries.c.contact_id)
        .limit(bindparam("limit"))
    )
