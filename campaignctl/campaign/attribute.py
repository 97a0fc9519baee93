"""What kinds of values the attributes of a list hold."""

from enum import StrEnum


class AttributeType(StrEnum):
    """What an attribute's values are."""

    TEXT = "text"  # any text
    INTEGER = "integer"  # a whole number
    NUMBER = "number"  # a number, with or without a fraction
    BOOLEAN = "boolean"  # true or false
    DATE = "date"  # a day of the calendar
    INSTANT = "instant"  # a point in time
