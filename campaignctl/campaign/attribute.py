"""What a contact's attribute can be."""

from __future__ import annotations

import re
from datetime import date, datetime
from enum import StrEnum

ATTRIBUTE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


class AttributeType(StrEnum):
    """What the values of an attribute are."""

    TEXT = "text"  # any text; compared without case folding
    INTEGER = "integer"  # a whole number of at most 18 digits
    NUMBER = "number"  # a number with a point
    BOOLEAN = "boolean"  # true or false; kept as 1 or 0
    DATE = "date"  # a day of the calendar; kept as YYYY-MM-DD
    INSTANT = "instant"  # a moment in time; kept as microseconds since 1970-01-01, UTC


AttributeValue = str | int | float | bool | date | datetime
