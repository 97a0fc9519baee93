"""Statements about what a provider tells of single messages, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects.sqlite import insert

from campaignctl.flow.states import DeliveryState
from campaignctl.store.conversions import ConversionStatements
from campaignctl.store.events import EventKind
from campaignctl.store.instants import stored
from campaignctl.store.lists import known_list
from campaignctl.store.suppressions import EMAIL, SMS, suppress
from campaignctl.store.tables import campaigns, deliveries, events, lists, steps
from campaignctl.store.uncertain import Resolution

_TOPIC: Final = "topic:"


class Told(NamedTuple):
    """
    What happened with the message of a step to a contact.

    `kind` is None where the message arrived, and nothing more is known; `at`
    is None where nobody says when. `phone` is the number that a text message
    went to, in its international form: a list has it in any. Whoever left a
    `topic` wants the others.
    """

    step_id: int
    contact_id: int
    kind: EventKind | None
    at: datetime | None
    url: str = ""
    is_machine: bool = False
    is_hard: bool = False
    phone: str = ""
    topic: str = ""

    @property
    def delivery(self) -> tuple[int, int]:
        return self.step_id, self.contact_id

    @property
    def suppresses_for(self) -> str | None:
        """Why the address must not be written to any more; None where it may."""
        match self.kind:
            case EventKind.UNSUBSCRIBE if not self.topic:
                return "unsubscribed"
            case EventKind.COMPLAINT:
                return "complaint"
            case EventKind.BOUNCE if self.is_hard:
                return "hard_bounce"
        return None


class TakenEvents(NamedTuple):
    """How many events are new, how many belong to no delivery, and how many addresses are newly suppressed."""

    added: int = 0
    without_delivery: int = 0
    newly_suppressed: int = 0


_DELIVERY: Final = (
    select(
        deliveries.c.made_at,
        deliveries.c.state,
        steps.c.verb,
        campaigns.c.name.label("campaign"),
        lists.c.name.label("list"),
    )
    .join_from(deliveries, steps, steps.c.id == deliveries.c.step_id)
    .join(campaigns, campaigns.c.id == steps.c.campaign_id)
    .join(lists, lists.c.id == campaigns.c.list_id)
    .where(deliveries.c.step_id == bindparam("step"), deliveries.c.contact_id == bindparam("contact"))
)
_ADD: Final = insert(events).on_conflict_do_nothing()

_Found = dict[tuple[int, int], Any]  # by step and contact


class ToldStatements(ConversionStatements):
    """Bringing in events whose deliveries are known by their numbers, a few at a time."""

    connection: Connection

    def take_told(self, told: Sequence[Told], now: datetime) -> TakenEvents:
        """Write down each event once, with what follows from it, in this transaction."""
        found = self._deliveries_of(told)
        known = [each for each in told if each.delivery in found]
        rows = [_row(each, found) for each in known if each.kind is not None]
        added = self.connection.execute(_ADD, rows).rowcount if rows else 0
        self._take_as_evidence(known, found, now)
        self.credit_again({each.contact_id for each in known if each.kind in (EventKind.OPEN, EventKind.CLICK)})
        suppressed = sum(self._suppress_told(each, found, now) for each in known)
        return TakenEvents(added, len(told) - len(known), suppressed)

    def take_phones(self, phones: Iterable[str], now: datetime) -> int:
        """Who answered a text message that no more are wanted; how many numbers are newly suppressed."""
        return sum(suppress(self.connection, SMS, phone, "unsubscribed", now) for phone in phones)

    def _deliveries_of(self, told: Sequence[Told]) -> _Found:
        found: _Found = {}
        for step, contact in dict.fromkeys(each.delivery for each in told):
            row = self.connection.execute(_DELIVERY, {"step": step, "contact": contact}).one_or_none()
            if row is not None:
                found[step, contact] = row
        return found

    def _take_as_evidence(self, known: Sequence[Told], found: _Found, now: datetime) -> None:
        """As with events from a file: only what says that there is no such address proves a failure."""
        arrived: dict[tuple[int, int], bool] = {}
        for each in known:
            if found[each.delivery].state == DeliveryState.UNCERTAIN:
                has_failed = each.kind is EventKind.BOUNCE and each.is_hard
                arrived[each.delivery] = arrived.get(each.delivery, False) or not has_failed
        for resolution, wanted in ((Resolution.SENT, True), (Resolution.FAILED, False)):
            proven = [delivery for delivery, is_so in arrived.items() if is_so is wanted]
            self.resolve_by_evidence(proven, resolution, now)

    def _suppress_told(self, each: Told, found: _Found, now: datetime) -> bool:
        reason = each.suppresses_for
        if reason is None:
            return False
        row = found[each.delivery]
        if row.verb == "sms":
            return bool(each.phone) and suppress(self.connection, SMS, each.phone, reason, now)
        campaign, contacts = self.known_campaign(row.campaign), known_list(self.connection, row.list)
        attribute = self.roles_in(campaign, campaign.version).email
        if attribute is None or contacts.attribute(attribute) is None:
            return False
        column = contacts.column(attribute)
        address = self.connection.scalar(select(column).where(contacts.table.c.id == each.contact_id))
        return bool(address) and suppress(self.connection, EMAIL, str(address), reason, now)


def topic_url(topic: str) -> str:
    """
    What stands in the place of a link where somebody left a topic.

    >>> topic_url("offers")
    'topic:offers'
    """
    return f"{_TOPIC}{topic}"


def topic_in(url: str | None) -> str | None:
    """
    The topic that was left, where this stands in the place of a link; None where it is one, or nothing.

    >>> topic_in("topic:offers"), topic_in("https://shop.example/")
    ('offers', None)
    """
    return url.removeprefix(_TOPIC) if url is not None and url.startswith(_TOPIC) else None


def _row(each: Told, found: _Found) -> dict[str, object]:
    return {
        "step_id": each.step_id,
        "contact_id": each.contact_id,
        "kind": each.kind,
        # It must not depend on when we hear of it, or hearing it twice would make two events.
        "at": found[each.delivery].made_at if each.at is None else stored(each.at),
        "url": topic_url(each.topic) if each.topic else each.url,
        "is_machine": each.is_machine,
    }
