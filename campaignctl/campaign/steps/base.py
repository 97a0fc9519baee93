"""What every step has, whatever its verb, and what several verbs share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from campaignctl.campaign.fields import (
    AS_MAPPING,
    AS_TEXT,
    BY_KIND,
    Count,
    Duration,
    Flag,
    Model,
    Name,
    Share,
    StepTime,
    Text,
    Time,
    Value,
)
from campaignctl.campaign.when import When


class Within(Model):
    """Late, but not later than this."""

    within: Duration = Field(description="How late a step may still run.", examples=["2h"])


IfLate = Annotated[Annotated[Literal["run", "skip"], AS_TEXT] | Annotated[Within, AS_MAPPING], BY_KIND] | None


class StepBase(Model):
    """One stop in a campaign."""

    id: Name = Field(description="The step's name, unique in the file.", examples=["invitation"])
    at: StepTime | None = Field(
        None,
        description="When it runs: wall time in the campaign's zone, or an instant; `+2d 09:00` after each start.",
    )
    title: Text | None = Field(None, description="A title for people.", examples=["The invitation"])
    if_late: IfLate = Field(
        None,
        description="What happens when it could not run in time, because nothing was running.",
    )

    def instant_in(self, zone: ZoneInfo) -> datetime | None:
        """When it runs; None where it has no time, or one that is relative to a start."""
        return self.at.at(zone) if isinstance(self.at, When) else None


class Gate(Model):
    """A send gate: what is made waits until another system has decided about it."""

    endpoint: Name = Field(description="An endpoint of the project.", examples=["compliance"])
    hold: Flag = Field(True, description="Whether the deliveries wait for the answer.")
    actions: dict[str, Value] = Field(
        {}, description="What the other system is told, as it expects it.", examples=[{"promo": "SPRING"}]
    )
    timeout: Duration | None = Field(None, description="How long to wait for the answer.", examples=["4h"])
    on_timeout: Literal["release", "cancel"] = Field("cancel", description="What happens when no answer came in time.")


class VariantTest(Model):
    """A part of the cohort gets the variants; the one that did best goes to the rest."""

    share: Share = Field(description="How much of the cohort takes part in the test.", examples=["20%"])
    metric: Literal["opens", "clicks", "conversions"] = Field(description="What decides.")
    after: Duration | None = Field(None, description="How long after the step the winner is decided.", examples=["3h"])
    at: Time | None = Field(None, description="When the winner is decided, instead of `after`.")
    min_sample: Count = Field(0, description="Fewer contacts than this decide nothing.", examples=[1000])
    if_inconclusive: Literal["best", "first", "stop"] = Field(
        "best", description="What happens where the difference may be chance."
    )
