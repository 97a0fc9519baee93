"""`webhook`: tells another system about the contacts of the cohort."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from campaignctl.campaign.fields import Count, Model, Name, Rate, Text
from campaignctl.campaign.steps.base import StepBase


class Webhook(Model):
    """Requests to an endpoint of the project."""

    endpoint: Name = Field(description="An endpoint of the project.", examples=["crm"])
    per: Literal["contact", "batch"] = Field("contact", description="One request for each contact, or for many.")
    batch: Count = Field(500, description="How many contacts a batch holds.")
    body: Text | None = Field(None, description="The template of the request's body.", examples=["hooks/order.json"])
    rate: Rate | None = Field(None, description="At most so many requests a period.", examples=["50/s"])


class WebhookStep(StepBase):
    """Requests about every contact."""

    webhook: Webhook = Field(description="The requests.")
