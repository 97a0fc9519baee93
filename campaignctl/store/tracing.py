"""Statements about one contact in one campaign."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, and_, func, select

from campaignctl.campaign.condition import Condition
from campaignctl.campaign.version import Version
from campaignctl.flow.machines import Hit, Sign, signs_among
from campaignctl.flow.states import DeliveryState
from campaignctl.flow.tree import Turn, turns_of
from campaignctl.ports import LiveCampaign
from campaignctl.store.conditions import matches
from campaignctl.store.conversions import value_of
from campaignctl.store.events import EventKind
from campaignctl.store.hits import hit_of
from campaignctl.store.instants import instant
from campaignctl.store.lists import ContactList
from campaignctl.store.members import circumstances
from campaignctl.store.tables import agents, conversions, deliveries, events, members, steps, ways


@dataclass(frozen=True)
class Membership:
    """The way of a member, and the position of the step at which they left."""

    turns: tuple[Turn, ...]
    left_at: int | None


@dataclass(frozen=True)
class TracedDelivery:
    """What became of one message."""

    state: DeliveryState
    reason: str | None
    detail: str | None
    attempts: int
    changed_at: datetime
    next_attempt_at: datetime | None


@dataclass(frozen=True)
class TracedEvent:
    """
    What a contact or a server did with a message.

    `why` says of what a machine did how that is known. A conversion has an
    `id`, and a value where it was told.
    """

    event: str
    at: datetime
    url: str = ""
    machine: bool = False
    why: Sign | None = None
    id: str | None = None
    value: float | None = None
    currency: str | None = None


def membership(connection: Connection, campaign: LiveCampaign, contact_id: int) -> Membership | None:
    """How a contact takes part; None where they do not."""
    found = connection.execute(
        select(ways.c.path, steps.c.position)
        .select_from(members)
        .join(ways, ways.c.id == members.c.way_id)
        .outerjoin(steps, steps.c.id == members.c.left_at_step)
        .where(members.c.campaign_id == campaign.id, members.c.contact_id == contact_id)
    ).one_or_none()
    return None if found is None else Membership(tuple(turns_of(found.path)), found.position)


def deliveries_to(connection: Connection, campaign: LiveCampaign, contact_id: int) -> Mapping[int, TracedDelivery]:
    """The messages of a campaign to one contact, by step."""
    rows = connection.execute(
        select(deliveries).where(
            deliveries.c.step_id.in_([step.id for step in campaign.steps]), deliveries.c.contact_id == contact_id
        )
    )
    return {
        row.step_id: TracedDelivery(
            DeliveryState(row.state),
            row.reason,
            row.detail,
            row.attempts,
            instant(row.changed_at),
            instant(row.next_attempt_at),
        )
        for row in rows
    }


def events_of(connection: Connection, campaign: LiveCampaign, contact_id: int) -> Mapping[int, list[TracedEvent]]:
    """What happened with a campaign's messages to one contact, by step, first to last."""
    found: dict[int, list[TracedEvent]] = {}
    hits: dict[int, list[tuple[int, Hit]]] = {}
    of_steps = [step.id for step in campaign.steps]
    for row in connection.execute(
        select(events, agents.c.name)
        .outerjoin(agents, agents.c.id == events.c.agent_id)
        .where(events.c.step_id.in_(of_steps), events.c.contact_id == contact_id)
        .order_by(events.c.at, events.c.id)
    ):
        of_step = found.setdefault(row.step_id, [])
        if row.agent_id is not None:
            hits.setdefault(row.step_id, []).append((len(of_step), hit_of(row)))
        why = Sign.REPORTED if row.is_machine else None
        of_step.append(TracedEvent(row.kind, instant(row.at), row.url, row.is_machine, why))
    for step, seen in hits.items():
        for (place, _), sign in zip(seen, signs_among([hit for _, hit in seen]), strict=True):
            found[step][place] = replace(found[step][place], why=sign)
    for row in connection.execute(
        select(conversions)
        .where(conversions.c.step_id.in_(of_steps), conversions.c.contact_id == contact_id)
        .order_by(conversions.c.id)
    ):
        found.setdefault(row.step_id, []).append(
            TracedEvent(
                EventKind.CONVERSION, instant(row.at), id=row.order_id, value=value_of(row), currency=row.currency
            )
        )
    return {step: sorted(each, key=lambda event: event.at) for step, each in found.items()}


def holds_for(
    connection: Connection, contacts: ContactList, contact_id: int, version: Version, now: datetime
) -> Callable[[Condition], bool]:
    """What says of a condition whether the contact matches it now."""

    def holds(condition: Condition) -> bool:
        found = select(func.count()).where(
            and_(contacts.table.c.id == contact_id, matches(condition, contacts, circumstances(version, now)))
        )
        return bool(connection.scalars(found).one())

    return holds
