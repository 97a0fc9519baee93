"""Conditions: what a contact must be like."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from campaignctl.campaign.fields import (
    AS_MAPPING,
    AS_TEXT,
    BY_KIND,
    NAME,
    NAME_SCHEMA,
    AttributeName,
    Count,
    Duration,
    Flag,
    Literal,
    Model,
    Name,
    Operand,
    Shorthand,
    Text,
    complain,
    read_as,
)
from campaignctl.diagnostics import did_you_mean, listed

OPERATORS = (
    "eq", "ne", "in", "not_in", "gt", "gte", "lt", "lte", "between", "contains", "not_contains",
    "starts_with", "ends_with", "exists", "before", "after", "within", "older_than", "anniversary",
)  # fmt: skip
EVENT_KINDS = ("received", "opened", "clicked", "bounced", "unsubscribed")


def _only_today(text: str) -> str:
    if text != "today":
        raise ValueError(text)
    return "today"


def _as_written(schema: dict[str, Any]) -> None:
    """The schema of a comparison: the attribute and one operator, none of which is there unless it is written."""
    schema |= {"minProperties": 2, "maxProperties": 2}
    for name, operator in schema["properties"].items():
        operator.pop("default", None)
        if name not in ("eq", "ne") and operator["type"] != "array":
            operator.setdefault("minLength", 1)


class AttributeCondition(Model, json_schema_extra=_as_written):
    """Compares one attribute of a contact."""

    attribute: AttributeName = Field(description="The attribute to look at.", examples=["country"])
    eq: Operand = Field(None, description="Is equal to this.", examples=["FR"])
    ne: Operand = Field(None, description="Is missing, or not equal to this.", examples=["FR"])
    in_: list[Operand] = Field([], alias="in", min_length=1, description="Is one of these.", examples=[["FR", "BE"]])
    not_in: list[Operand] = Field(
        [], min_length=1, description="Is missing, or none of these.", examples=[["FR", "BE"]]
    )
    gt: Operand = Field(None, description="Is greater than this.", examples=[100])
    gte: Operand = Field(None, description="Is greater than this, or equal.", examples=[100])
    lt: Operand = Field(None, description="Is less than this.", examples=[100])
    lte: Operand = Field(None, description="Is less than this, or equal.", examples=[100])
    between: list[Operand] = Field(
        [],
        min_length=2,
        max_length=2,
        description="Lies between two values, both included.",
        examples=[[18, 25]],
    )
    contains: Text = Field("", description="Is text that contains this.", examples=["garden"])
    not_contains: Text = Field("", description="Is text that does not contain this.", examples=["garden"])
    starts_with: Text = Field("", description="Is text that begins with this.", examples=["+33"])
    ends_with: Text = Field("", description="Is text that ends with this.", examples=["@shop.example"])
    exists: Flag = Field(True, description="Whether the attribute has a value.")
    before: Operand = Field(None, description="Is a date or instant before this.", examples=["2026-01-31"])
    after: Operand = Field(None, description="Is a date or instant after this.", examples=["2026-01-31"])
    within: Duration = Field(timedelta(), description="Is a date or instant in this time up to now.", examples=["30d"])
    older_than: Duration = Field(
        timedelta(), description="Is a date or instant longer ago than this.", examples=["30d"]
    )
    anniversary: Annotated[str, *read_as(_only_today, "`today`", "today")] = Field(
        "today",
        description="Is a date with the month and day of today, in the campaign's zone.",
        json_schema_extra={"enum": ["today"]},
    )

    @model_validator(mode="after")
    def _has_one_operator(self) -> AttributeCondition:
        written = [key for key in OPERATORS if key in self._operators]
        if not written:
            complain(
                f"a condition on `{self.attribute}` does not say what it has to be",
                "add an operator, such as `eq: VALUE`",
                "C120",
                at="attribute",
            )
        if len(written) > 1:
            complain(
                f"a condition on `{self.attribute}` says {listed(written, 'and')} at once",
                "make a condition of each, and put them into `all`",
                "C120",
                at=written[-1],
            )
        values = self.operand if isinstance(self.operand, list) else [self.operand]
        if self.operator != "exists" and None in values:
            complain(
                f"`{self.operator}` cannot compare with nothing",
                "write a value, or ask for a missing one with `exists: false`",
                "C120",
                at=self.operator,
            )
        if self.operator not in ("eq", "ne") and self.operand == "":
            complain(f"`{self.operator}` has no value to compare with", "write the value", "C120", at=self.operator)
        return self

    @property
    def operator(self) -> str:
        """Which comparison it is, as written."""
        (written,) = self._operators
        return written

    @property
    def _operators(self) -> set[str]:
        return {key.rstrip("_") for key in self.model_fields_set - {"attribute"}}

    @property
    def operand(self) -> Literal | list[Literal] | timedelta:
        """What the attribute is compared with."""
        value: Literal | list[Literal] | timedelta = getattr(self, "in_" if self.operator == "in" else self.operator)
        return value


class AllCondition(Model):
    """All of these hold."""

    all: list[Condition] = Field(min_length=1, description="Conditions that have to hold together.")


class AnyCondition(Model):
    """At least one of these holds."""

    any: list[Condition] = Field(min_length=1, description="Conditions of which one is enough.")


class NoneCondition(Model):
    """None of these holds."""

    none: list[Condition] = Field(min_length=1, description="Conditions of which none may hold.")


class AtLeastCondition(Model):
    """So many of these hold."""

    at_least: Count = Field(description="How many have to hold.", examples=[2], json_schema_extra={"minimum": 1})
    of: list[Condition] = Field(min_length=1, description="The conditions that are counted.")

    @model_validator(mode="after")
    def _is_possible(self) -> AtLeastCondition:
        if not 1 <= self.at_least <= len(self.of):
            complain(
                f"`at_least` is {self.at_least} of {len(self.of)} conditions",
                f"write a number from 1 to {len(self.of)}",
                "C120",
                at="at_least",
            )
        return self


class SegmentCondition(Model):
    """Belongs to a named segment of the project."""

    segment: Name = Field(description="A segment that `campaignctl.yaml` declares.", examples=["staff"])


class MessageReference(Model):
    """Messages of this or another campaign."""

    message: Text = Field(description="`step`, `campaign/step` or `campaign`.", examples=["spring-sale/invitation"])
    within: Duration | None = Field(None, description="Only events of the last so many days.", examples=["30d"])
    link: Text | None = Field(
        None, description="Only clicks on links that begin with this.", examples=["https://shop.example/sale"]
    )


_Reference = Annotated[Annotated[Text, AS_TEXT] | Annotated[MessageReference, AS_MAPPING], BY_KIND] | None


class EventCondition(Model, json_schema_extra={"oneOf": [{"required": [kind]} for kind in EVENT_KINDS]}):
    """Something happened with a message to this contact."""

    received: _Reference = Field(None, description="Was sent this message.", examples=["spring-sale/invitation"])
    opened: _Reference = Field(None, description="Opened this message.", examples=["spring-sale/invitation"])
    clicked: _Reference = Field(None, description="Clicked in this message.", examples=["spring-sale/invitation"])
    bounced: _Reference = Field(None, description="This message came back.", examples=["spring-sale/invitation"])
    unsubscribed: _Reference = Field(None, description="Unsubscribed through this message.", examples=["spring-sale"])

    @model_validator(mode="after")
    def _has_one_kind(self) -> EventCondition:
        written = [kind for kind in EVENT_KINDS if kind in self.model_fields_set]
        if len(written) != 1:
            said = listed(written, "and")
            complain(
                f"a condition says {said} at once", "make a condition of each, and put them into `all`", "C120",
                at=written[-1],
            )  # fmt: skip
        return self

    @property
    def kind(self) -> str:
        (written,) = self.model_fields_set
        return written

    @property
    def reference(self) -> MessageReference:
        value = getattr(self, self.kind)
        return value if isinstance(value, MessageReference) else MessageReference(message=value)


class MemberCondition(Model):
    """Is or was a member of a campaign."""

    in_campaign: Name = Field(description="The campaign's name.", examples=["spring-sale"])


_KINDS: dict[str, type[Model]] = {
    "attribute": AttributeCondition,
    "all": AllCondition,
    "any": AnyCondition,
    "none": NoneCondition,
    "at_least": AtLeastCondition,
    "segment": SegmentCondition,
    "in_campaign": MemberCondition,
    **dict.fromkeys(EVENT_KINDS, EventCondition),
}


def _tag(value: Any) -> str | None:
    if isinstance(value, Model):
        return f"<{type(value).__name__}>"
    if isinstance(value, dict):
        found = {_KINDS[key] for key in value if key in _KINDS}
        if len(found) == 1:
            return f"<{found.pop().__name__}>"
    return None


def _all_of(value: Any) -> Any:
    """A list of conditions means all of them."""
    return {"all": value} if isinstance(value, list) else value


def condition_trouble(value: Any) -> tuple[str, str, str]:
    """What is wrong with a value that is no condition, a hint, and the key that has to change."""
    if isinstance(value, str) and re.fullmatch(NAME, value):
        return f"`{value}` is not a condition", f"write `{{segment: {value}}}`", ""
    if not isinstance(value, dict):
        return "a condition has to be a mapping", "write one like `{attribute: country, eq: FR}`", ""
    several = [key for key in value if key in _KINDS]
    if several:
        message = f"a condition says {listed(several, 'and')} at once"
        return message, "make a condition of each, and put them into `all`", several[-1]
    for key in value:
        return f"`{key}` is not a condition", did_you_mean(key, _KINDS, f"write `{{attribute: {key}, eq: …}}`"), key
    return "a condition says nothing", "write one like `{attribute: country, eq: FR}`", ""


Condition = Annotated[
    Annotated[AttributeCondition, Tag("<AttributeCondition>")]
    | Annotated[AllCondition, Tag("<AllCondition>")]
    | Annotated[AnyCondition, Tag("<AnyCondition>")]
    | Annotated[NoneCondition, Tag("<NoneCondition>")]
    | Annotated[AtLeastCondition, Tag("<AtLeastCondition>")]
    | Annotated[SegmentCondition, Tag("<SegmentCondition>")]
    | Annotated[EventCondition, Tag("<EventCondition>")]
    | Annotated[MemberCondition, Tag("<MemberCondition>")],
    Discriminator(_tag, custom_error_type="condition", custom_error_message="condition"),
    BeforeValidator(_all_of),
]


def _named(value: Any) -> Any:
    """A segment's name means that segment."""
    return {"segment": value} if isinstance(value, str) else value


NamedCondition = Annotated[Condition, BeforeValidator(_named), Shorthand(**NAME_SCHEMA, title="a segment's name")]


def parts(condition: Condition) -> tuple[Condition, ...]:
    """The conditions directly inside a group; nothing for the others."""
    match condition:
        case AllCondition():
            return tuple(condition.all)
        case AnyCondition():
            return tuple(condition.any)
        case NoneCondition():
            return tuple(condition.none)
        case AtLeastCondition():
            return tuple(condition.of)
        case _:
            return ()


def within_condition(condition: Condition) -> Iterator[Condition]:
    """*condition* and all that is inside it."""
    yield condition
    for part in parts(condition):
        yield from within_condition(part)
