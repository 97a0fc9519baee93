"""From what a provider tells to the store: each event with the delivery whose mark it brings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from campaignctl.message.links import Purpose
from campaignctl.providers.event import Happened, ProviderEvent
from campaignctl.store.events import EventKind
from campaignctl.store.ledger import SqlStore
from campaignctl.store.told import Told


class Opens(Protocol):
    """Opens tokens: a `links.KeyRing`."""

    def opened(self, purpose: Purpose, token: str) -> tuple[int, int] | None: ...


class Taken(NamedTuple):
    """
    What came of a request: every event of it was read.

    Those that are not new were known before, or only prove that a message
    arrived. `unmatched` belong to no delivery of this store: other mail of the
    same account.
    """

    read: int
    added: int = 0
    unmatched: int = 0
    newly_suppressed: int = 0


def take(store: SqlStore, keys: Opens, events: Sequence[ProviderEvent], now: datetime) -> Taken:
    """
    Bring in what a provider told, each event once, however often it comes.

    Raises:
        StoreError: the store cannot be written now; nothing was brought in.
    """
    told: list[Told] = []
    phones: list[str] = []
    for event in events:
        delivery = keys.opened(Purpose.EVENT, event.mark) or _called(store, event.message_id)
        if delivery is not None:
            told.append(_told(event, delivery))
        elif event.phone and event.kind is Happened.UNSUBSCRIBE:
            # Whoever answers STOP names no message, and wants no other one either.
            phones.append(event.phone)
    unmatched = len(events) - len(phones) - len(told)
    if not phones and not told:
        return Taken(len(events), unmatched=unmatched)
    with store.writing() as ledger:
        taken = ledger.take_told(told, now)
        suppressed = taken.newly_suppressed + ledger.take_phones(phones, now)
    return Taken(len(events), taken.added, unmatched + taken.without_delivery, suppressed)


def _called(store: SqlStore, message_id: str) -> tuple[int, int] | None:
    if not message_id:
        return None
    with store.reading() as ledger:
        return ledger.delivery_called(message_id)


def _told(event: ProviderEvent, delivery: tuple[int, int]) -> Told:
    kind = None if event.kind is Happened.DELIVERED else EventKind(event.kind.value)
    return Told(*delivery, kind, event.at, event.url, event.is_machine, event.is_hard, event.phone)
