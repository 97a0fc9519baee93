"""
What must hold of a ledger and of what a mail server took, whatever happened in between.

Each function gives the sentences that are not true: none where all is well.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass

from faults.relay import Relay
from faults.shop import Shop
from faults.witness import not_in_the_journal

from campaignctl.store.database import sqlite_module

# A message in one of these is not to arrive, or may not have.
_MAY_BE_MISSING = frozenset({"skipped", "failed", "rejected", "cancelled", "uncertain"})
_FINAL = frozenset({"sent", "skipped", "failed", "rejected", "cancelled"})


@dataclass(frozen=True)
class Delivery:
    """A row of the ledger."""

    state: str
    attempts: int


@dataclass(frozen=True)
class Figures:
    """What came of trials. No more may be doubled, or be uncertain, than were `without_verdict`."""

    runs: int
    messages: int
    crashes: int
    breaks: int
    accepts: int
    lost: int
    doubled: int
    uncertain: int
    without_verdict: int

    def __add__(self, other: Figures) -> Figures:
        return Figures(*(one + more for one, more in zip(astuple(self), astuple(other), strict=True)))


NOTHING = Figures(0, 0, 0, 0, 0, 0, 0, 0, 0)


@contextmanager
def looked_into(shop: Shop) -> Iterator[sqlite3.Connection]:
    """A connection to the shop's store, with the driver that the program uses."""
    connection: sqlite3.Connection = sqlite_module().connect(shop.store, timeout=60)
    with closing(connection):
        yield connection


def ledger_of(shop: Shop) -> dict[str, Delivery]:
    """The deliveries of the shop's campaign, by address."""
    with looked_into(shop) as connection:
        table = connection.execute("SELECT 'contacts_' || id FROM lists").fetchone()[0]
        column = connection.execute("SELECT column_name FROM attributes WHERE name = 'email'").fetchone()[0]
        rows = connection.execute(
            f'SELECT "{column}", state, attempts FROM deliveries JOIN "{table}" ON id = contact_id'
        ).fetchall()
    return {address: Delivery(state, attempts) for address, state, attempts in rows}


def figures(shop: Shop, relay: Relay, crashes: int) -> Figures:
    """Counted from the ledger and from what was accepted."""
    ledger, accepts = ledger_of(shop), Counter(each.recipient for each in relay.accepted())
    return Figures(
        runs=1,
        messages=len(ledger),
        crashes=crashes,
        breaks=relay.breaks(),
        accepts=accepts.total(),
        lost=sum(one.state not in _MAY_BE_MISSING and not accepts[address] for address, one in ledger.items()),
        doubled=sum(number - 1 for number in accepts.values() if number > 1),
        uncertain=sum(one.state == "uncertain" for one in ledger.values()),
        without_verdict=crashes * shop.connections + relay.breaks(),
    )


def broken_in_between(shop: Shop, relay: Relay, before: Mapping[str, Delivery] | None = None) -> list[str]:
    """What is wrong just after a crash; *before* is the ledger after the crash before."""
    ledger = ledger_of(shop)
    return [*_always(shop, ledger, relay), *_changed_at_the_end(before or {}, ledger)]


def broken_at_the_end(shop: Shop, relay: Relay, crashes: int) -> list[str]:
    """What is wrong when all was worked on, with a healthy relay in the end."""
    ledger = ledger_of(shop)
    found, accepts = figures(shop, relay, crashes), Counter(each.recipient for each in relay.accepted())
    problems = [*_always(shop, ledger, relay)]
    open_states = {one.state for one in ledger.values()} - _FINAL
    if open_states - (set() if shop.may_repeat else {"uncertain"}):
        problems.append(f"not drained: {open_states}")
    if found.lost:
        problems.append(f"{found.lost} messages are lost")
    most = found.without_verdict if shop.may_repeat else 0
    if found.doubled > most:
        problems.append(f"{found.doubled} messages were doubled, and {most} may be")
    if found.uncertain > found.without_verdict:
        problems.append(f"{found.uncertain} messages are uncertain, and {found.without_verdict} may be")
    unwanted = [address for address, one in ledger.items() if one.state == "cancelled" and accepts[address]]
    if unwanted:
        problems.append(f"cancelled and yet accepted: {unwanted[:3]}")
    return problems


def _always(shop: Shop, ledger: Mapping[str, Delivery], relay: Relay) -> Iterator[str]:
    accepts: Counter[str] = Counter()
    shapes: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for each in relay.accepted():
        accepts[each.recipient] += 1
        shapes[each.recipient].add((each.message_id, each.digest))
    if ledger and len(ledger) != shop.contacts:
        yield f"the cohort has {shop.contacts} members and {len(ledger)} deliveries"
    for address, number in accepts.items():
        one = ledger.get(address)
        if one is None or number > one.attempts:
            yield f"{address} was accepted {number} times, with {one.attempts if one else 0} intents"
        if len(shapes[address]) != 1:
            yield f"{address} was sent {len(shapes[address])} different messages"
        if number > 1 and not shop.may_repeat:
            yield f"{address} was sent at most once, {number} times"
    with looked_into(shop) as connection:
        yield from not_in_the_journal(connection)
    for address, one in ledger.items():
        if one.state == "sent" and not accepts[address]:
            yield f"{address} counts as sent, and was not accepted"


def _changed_at_the_end(before: Mapping[str, Delivery], after: Mapping[str, Delivery]) -> Iterator[str]:
    for address, one in before.items():
        if one.state in _FINAL and after[address].state != one.state:
            yield f"{address} was {one.state} for good, and is {after[address].state}"
