"""
Lists of contacts: one table for each list, one column for each attribute.

`docs/decisions/0001-attributes-as-columns.md` says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    bindparam,
    insert,
    select,
    update,
)
from sqlalchemy.types import TypeEngine

from campaignctl.campaign.attribute import ATTRIBUTE_NAME, AttributeType, AttributeValue
from campaignctl.errors import RefusedError
from campaignctl.store.instants import instant
from campaignctl.store.tables import attributes, lists

KEY_COLUMN = "contact_key"

# Below the limit of SQLite on bound parameters, also of old builds.
_IDS_AT_ONCE = 900

_COLUMN_TYPES: Mapping[AttributeType, type[TypeEngine[Any]]] = {
    AttributeType.TEXT: Text,
    AttributeType.INTEGER: BigInteger,
    AttributeType.NUMBER: Float,
    AttributeType.BOOLEAN: Integer,
    AttributeType.DATE: Text,
    AttributeType.INSTANT: BigInteger,
}


@dataclass(frozen=True)
class Attribute:
    """Something known about the contacts of a list, and the column that holds it."""

    name: str
    column: str
    type: AttributeType


@dataclass(frozen=True)
class ContactList:
    """A list of contacts as the store has it. Attributes are found by their name in lower case."""

    id: int
    name: str
    key_attribute: str
    attributes: Mapping[str, Attribute]

    @cached_property
    def table(self) -> Table:
        """The table that holds the contacts of this list."""
        columns = [
            Column(attribute.column, _COLUMN_TYPES[attribute.type])
            for attribute in self.attributes.values()
            if attribute.column != KEY_COLUMN
        ]
        return Table(
            f"contacts_{self.id}",
            MetaData(),
            Column("id", Integer, primary_key=True),
            Column(KEY_COLUMN, Text, nullable=False, unique=True),
            *columns,
        )

    def attribute(self, name: str) -> Attribute | None:
        """The attribute of this name, however it is written: `Email` is `email`."""
        return self.attributes.get(name.lower())

    def type_of(self, name: str) -> AttributeType:
        """The type of an attribute that the list has."""
        found = self.attribute(name)
        if found is None:
            raise KeyError(name)
        return found.type

    def column(self, name: str) -> Column[object]:
        """
        The column that holds the attribute *name*.

        Raises:
            RefusedError: the list has no such attribute.
        """
        attribute = self.attribute(name)
        if attribute is None:
            raise RefusedError(
                "S203",
                f"the list `{self.name}` has no attribute `{name}`",
                "import contacts that have it, or name another one",
            )
        return self.table.c[attribute.column]


def list_named(connection: Connection, name: str) -> ContactList | None:
    """The list of this name, if the store has it."""
    found = connection.execute(
        select(lists.c.id, lists.c.name, lists.c.key_attribute).where(lists.c.name == name)
    ).one_or_none()
    return None if found is None else _with_attributes(connection, found)


def known_list(connection: Connection, name: str) -> ContactList:
    """
    The list of this name.

    Raises:
        RefusedError: the store has no contacts of it.
    """
    found = list_named(connection, name)
    if found is None:
        raise RefusedError(
            "P105",
            f"the list `{name}` has no contacts in the store",
            f"run `campaignctl contacts import {name} FILE` first",
        )
    return found


def all_lists(connection: Connection) -> list[ContactList]:
    """Every list of the store, by name."""
    found = connection.execute(select(lists.c.id, lists.c.name, lists.c.key_attribute).order_by(lists.c.name)).all()
    return [_with_attributes(connection, row) for row in found]


def _with_attributes(connection: Connection, row: Row[*tuple[Any, ...]]) -> ContactList:
    known = connection.execute(
        select(attributes.c.name, attributes.c.column_name, attributes.c.type)
        .where(attributes.c.list_id == row.id)
        .order_by(attributes.c.column_name != KEY_COLUMN, attributes.c.name)
    )
    by_name = {name.lower(): Attribute(name, column, AttributeType(type_name)) for name, column, type_name in known}
    return ContactList(row.id, row.name, row.key_attribute, by_name)


def ensure_list(connection: Connection, name: str, key_attribute: str) -> ContactList:
    """
    The list *name*, made when there is none.

    Raises:
        RefusedError: the store has it with another key.
    """
    known = list_named(connection, name)
    if known is None:
        return _make_list(connection, name, key_attribute)
    check_key(known, key_attribute)
    return known


def check_key(contact_list: ContactList, key_attribute: str) -> None:
    """A list keeps the key that it was made with: what was sent is remembered by it."""
    if contact_list.key_attribute.lower() != key_attribute.lower():
        raise RefusedError(
            "S201",
            f"the contacts of `{contact_list.name}` are told apart by `{contact_list.key_attribute}`,"
            f" not by `{key_attribute}`",
            f"write `key: {contact_list.key_attribute}` in the project file, or use a new list",
        )


def _make_list(connection: Connection, name: str, key_attribute: str) -> ContactList:
    _check_name(key_attribute)
    list_id = connection.execute(
        insert(lists).values(name=name, key_attribute=key_attribute).returning(lists.c.id)
    ).scalar_one()
    key = Attribute(key_attribute, KEY_COLUMN, AttributeType.TEXT)
    _record(connection, list_id, key)
    made = ContactList(list_id, name, key_attribute, {key_attribute.lower(): key})
    made.table.create(connection)
    return made


def add_attributes(
    connection: Connection, contact_list: ContactList, types: Mapping[str, AttributeType]
) -> ContactList:
    """
    The list with these attributes as well, which no contact has yet.

    Raises:
        RefusedError: a name cannot be used, or differs from another one in case only.
    """
    added = dict(contact_list.attributes)
    quoted = connection.dialect.identifier_preparer.quote
    for name, attribute_type in types.items():
        _check_name(name)
        known = added.get(name.lower())
        if known is not None:
            raise RefusedError(
                "S202",
                f"the attribute `{name}` is there already, as `{known.name}`",
                "use one spelling, or choose another name",
            )
        attribute = Attribute(name, f"a_{name.lower()}", attribute_type)
        added[name.lower()] = attribute
        _record(connection, contact_list.id, attribute)
        column_type = _COLUMN_TYPES[attribute_type]().compile(connection.dialect)
        connection.exec_driver_sql(
            f"ALTER TABLE {quoted(contact_list.table.name)} ADD COLUMN {quoted(attribute.column)} {column_type}"
        )
    return ContactList(contact_list.id, contact_list.name, contact_list.key_attribute, added)


def widen_to_number(connection: Connection, contact_list: ContactList, name: str) -> ContactList:
    """The list with its integer attribute *name* as a number: every value stays what it was."""
    attribute = contact_list.attributes[name.lower()]
    connection.execute(
        update(attributes)
        .where(attributes.c.list_id == contact_list.id, attributes.c.name == attribute.name)
        .values(type=AttributeType.NUMBER)
    )
    wider = Attribute(attribute.name, attribute.column, AttributeType.NUMBER)
    known = {**contact_list.attributes, name.lower(): wider}
    return ContactList(contact_list.id, contact_list.name, contact_list.key_attribute, known)


def _check_name(name: str) -> None:
    if not ATTRIBUTE_NAME.fullmatch(name):
        raise RefusedError(
            "S202",
            f"`{name}` cannot be the name of an attribute",
            "use letters, digits and underscores, not a digit first, at most 63",
        )


def _record(connection: Connection, list_id: int, attribute: Attribute) -> None:
    connection.execute(
        insert(attributes).values(
            list_id=list_id, name=attribute.name, column_name=attribute.column, type=attribute.type
        )
    )


def contact_values(contact_list: ContactList, row: Row[*tuple[Any, ...]]) -> dict[str, AttributeValue]:
    """What is known about the contact in *row* of the list's table; what is missing is left out."""
    kept = row._mapping
    found: dict[str, AttributeValue] = {}
    for attribute in contact_list.attributes.values():
        value, convert = kept[attribute.column], value_of(attribute.type)
        if value is not None:
            found[attribute.name] = value if convert is None else convert(value)
    return found


def value_of(kind: AttributeType) -> Callable[[Any], AttributeValue] | None:
    """What makes a value of what a column of this type holds; None where it holds the value itself."""
    match kind:
        case AttributeType.BOOLEAN:
            return bool
        case AttributeType.NUMBER:
            return float
        case AttributeType.DATE:
            return date.fromisoformat
        case AttributeType.INSTANT:
            return instant
        case AttributeType.TEXT | AttributeType.INTEGER:
            return None


def contact_by_key(connection: Connection, contact_list: ContactList, key: str) -> Row[*tuple[Any, ...]] | None:
    """The contact with this key."""
    table = contact_list.table
    return connection.execute(select(table).where(table.c[KEY_COLUMN] == key)).one_or_none()


def contacts_by_id(
    connection: Connection, contact_list: ContactList, ids: Iterable[int]
) -> Iterator[Row[*tuple[Any, ...]]]:
    """The contacts with these ids, in no order; ids that nobody has are passed over."""
    table = contact_list.table
    statement = select(table).where(table.c.id.in_(bindparam("ids", expanding=True)))
    wanted = list(ids)
    for start in range(0, len(wanted), _IDS_AT_ONCE):
        yield from connection.execute(statement, {"ids": wanted[start : start + _IDS_AT_ONCE]})
