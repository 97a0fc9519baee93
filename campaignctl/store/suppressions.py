"""
Addresses that must not be written to.

Addresses are compared in lower case throughout, although the part before the
@ may in theory tell cases apart: it is safer to suppress one too many.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sqlalchemy import Connection, bindparam, delete, select, update
from sqlalchemy.dialects.sqlite import insert

from campaignctl.store.instants import instant, stored
from campaignctl.store.tables import suppressions

EMAIL = "email"  # the channel of e-mail addresses
SMS = "sms"  # that of phone numbers, in E.164

UNSUBSCRIBED = "unsubscribed"  # the one reason that a contact can take back

_ROWS_AT_ONCE = 5000
_FOR_GOOD = (
    update(suppressions)
    .where(
        suppressions.c.channel == bindparam("of"),
        suppressions.c.address == bindparam("at"),
        suppressions.c.reason == UNSUBSCRIBED,
    )
    .values(reason=bindparam("why"))
)


@dataclass(frozen=True)
class Suppression:
    """An address that a channel must not write to, why, and since when."""

    address: str
    channel: str
    reason: str
    since: datetime


@dataclass(frozen=True)
class Counted:
    """How many addresses were brought, and how many of them were not suppressed before."""

    read: int
    added: int


def suppressed_form(address: str) -> str:
    """
    The form in which addresses are compared here.

    >>> suppressed_form(" Ada@Example.org ")
    'ada@example.org'
    """
    return address.strip().lower()


def suppress(connection: Connection, channel: str, address: str, reason: str, now: datetime) -> bool:
    """
    Never write to *address* again; False when that was so before.

    Then the first reason stays, but for one: whoever unsubscribed may come
    back, and must not where something else keeps the address out as well.
    """
    return suppress_many(connection, channel, [(address, reason)], now).added == 1


def suppress_many(connection: Connection, channel: str, rows: Iterable[tuple[str, str]], now: datetime) -> Counted:
    """Suppress these addresses, each with its reason."""
    statement = insert(suppressions).on_conflict_do_nothing()
    waiting = iter(rows)
    read = added = 0
    while batch := list(islice(waiting, _ROWS_AT_ONCE)):
        values = [
            {
                "channel": channel,
                "address": suppressed_form(address),
                "reason": reason,
                "since": stored(now),
            }
            for address, reason in batch
        ]
        read += len(batch)
        added += connection.execute(statement, values).rowcount
        for_good = [
            {"of": each["channel"], "at": each["address"], "why": each["reason"]}
            for each in values
            if each["reason"] != UNSUBSCRIBED
        ]
        if for_good:
            connection.execute(_FOR_GOOD, for_good)
    return Counted(read, added)


def unsuppress(connection: Connection, channel: str, address: str) -> bool:
    """Let *address* be written to again; False when it was not suppressed."""
    removed = connection.execute(
        delete(suppressions).where(
            suppressions.c.channel == channel, suppressions.c.address == suppressed_form(address)
        )
    )
    return removed.rowcount > 0


def suppression_of(connection: Connection, channel: str, address: str) -> Suppression | None:
    """Why and since when *channel* must not write to *address*; None where it may."""
    row = connection.execute(
        select(suppressions).where(
            suppressions.c.channel == channel, suppressions.c.address == suppressed_form(address)
        )
    ).one_or_none()
    return None if row is None else Suppression(row.address, row.channel, row.reason, instant(row.since))


def all_suppressions(connection: Connection, channel: str | None = None) -> Iterator[Suppression]:
    """Every suppressed address, or those of one channel, in order."""
    statement = select(
        suppressions.c.address, suppressions.c.channel, suppressions.c.reason, suppressions.c.since
    ).order_by(suppressions.c.channel, suppressions.c.address)
    if channel is not None:
        statement = statement.where(suppressions.c.channel == channel)
    for address, on_channel, reason, since in connection.execute(statement):
        yield Suppression(address, on_channel, reason, instant(since))
