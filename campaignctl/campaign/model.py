"""A campaign as its file says it: starter and steps."""

from __future__ import annotations

from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import Discriminator, Field, Tag, model_validator

from campaignctl.campaign.condition import NamedCondition
from campaignctl.campaign.cron import Cron
from campaignctl.campaign.fields import CronRule, Model, Name, StepTime, Text, Until, complain, read_as
from campaignctl.campaign.steps.base import IfLate
from campaignctl.campaign.steps.email import Email
from campaignctl.campaign.steps.sms import Sms
from campaignctl.campaign.steps.union import AnyStep
from campaignctl.campaign.when import zone_named

ZoneName = Annotated[
    str,
    *read_as(
        lambda text: zone_named(text).key,
        "the IANA name of a time zone",
        "Europe/Paris",
        pattern=r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*",
        code="C119",
        known=available_timezones,
    ),
]


class ApiRequest(Model):
    """What a request has to look like: nothing to say yet in version 1 of the language."""


class SegmentStarter(Model, json_schema_extra={"dependentRequired": {"until": ["every"]}}):
    """A segment of the list takes part, frozen when the campaign starts: once, or at each start that a rule names."""

    segment: NamedCondition = Field(description="Who takes part: a condition, a list of them, or a segment's name.")
    every: CronRule | None = Field(
        None, description="When a recurring campaign starts: minute, hour, day, month and day of the week."
    )
    until: Until | None = Field(None, description="The last day, or the last moment, of the starts.")

    @model_validator(mode="after")
    def _ends_what_recurs(self) -> SegmentStarter:
        if self.until is not None and self.every is None:
            complain(
                "`until` ends a recurring campaign, and this one has no `every`", "add `every`", "C121", at="until"
            )
        return self


class ApiStarter(Model):
    """A request carries the contacts and starts the campaign."""

    api: ApiRequest = Field(description="`{}`.")


def _starter_tag(value: Any) -> str | None:
    if isinstance(value, SegmentStarter | ApiStarter):
        return "<segment>" if isinstance(value, SegmentStarter) else "<api>"
    kinds = [key for key in ("segment", "api") if isinstance(value, dict) and key in value]
    return f"<{kinds[0]}>" if len(kinds) == 1 else None


Starter = Annotated[
    Annotated[SegmentStarter, Tag("<segment>")] | Annotated[ApiStarter, Tag("<api>")],
    Discriminator(_starter_tag, custom_error_type="starter", custom_error_message="starter"),
]


class Heading(Model):
    """What stands at the top of every campaign file."""

    campaign: Name = Field(description="The campaign's name, unique in the store.", examples=["spring-sale"])
    title: Text | None = Field(None, description="A title for people.", examples=["Spring sale"])
    list_name: Name = Field(
        alias="list",
        description="The list of contacts, declared in campaignctl.yaml.",
        examples=["customers"],
    )
    timezone: ZoneName | None = Field(None, description="The zone of all wall times; the project's otherwise.")
    if_late: IfLate = Field(
        None, description="What happens to steps that could not run in time because nothing was running."
    )


class Campaign(Heading):
    """A starter and a tree of steps."""

    starter: Starter = Field(description="What lets contacts in.")
    steps: list[AnyStep] = Field(min_length=1, description="What happens, in order.")

    @property
    def every(self) -> Cron | None:
        """The rule of its starts, where it recurs."""
        return self.starter.every if isinstance(self.starter, SegmentStarter) else None


class SingleSend(Heading, json_schema_extra={"oneOf": [{"required": ["email"]}, {"required": ["sms"]}]}):
    """One message to a segment: the short form."""

    segment: NamedCondition = Field(description="Who gets it: a condition, a list of them, or a segment's name.")
    at: StepTime = Field(description="When it leaves: wall time in the campaign's zone, or an instant.")
    email: Email | None = Field(None, description="The message, by e-mail.")
    sms: Sms | None = Field(None, description="The message, by SMS.")

    @model_validator(mode="after")
    def _is_one_message(self) -> SingleSend:
        if self.email is None and self.sms is None:
            complain("the campaign sends nothing", "add `email` or `sms`", "C122", at="at")
        if self.email is not None and self.sms is not None:
            complain(
                "the campaign sends `email` and `sms` at once", "make a step of each, below `steps`", "C122", at="sms"
            )
        return self
