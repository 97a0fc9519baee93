"""`sms`: one text message to every contact of the cohort."""

from __future__ import annotations

from pydantic import Field

from campaignctl.campaign.fields import Model, Name, Rate, Share, Text, Window
from campaignctl.campaign.steps.base import Gate, StepBase, VariantTest
from campaignctl.campaign.steps.effects import Deliver


class SmsVariant(Model):
    """One of several forms of the text."""

    name: Name = Field(description="The variant's name.", examples=["a"])
    share: Share | None = Field(None, description="Its part of the cohort; evenly where left out.", examples=["50%"])
    text: Text = Field(description="Its own text, a template.", examples=["The sale is open"])


class Sms(Model):
    """A message by SMS."""

    text: Text | None = Field(
        None, description="The text, a template.", examples=["Last day! {{ link('https://shop.example') }}"]
    )
    from_: Text | None = Field(None, alias="from", description="The sender's number or name.", examples=["Shop"])
    rate: Rate | None = Field(None, description="At most so many messages a period.", examples=["10/s"])
    window: Window | None = Field(
        None, description="Only at these hours of the campaign's zone.", examples=["09:00-18:00"]
    )
    gate: Gate | None = Field(None, description="Another system looks at the deliveries before they leave.")
    variants: list[SmsVariant] = Field([], min_length=2, description="Several forms of the text.")
    test: VariantTest | None = Field(None, description="How the best variant is found.")


class SmsStep(StepBase):
    """One text message to every contact."""

    sms: Sms = Field(description="The message.")

    def effect(self) -> Deliver:
        return Deliver("sms", gate=self.sms.gate)
