"""Conditions as SQL over a list's contacts, every value a bound parameter."""

from __future__ import annotations

import calendar
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, and_, case, false, func, literal, not_, or_, select, true

from campaignctl.campaign.attribute import AttributeType
from campaignctl.campaign.condition import (
    AllCondition,
    AnyCondition,
    AtLeastCondition,
    AttributeCondition,
    Condition,
    EventCondition,
    MemberCondition,
    MessageReference,
    NoneCondition,
    SegmentCondition,
)
from campaignctl.campaign.moments import instant_of, is_day
from campaignctl.campaign.steps.effects import Reaction
from campaignctl.flow.states import DeliveryState
from campaignctl.store.instants import stored
from campaignctl.store.lists import Attribute, ContactList
from campaignctl.store.tables import campaigns, deliveries, events, members, steps

_EVENT_WORDS = {"opened": "open", "clicked": "click", "bounced": "bounce", "unsubscribed": "unsubscribe"}


@dataclass(frozen=True)
class Circumstances:
    """What a condition depends on besides the contact: when, where, which named segments, which campaign."""

    now: datetime
    zone: ZoneInfo
    segments: Mapping[str, Condition]
    campaign: str | None = None


def matches(condition: Condition, contacts: ContactList, given: Circumstances) -> ColumnElement[bool]:
    """
    The SQL expression that is true for contacts that match, and never unknown.

    It stands in statements over `contacts.table`.
    """

    def all_inside(conditions: list[Condition]) -> list[ColumnElement[bool]]:
        return [matches(inner, contacts, given) for inner in conditions]

    match condition:
        case AttributeCondition():
            return _attribute(condition, contacts, given)
        case AllCondition():
            return and_(*all_inside(condition.all))
        case AnyCondition():
            return or_(*all_inside(condition.any))
        case NoneCondition():
            return not_(or_(*all_inside(condition.none)))
        case AtLeastCondition():
            counted: ColumnElement[int] = literal(0)
            for part in all_inside(condition.of):
                counted = counted + case((part, 1), else_=0)
            return counted >= condition.at_least
        case SegmentCondition():
            return matches(given.segments[condition.segment], contacts, given)
        case EventCondition():
            return contacts.table.c.id.in_(_reached(condition.kind, condition.reference, contacts, given))
        case MemberCondition():
            return contacts.table.c.id.in_(
                select(members.c.contact_id)
                .join(campaigns, campaigns.c.id == members.c.campaign_id)
                .where(_is_named(condition.in_campaign), campaigns.c.list_id == contacts.id)
            )


def _attribute(condition: AttributeCondition, contacts: ContactList, given: Circumstances) -> ColumnElement[bool]:
    attribute = contacts.attribute(condition.attribute)
    if attribute is None:
        # An attribute that nobody has: only "missing" matches.
        is_met = condition.operator in ("ne", "not_in") or (condition.operator == "exists" and not condition.exists)
        return true() if is_met else false()
    column: ColumnElement[Any] = contacts.column(condition.attribute)
    match condition.operator:
        case "exists":
            return column.is_not(None) if condition.exists else column.is_(None)
        case "ne" | "not_in":
            values = condition.not_in if condition.operator == "not_in" else [condition.ne]
            return or_(column.is_(None), not_(_is_one_of(column, attribute, values)))
        case "eq" | "in":
            return and_(
                column.is_not(None),
                _is_one_of(column, attribute, condition.in_ if condition.operator == "in" else [condition.eq]),
            )
        case "within" | "older_than" | "anniversary":
            return and_(column.is_not(None), _in_time(condition, column, attribute, given))
        case "contains" | "not_contains" | "starts_with" | "ends_with":
            if attribute.type is not AttributeType.TEXT:
                return false()
            return and_(column.is_not(None), _in_text(condition.operator, str(condition.operand), column))
        case _:
            return and_(column.is_not(None), _compared(condition, column, attribute, given))


def comparable(value: object, attribute: AttributeType, zone: ZoneInfo | None = None) -> Any:
    """
    *value* of a condition as the column holds it, or None where the two cannot be compared.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match attribute:
        case AttributeType.TEXT:
            return value if isinstance(value, str) else None
        case AttributeType.INTEGER | AttributeType.NUMBER:
            return value if is_number else None
        case AttributeType.BOOLEAN:
            return int(value) if isinstance(value, bool) else None
        case AttributeType.DATE:
            return value if isinstance(value, str) and is_day(value) else None
        case AttributeType.INSTANT:
            at = instant_of(value, zone) if isinstance(value, str) else None
            return None if at is None else stored(at)


def _is_one_of(column: ColumnElement[Any], attribute: Attribute, values: list[Any]) -> ColumnElement[bool]:
    comparables = [value for value in (comparable(each, attribute.type) for each in values) if value is not None]
    return column.in_(comparables) if comparables else false()


_COMPARISONS: dict[str, Callable[[ColumnElement[Any], Any], ColumnElement[bool]]] = {
    "gt": lambda column, value: column > value,
    "gte": lambda column, value: column >= value,
    "lt": lambda column, value: column < value,
    "lte": lambda column, value: column <= value,
    "before": lambda column, value: column < value,
    "after": lambda column, value: column > value,
}


def _compared(
    condition: AttributeCondition, column: ColumnElement[Any], attribute: Attribute, given: Circumstances
) -> ColumnElement[bool]:
    if condition.operator == "between":
        low, high = (comparable(value, attribute.type, given.zone) for value in condition.between)
        return false() if low is None or high is None else column.between(low, high)
    value = comparable(condition.operand, attribute.type, given.zone)
    return false() if value is None else _COMPARISONS[condition.operator](column, value)


def _in_text(operator: str, wanted: str, column: ColumnElement[Any]) -> ColumnElement[bool]:
    # `instr` and `substr` compare exactly; LIKE would fold case and read `%`.
    match operator:
        case "contains":
            return func.instr(column, wanted) > 0
        case "not_contains":
            return func.instr(column, wanted) == 0
        case "starts_with":
            return func.substr(column, 1, len(wanted)) == wanted
        case _:
            return and_(func.length(column) >= len(wanted), func.substr(column, -len(wanted)) == wanted)


def _in_time(
    condition: AttributeCondition, column: ColumnElement[Any], attribute: Attribute, given: Circumstances
) -> ColumnElement[bool]:
    if attribute.type not in (AttributeType.DATE, AttributeType.INSTANT):
        return false()
    is_date = attribute.type is AttributeType.DATE
    today = given.now.astimezone(given.zone).date()
    if condition.operator == "anniversary":
        if not is_date:
            return _instant_anniversary(column, today, given.zone)
        days = [f"{today:%m-%d}"] + (["02-29"] if _stands_for_leap_day(today) else [])
        return func.substr(column, 6, 5).in_(days)
    length: timedelta = condition.within if condition.operator == "within" else condition.older_than
    if is_date:
        since, until = (given.now - length).astimezone(given.zone).date().isoformat(), today.isoformat()
    else:
        since, until = stored(given.now - length), stored(given.now)  # type: ignore[assignment] # like the column
    return column.between(since, until) if condition.operator == "within" else column < since


def _stands_for_leap_day(today: date) -> bool:
    return (today.month, today.day) == (2, 28) and not calendar.isleap(today.year)


def _instant_anniversary(column: ColumnElement[Any], today: date, zone: ZoneInfo) -> ColumnElement[bool]:
    """Instants that fell on this day of an earlier or the same year, in the zone: one span for each year."""
    spans = []
    for year in range(1900, today.year + 1):
        day = _same_day(today, year)
        for each in [
            day,
            *([date(year, 2, 29)] if _stands_for_leap_day(today) and calendar.isleap(year) else []),
        ]:
            if each is not None:
                start = datetime(each.year, each.month, each.day, tzinfo=zone)
                end = datetime.combine(each + timedelta(days=1), start.time(), tzinfo=zone)
                spans.append(and_(column >= stored(start), column < stored(end)))
    return or_(*spans)


def _same_day(today: date, year: int) -> date | None:
    try:
        return today.replace(year=year)
    except ValueError:  # 29 February
        return None


def _reached(kind: str, reference: MessageReference, contacts: ContactList, given: Circumstances) -> Select[Any]:
    """The ids of contacts for whose messages this happened."""
    named = reference.message.split("/")
    meant = [campaigns.c.list_id == contacts.id]
    if len(named) == 2:
        meant += [_is_named(named[0]), steps.c.name == named[1]]
    else:
        # One word is a step of this campaign, or else another campaign.
        own = and_(campaigns.c.name == given.campaign, steps.c.name == named[0])
        meant.append(or_(own, _is_named(named[0])) if given.campaign else _is_named(named[0]))
    since = None if reference.within is None else stored(given.now - reference.within)
    if kind == "received":
        found = (
            select(deliveries.c.contact_id)
            .join(steps, steps.c.id == deliveries.c.step_id)
            .where(deliveries.c.state == DeliveryState.SENT.value)
        )
        at = deliveries.c.changed_at
    else:
        found = (
            select(events.c.contact_id)
            .join(steps, steps.c.id == events.c.step_id)
            .where(events.c.kind == _EVENT_WORDS[kind], events.c.is_machine.is_(False))
        )
        at = events.c.at
        if reference.link:
            found = found.where(begins_with(events.c.url, reference.link))
    found = found.join(campaigns, campaigns.c.id == steps.c.campaign_id).where(*meant)
    return found if since is None else found.where(at >= since)


def _is_named(name: str) -> ColumnElement[bool]:
    """Whether a campaign has this name, or is an occurrence of the recurring one that has it."""
    series = campaigns.alias("series")
    of_series = select(series.c.id).where(series.c.name == name)
    return or_(campaigns.c.name == name, campaigns.c.series_id.in_(of_series))


def begins_with(column: ColumnElement[Any], prefix: str) -> ColumnElement[bool]:
    """Whether text begins with *prefix*, exactly."""
    return func.substr(column, 1, len(prefix)) == prefix


def reacted(reaction: Reaction, step_id: int, contact_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether a contact did, or did not do, this with the message of a step."""
    if reaction.kind == "sent":
        found = select(deliveries.c.contact_id).where(
            deliveries.c.step_id == step_id, deliveries.c.state == DeliveryState.SENT.value
        )
    else:
        found = select(events.c.contact_id).where(
            events.c.step_id == step_id, events.c.kind == reaction.kind, events.c.is_machine.is_(False)
        )
        if reaction.link:
            found = found.where(begins_with(events.c.url, reaction.link))
    return contact_id.in_(found) if reaction.is_wanted else contact_id.not_in(found)
