"""Values of attributes: from what a file or template says to what a column holds."""

from __future__ import annotations

from typing import Any

from campaignctl.campaign.attribute import AttributeType
from campaignctl.campaign.moments import instant_of, is_day
from campaignctl.store.instants import stored


def type_of(value: object) -> AttributeType:
    """The type of a new attribute that is first given *value*."""
    match value:
        case bool():
            return AttributeType.BOOLEAN
        case int():
            return AttributeType.INTEGER
        case float():
            return AttributeType.NUMBER
        case str() if is_day(value):
            return AttributeType.DATE
        case _:
            return AttributeType.TEXT


def as_stored(value: object, kind: AttributeType) -> Any:
    """
    *value* as a column of this type holds it.

    Raises:
        ValueError: it is no value of the type.

    >>> as_stored("3", AttributeType.INTEGER), as_stored(True, AttributeType.BOOLEAN), as_stored(7, AttributeType.TEXT)
    (3, 1, '7')
    """
    if value is None:
        return None
    text = str(value).strip()
    match kind:
        case AttributeType.TEXT:
            return {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)
        case AttributeType.INTEGER:
            return int(text)
        case AttributeType.NUMBER:
            return float(text)
        case AttributeType.BOOLEAN if text.lower() in ("true", "false", "1", "0"):
            return int(text.lower() in ("true", "1"))
        case AttributeType.DATE if is_day(text):
            return text
        case AttributeType.INSTANT if (at := instant_of(text, None)) is not None:
            return stored(at)
    raise ValueError(text)
