"""What fields of the files hold: names, texts, durations, shares, rates, values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Any, NoReturn

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    Tag,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, PydanticCustomError

from campaignctl.campaign.cron import CRON, Cron
from campaignctl.campaign.moments import is_day
from campaignctl.campaign.offset import OFFSET, parse_step_time
from campaignctl.campaign.offset import StepTime as AnyTime
from campaignctl.campaign.source import Plain
from campaignctl.campaign.when import When
from campaignctl.diagnostics import did_you_mean

NAME = "[a-z0-9][a-z0-9-]{0,62}"
ATTRIBUTE = "[A-Za-z_][A-Za-z0-9_]{0,62}"

NAME_SCHEMA: dict[str, Any] = {"type": ["string", "integer", "boolean"], "pattern": f"^{NAME}$", "minimum": 0}

Literal = str | bool | int | float | None


class Model(BaseModel):
    """A mapping of the language: its keys are known, and it never changes once read."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, defer_build=True, arbitrary_types_allowed=True, populate_by_name=True
    )


def complain(message: str, hint: str = "", code: str = "C112", at: str = "") -> NoReturn:
    """Refuse the value under validation, in our words; *at* is the key inside it that has to change."""
    raise PydanticCustomError("ours", "{message}", {"message": message, "hint": hint, "code": code, "at": at})


def _text(value: Any) -> str:
    if not isinstance(value, str):
        complain(f"{_kind(value)} stands where text should be", "write text, in quotes if in doubt")
    if value == "" or is_missing(value):
        complain("the value is missing", "write it after the colon")
    return str(value)


def is_missing(value: Any) -> bool:
    """Whether nothing stands where a value should be."""
    return isinstance(value, Plain) and value in _NULLS


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return "a value"


def shown(value: Any) -> str:
    """A value as a message quotes it."""
    if isinstance(value, str):
        return f"`{value if len(value) <= 60 else value[:57] + '…'}`"
    return _kind(value)


def read_as(
    parse: Callable[[str], Any],
    what: str,
    example: str,
    *,
    pattern: str | None = None,
    code: str = "C112",
    stored_as: type = str,
    as_yaml: tuple[str, ...] = (),
    known: Callable[[], Iterable[str]] = tuple,
) -> tuple[BeforeValidator, WithJsonSchema]:
    """
    A field that *parse* reads from text; *what* and *example* make the message and the schema.

    A value that comes back from JSON is already of the type *stored_as*.
    *as_yaml* are the types that other readers of YAML make of such a text: to
    them `7` is a number, and an editor must not call it wrong. *known* are the
    words among which the nearest to a wrong one is looked for.
    """

    def validate(value: Any) -> Any:
        if stored_as is not str and type(value) is stored_as:
            return value
        if is_missing(value):
            complain("the value is missing", f"write one like `{example}`", code)
        if isinstance(value, str):
            try:
                return parse(value)
            except (ValueError, ArithmeticError):
                pass
        complain(f"{shown(value)} is not {what}", did_you_mean(str(value), known(), f"write it like `{example}`"), code)

    schema: dict[str, Any] = {
        "type": ["string", *as_yaml] if as_yaml else "string",
        "examples": [example if stored_as is str else parse(example)],
    }
    if pattern:
        schema["pattern"] = f"^(?:{pattern})$"
    if "integer" in as_yaml:
        schema["minimum"] = 0
    return BeforeValidator(validate), WithJsonSchema(schema)


class Shorthand:
    """Says in the JSON Schema that a value may also be written in this shorter way."""

    def __init__(self, **schema: Any) -> None:
        self._schema = schema

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [self._schema, handler(core_schema)]}


def _matching(pattern: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def parse(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(text)
        return str(text)

    return parse


_DURATION = r"[1-9]\d{0,6}[smhd]"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(text: str) -> timedelta:
    """
    A length of time.

    >>> parse_duration("90s"), parse_duration("2d")
    (datetime.timedelta(seconds=90), datetime.timedelta(days=2))
    """
    if not re.fullmatch(_DURATION, text):
        raise ValueError(text)
    return timedelta(**{_UNITS[text[-1]]: int(text[:-1])})


def duration_text(duration: timedelta) -> str:
    """
    A length of time as the language writes it.

    >>> duration_text(timedelta(minutes=90)), duration_text(timedelta(hours=2))
    ('90m', '2h')
    """
    seconds = int(duration.total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


_SHARE = r"(?:100(?:\.0+)?|(?!0+(?:\.0+)?%)\d{1,2}(?:\.\d{1,6})?)%"


def parse_share(text: str) -> Decimal:
    """
    A part of a hundred.

    >>> parse_share("12.5%")
    Decimal('12.5')
    """
    if not re.fullmatch(_SHARE, text):
        raise ValueError(text)
    return Decimal(text[:-1])


def _whole_number(text: str) -> int:
    if not re.fullmatch(_WHOLE_NUMBER, text):
        raise ValueError(text)
    return int(text)


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(text)
    return text == "true"


def _day_or_time(text: str) -> str:
    if not is_day(text):
        When.parse(text)
    return str(text)


_NUMBER = re.compile(r"[-+]?(?:0|[1-9]\d*)(\.\d+)?(?:[eE][-+]?\d+)?")
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


def read_literal(value: Any) -> Literal:
    """
    What a scalar means where any value may stand, by YAML's core schema; quoted ones are text.

    >>> read_literal(Plain("12")), read_literal(Plain("0123")), read_literal(Plain("NO")), read_literal("12")
    (12, '0123', 'NO', '12')
    """
    if not isinstance(value, Plain):
        if isinstance(value, str | bool | int | float) or value is None:
            return value
        complain(f"{_kind(value)} stands where one value should be", "write text, a number, true or false")
    if value in _NULLS:
        return None
    if value in _BOOLEANS:
        return _BOOLEANS[value]
    if (match := _NUMBER.fullmatch(value)) and len(value) <= 30:
        number = float(value)
        return number if match.group(1) or "e" in value.lower() else int(value)
    return str(value)


def _kind_tag(value: Any) -> str:
    return "<text>" if isinstance(value, str) else "<mapping>"


# Fields that may be text or a mapping: each kind is tagged, and `BY_KIND` tells them apart.
AS_TEXT = Tag("<text>")
AS_MAPPING = Tag("<mapping>")
BY_KIND = Discriminator(_kind_tag)


# Other readers of YAML take a text like `2026` or `true` for a number or a truth value.
_AS_TEXT_SCHEMA: dict[str, Any] = {"type": ["string", "number", "boolean"], "minLength": 1}
Text = Annotated[str, BeforeValidator(_text), Field(min_length=1), WithJsonSchema(_AS_TEXT_SCHEMA)]
Name = Annotated[
    str,
    *read_as(
        _matching(NAME),
        "a name (small letters, digits and `-`)",
        "spring-sale",
        pattern=NAME,
        code="C113",
        as_yaml=("integer", "boolean"),
    ),
]
AttributeName = Annotated[
    str,
    *read_as(
        _matching(ATTRIBUTE),
        "the name of an attribute",
        "country",
        pattern=ATTRIBUTE,
        code="C113",
        as_yaml=("boolean",),
    ),
]
_WHOLE_NUMBER = r"0|[1-9]\d{0,8}"
Count = Annotated[
    int,
    *read_as(_whole_number, "a whole number", "500", pattern=_WHOLE_NUMBER, stored_as=int, as_yaml=("integer",)),
]
Flag = Annotated[
    bool,
    *read_as(_flag, "`true` or `false`", "true", pattern="true|false", stored_as=bool, as_yaml=("boolean",)),
]
Value = Annotated[Any, BeforeValidator(read_literal), WithJsonSchema({"type": ["string", "number", "boolean", "null"]})]
# What an attribute is compared with: never nothing.
Operand = Annotated[Any, BeforeValidator(read_literal), WithJsonSchema({"type": ["string", "number", "boolean"]})]
_CLOCK = r"(?:[01]\d|2[0-3]):[0-5]\d"
_HOUR = rf"{_CLOCK}(?::[0-5]\d)?"
_DAY = r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_TIME = f"{_DAY}(?: {_HOUR}|[ T]{_HOUR}(?:Z|[+-]{_CLOCK}))"
Time = Annotated[
    When,
    *read_as(When.parse, "a time", "2026-12-01 09:00", pattern=_TIME, code="C114"),
    PlainSerializer(lambda when: when.text, return_type=str),
]
StepTime = Annotated[
    AnyTime,
    *read_as(parse_step_time, "a time", "2026-12-01 09:00", pattern=f"{_TIME}|{OFFSET}", code="C114"),
    PlainSerializer(lambda when: when.text, return_type=str),
]
Until = Annotated[str, *read_as(_day_or_time, "a day or a time", "2027-12-31", pattern=f"{_DAY}|{_TIME}", code="C114")]
CronRule = Annotated[
    Cron,
    *read_as(Cron.parse, "a cron rule of five fields", "0 9 * * MON", pattern=CRON, code="C123"),
    PlainSerializer(lambda rule: rule.text, return_type=str),
]
Duration = Annotated[
    timedelta,
    *read_as(parse_duration, "a duration", "15m", pattern=_DURATION, code="C115"),
    PlainSerializer(duration_text, return_type=str),
]
Share = Annotated[
    Decimal,
    *read_as(parse_share, "a share", "30%", pattern=_SHARE, code="C116"),
    PlainSerializer(lambda share: f"{share}%", return_type=str),
]
Rate = Annotated[
    str,
    *read_as(
        _matching(r"[1-9]\d{0,8}/(?:s|min|h|d)"),
        "a rate",
        "200/s",
        pattern=r"[1-9]\d{0,8}/(s|min|h|d)",
        code="C117",
    ),
]
Country = Annotated[
    str,
    # To other readers of YAML `NO` is no country.
    *read_as(_matching("[A-Z]{2}"), "a country of two letters", "FR", pattern="[A-Z]{2}", as_yaml=("boolean",)),
]
# A signed token follows the local part, which may have 64 octets in all.
_BOUNCE_MAILBOX = (
    r"(?=[^@]{1,19}@.{4,180}$)[A-Za-z0-9_-]+(?:[.+][A-Za-z0-9_-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}"
)
BounceMailbox = Annotated[
    str,
    *read_as(
        _matching(_BOUNCE_MAILBOX),
        "a bounce mailbox (an address with at most 19 characters before the `@`)",
        "bounces@shop.example",
        pattern=_BOUNCE_MAILBOX,
    ),
]
_DOMAIN = r"(?=.{1,253}$)(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9-]{2,63}"
Domain = Annotated[str, *read_as(_matching(_DOMAIN), "a domain", "shop.example", pattern=_DOMAIN)]
_PARAMETER = "[A-Za-z][A-Za-z0-9_-]{0,31}"
ParameterName = Annotated[
    str,
    *read_as(
        _matching(_PARAMETER),
        "the name of a parameter (letters, digits, `_` and `-`)",
        "cctl",
        pattern=_PARAMETER,
        as_yaml=("boolean",),
    ),
]
_SELECTOR = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?){0,3}"
Selector = Annotated[
    str, *read_as(_matching(_SELECTOR), "the name of a key in DNS", "c1", pattern=_SELECTOR, as_yaml=("integer",))
]
Window = Annotated[
    str,
    *read_as(
        _matching(f"{_CLOCK}-{_CLOCK}"),
        "a window of the day",
        "09:00-18:00",
        pattern=f"{_CLOCK}-{_CLOCK}",
        code="C118",
    ),
]
