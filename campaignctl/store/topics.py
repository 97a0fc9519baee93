"""
Statements about topics: which of them a contact wants.

A contact leaves a topic in two ways. The attribute of the topic says `false`:
whoever brings contacts in can say so, and take it back. And what contacts said
themselves stands in `left_topics`, by address, where no import changes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, delete, exists, func, or_, select, update
from sqlalchemy.dialects.sqlite import insert

from campaignctl.campaign.attribute import AttributeType
from campaignctl.campaign.version import StepTopic
from campaignctl.store.instants import instant, stored
from campaignctl.store.lists import ContactList, add_attributes
from campaignctl.store.suppressions import suppressed_form
from campaignctl.store.tables import left_topics

# How a column of each type says no, and yes.
_NO: Final[Mapping[AttributeType, Any]] = {
    AttributeType.BOOLEAN: 0, AttributeType.INTEGER: 0, AttributeType.NUMBER: 0, AttributeType.TEXT: "false",
}  # fmt: skip
_YES: Final[Mapping[AttributeType, Any]] = {
    AttributeType.BOOLEAN: 1, AttributeType.INTEGER: 1, AttributeType.NUMBER: 1, AttributeType.TEXT: "true",
}  # fmt: skip


def is_out_of(topic: StepTopic, contacts: ContactList, address: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a contact with this address does not want the topic."""
    left_it = exists().where(left_topics.c.topic == topic.name, left_topics.c.address == func.lower(address))
    says_no = _says_no(contacts, topic.attribute)
    return left_it if says_no is None else or_(left_it, says_no)


def _says_no(contacts: ContactList, attribute: str) -> ColumnElement[bool] | None:
    found = contacts.attribute(attribute)
    if found is None or found.type not in _NO:
        return None
    says_no: ColumnElement[bool] = contacts.table.c[found.column] == _NO[found.type]
    return says_no


class TopicStatements:
    """Which topics contacts want."""

    connection: Connection

    def left_since(self, address: str) -> dict[str, datetime]:
        """The topics that whoever has this address left themselves, and since when."""
        rows = self.connection.execute(
            select(left_topics.c.topic, left_topics.c.since)
            .where(left_topics.c.address == suppressed_form(address))
            .order_by(left_topics.c.topic)
        )
        return {row.topic: instant(row.since) for row in rows}

    def topics_out_of(
        self, contacts: ContactList, contact_id: int, address: str, attributes: Mapping[str, str]
    ) -> set[str]:
        """Those of these topics, each with its attribute, that the contact does not want."""
        left = self.left_since(address)
        asked = {name: no for name, of in attributes.items() if (no := _says_no(contacts, of)) is not None}
        said: dict[str, Any] = {}
        if asked:
            columns = [no.label(f"says_no_{place}") for place, no in enumerate(asked.values())]
            row = self.connection.execute(select(*columns).where(contacts.table.c.id == contact_id)).one()
            said = dict(zip(asked, row, strict=True))
        return {name for name in attributes if name in left or said.get(name)}

    def leave_topics(
        self, contacts: ContactList, contact_id: int, address: str, attributes: Mapping[str, str], now: datetime
    ) -> None:
        """Nothing of these topics is sent to the address any more; its contact's attributes say so as well."""
        if address:
            for name in attributes:
                self.connection.execute(
                    insert(left_topics)
                    .values(topic=name, address=suppressed_form(address), since=stored(now))
                    .on_conflict_do_nothing()
                )
        new = {each: AttributeType.BOOLEAN for each in attributes.values() if contacts.attribute(each) is None}
        contacts = add_attributes(self.connection, contacts, new)
        self._say(contacts, contact_id, attributes.values(), _NO)

    def join_topics(self, contacts: ContactList, contact_id: int, address: str, attributes: Mapping[str, str]) -> None:
        """The contact wants these topics again."""
        self.connection.execute(
            delete(left_topics).where(
                left_topics.c.topic.in_(list(attributes)), left_topics.c.address == suppressed_form(address)
            )
        )
        self._say(contacts, contact_id, attributes.values(), _YES)

    def _say(
        self, contacts: ContactList, contact_id: int, attributes: Iterable[str], words: Mapping[AttributeType, Any]
    ) -> None:
        found = [each for name in attributes if (each := contacts.attribute(name)) is not None and each.type in words]
        if found:
            self.connection.execute(
                update(contacts.table)
                .where(contacts.table.c.id == contact_id)
                .values({contacts.table.c[each.column]: words[each.type] for each in found})
            )
