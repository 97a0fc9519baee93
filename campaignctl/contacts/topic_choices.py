"""
What contacts said themselves of topics, against what a file says of them.

Contacts who left a topic stay out of it, although the file says yes: it may be
older than their word. Their cells are changed while the rows wait, so the list
gets what is so, and importing the same file again changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from campaignctl.contacts.column import FileColumn
from campaignctl.store.lists import KEY_COLUMN, ContactList

_NO = "('false', 'False', 'FALSE', '0')"


@dataclass(frozen=True)
class TopicChanges:
    """How many cells say yes of a topic that the contact left: whose word the list got."""

    stayed_out: int = 0  # the contact's
    opted_in: int = 0  # the file's


def keep_choices(
    connection: Connection,
    contact_list: ContactList,
    columns: Sequence[FileColumn],
    topics: Mapping[str, str],
    email: str | None,
    *,
    opts_in: bool,
) -> TopicChanges:
    """Bring the waiting rows together with what contacts said, before they come into the list."""
    places = {column.name.lower(): place for place, column in enumerate(columns)}
    address = _address(contact_list, columns, places, email)
    changed = 0
    for topic, attribute in topics.items():
        place = places.get(attribute.lower())
        if place is None or address is None:
            continue
        of_topic = "SELECT address FROM left_topics WHERE topic = ?"
        says_yes = f"c{place} IS NOT NULL AND c{place} NOT IN {_NO}"
        if opts_in:
            statement = (
                f"DELETE FROM left_topics WHERE topic = ? AND address IN"  # noqa: S608 - numbers of columns
                f" (SELECT {address} FROM staging.waiting WHERE {says_yes} AND c{place} <> '')"
            )
        else:
            statement = f"UPDATE staging.waiting SET c{place} = 'false' WHERE {says_yes} AND {address} IN ({of_topic})"  # noqa: S608 - the same
        changed += connection.exec_driver_sql(statement, (topic,)).rowcount
    return TopicChanges(opted_in=changed) if opts_in else TopicChanges(stayed_out=changed)


def _address(
    contact_list: ContactList, columns: Sequence[FileColumn], places: Mapping[str, int], email: str | None
) -> str | None:
    """
    SQL for the address of a waiting row, in small letters: the file's, or else what the list has; None without both.
    """
    known = None if email is None else contact_list.attribute(email)
    if known is None:
        return None
    key = next(place for place, column in enumerate(columns) if column.is_key)
    in_list = f"(SELECT {known.column} FROM {contact_list.table.name} AS known WHERE known.{KEY_COLUMN} = c{key})"  # noqa: S608 - our names
    place = places.get(known.name.lower())
    return f"lower({in_list})" if place is None else f"lower(coalesce(nullif(c{place}, ''), {in_list}))"
