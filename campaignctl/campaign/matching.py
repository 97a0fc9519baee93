"""Conditions in Python: whether one contact matches, by the same rules as in SQL."""

from __future__ import annotations

import calendar
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

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


@dataclass(frozen=True)
class Facts:
    """
    What is known of one contact, and of the moment.

    `values` holds text, numbers, truth values, dates and instants. `reached`
    says whether an event happened with a message, `is_member` whether the
    contact is or was a member of a campaign.
    """

    values: Mapping[str, object]
    now: datetime
    zone: ZoneInfo
    segments: Mapping[str, Condition] = field(default_factory=dict)
    reached: Callable[[str, MessageReference], bool] = lambda _kind, _reference: False
    is_member: Callable[[str], bool] = lambda _campaign: False


def is_met(condition: Condition, facts: Facts) -> bool:
    """Whether the contact matches."""
    match condition:
        case AttributeCondition():
            return _attribute_is(condition, facts)
        case AllCondition():
            return all(is_met(each, facts) for each in condition.all)
        case AnyCondition():
            return any(is_met(each, facts) for each in condition.any)
        case NoneCondition():
            return not any(is_met(each, facts) for each in condition.none)
        case AtLeastCondition():
            return sum(is_met(each, facts) for each in condition.of) >= condition.at_least
        case SegmentCondition():
            return is_met(facts.segments[condition.segment], facts)
        case EventCondition():
            return facts.reached(condition.kind, condition.reference)
        case MemberCondition():
            return facts.is_member(condition.in_campaign)


def _attribute_is(condition: AttributeCondition, facts: Facts) -> bool:
    value = facts.values.get(condition.attribute)
    match condition.operator:
        case "exists":
            return (value is not None) == condition.exists
        case "ne":
            return value is None or not _equals(value, condition.ne)
        case "not_in":
            return value is None or not any(_equals(value, each) for each in condition.not_in)
        case _ if value is None:
            return False
        case "eq":
            return _equals(value, condition.eq)
        case "in":
            return any(_equals(value, each) for each in condition.in_)
        case "contains" | "not_contains" | "starts_with" | "ends_with" as operator:
            return isinstance(value, str) and _in_text(operator, str(condition.operand), value)
        case "within" | "older_than" | "anniversary":
            return isinstance(value, date) and _in_time(condition, value, facts)
        case "between":
            low, high = (_like(value, each, facts.zone) for each in condition.between)
            return low is not None and high is not None and low <= _plain(value) <= high
        case operator:
            other = _like(value, condition.operand, facts.zone)
            return other is not None and _COMPARISONS[operator](_plain(value), other)


_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": lambda value, other: value > other,
    "gte": lambda value, other: value >= other,
    "lt": lambda value, other: value < other,
    "lte": lambda value, other: value <= other,
    "before": lambda value, other: value < other,
    "after": lambda value, other: value > other,
}


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value


def _equals(value: object, other: object) -> bool:
    like = _like(value, other, None)
    return like is not None and _plain(value) == like


def _like(value: object, other: object, zone: ZoneInfo | None) -> Any:
    """*other* as a value of the same kind as *value*; None where the two cannot be compared."""
    match value:
        case bool():
            return int(other) if isinstance(other, bool) else None
        case datetime():
            return instant_of(other, zone) if isinstance(other, str) else None
        case date():
            return date.fromisoformat(other) if isinstance(other, str) and is_day(other) else None
        case int() | float():
            return other if isinstance(other, int | float) and not isinstance(other, bool) else None
        case _:
            return other if isinstance(other, str) else None


def _in_text(operator: str, wanted: str, value: str) -> bool:
    match operator:
        case "contains":
            return wanted in value
        case "not_contains":
            return wanted not in value
        case "starts_with":
            return value.startswith(wanted)
        case _:
            return value.endswith(wanted)


def _in_time(condition: AttributeCondition, value: date, facts: Facts) -> bool:
    today = facts.now.astimezone(facts.zone).date()
    if condition.operator == "anniversary":
        day = value.astimezone(facts.zone).date() if isinstance(value, datetime) else value
        stands_for_leap_day = (today.month, today.day) == (2, 28) and not calendar.isleap(today.year)
        days = [(today.month, today.day)] + ([(2, 29)] if stands_for_leap_day else [])
        return (day.month, day.day) in days and (not isinstance(value, datetime) or 1900 <= day.year <= today.year)
    length: timedelta = condition.within if condition.operator == "within" else condition.older_than
    since: Any = facts.now - length
    until: Any = facts.now
    if not isinstance(value, datetime):
        since, until = since.astimezone(facts.zone).date(), today
    return bool(since <= value <= until if condition.operator == "within" else value < since)
