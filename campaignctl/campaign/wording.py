"""Conditions in words, and why a contact does not match one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final

from campaignctl.campaign.condition import (
    AllCondition,
    AnyCondition,
    AtLeastCondition,
    AttributeCondition,
    Condition,
    EventCondition,
    MemberCondition,
    NoneCondition,
    SegmentCondition,
)
from campaignctl.campaign.fields import duration_text

_OPERATORS: Final = {
    "eq": "is", "ne": "is not", "in": "is one of", "not_in": "is none of", "gt": "is above", "gte": "is at least",
    "lt": "is below", "lte": "is at most", "between": "is between", "contains": "contains",
    "not_contains": "does not contain", "starts_with": "begins with", "ends_with": "ends with",
    "before": "is before", "after": "is after", "within": "is in the last", "older_than": "is longer ago than",
}  # fmt: skip


def told(condition: Condition) -> str:
    """
    A condition in one line.

    >>> told(AttributeCondition.model_validate({"attribute": "country", "in": ["FR", "BE"]}))
    '`country` is one of FR, BE'
    """
    match condition:
        case AttributeCondition():
            return f"`{condition.attribute}` {_compared(condition)}"
        case AllCondition():
            return _joined(condition.all, " and ")
        case AnyCondition():
            return _joined(condition.any, " or ")
        case NoneCondition():
            return f"none of: {_joined(condition.none, ', ')}"
        case AtLeastCondition():
            return f"at least {condition.at_least} of: {_joined(condition.of, ', ')}"
        case SegmentCondition():
            return f"is in the segment `{condition.segment}`"
        case EventCondition():
            return f"{condition.kind} `{condition.reference.message}`"
        case MemberCondition():
            return f"is a member of `{condition.in_campaign}`"


def _joined(conditions: list[Condition], word: str) -> str:
    return word.join(told(inner) for inner in conditions)


def _compared(condition: AttributeCondition) -> str:
    match condition.operator:
        case "exists":
            return "has a value" if condition.exists else "has no value"
        case "anniversary":
            return "has its day today"
    operand = condition.operand
    if isinstance(operand, timedelta):
        words = duration_text(operand)
    elif isinstance(operand, list):
        words = (" and " if condition.operator == "between" else ", ").join(map(str, operand))
    else:
        words = str(operand)
    return f"{_OPERATORS[condition.operator]} {words}"


def why_not(
    condition: Condition,
    holds: Callable[[Condition], bool],
    segments: Mapping[str, Condition],
    values: Mapping[str, object],
) -> str:
    """
    Why a contact with these attribute *values* does not match *condition*: the innermost part that decides it.

    *holds* says of a part whether the contact matches it.
    """

    def inside(part: Condition) -> str:
        return why_not(part, holds, segments, values)

    match condition:
        case AllCondition():
            return inside(next(part for part in condition.all if not holds(part)))
        case AnyCondition() if len(condition.any) > 1:
            return f"none of these holds: {_joined(condition.any, ', ')}"
        case AnyCondition():
            return inside(condition.any[0])
        case NoneCondition():
            return f"excluded, because it holds: {told(next(part for part in condition.none if holds(part)))}"
        case AtLeastCondition():
            met = sum(map(holds, condition.of))
            return f"only {met} of these hold, and {condition.at_least} have to: {_joined(condition.of, ', ')}"
        case SegmentCondition():
            return f"not in the segment `{condition.segment}`: {inside(segments[condition.segment])}"
        case AttributeCondition():
            value = values.get(condition.attribute)
            has = "has no value" if value is None else f"is {value}"
            return f"`{condition.attribute}` {has}; wanted: {_compared(condition)}"
        case EventCondition() | MemberCondition():
            return f"it does not hold: {told(condition)}"
