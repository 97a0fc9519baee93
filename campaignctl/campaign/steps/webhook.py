"""`webhook`: tells another system about the contacts of the cohort."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from campaignctl.campaign.fields import Count, Model, Name, Rate, Text, complain
from campaignctl.campaign.steps.base import StepBase
from campaignctl.campaign.steps.effects import Deliver


class Webhook(Model):
    """Requests to an endpoint of the project."""

    endpoint: Name = Field(description="An endpoint of the project.", examples=["crm"])
    per: Literal["contact", "batch"] = Field("contact", description="One request for each contact, or for many.")
    batch: Count = Field(
        500,
        description="How many contacts a batch holds, at most 1000.",
        json_schema_extra={"minimum": 1, "maximum": 1000},
    )
    body: Text | None = Field(None, description="The template of the request's body.", examples=["hooks/order.json"])
    rate: Rate | None = Field(None, description="At most so many requests a period.", examples=["50/s"])

    @model_validator(mode="after")
    def _is_possible(self) -> Webhook:
        if not 1 <= self.batch <= 1000:
            complain(f"`batch` is {self.batch}", "write a number from 1 to 1000", at="batch")
        return self


class WebhookStep(StepBase):
    """Requests about every contact."""

    webhook: Webhook = Field(description="The requests.")

    def effect(self) -> Deliver:
        # Each endpoint is a channel of its own, so that a broken one stops no other.
        return Deliver(f"webhook/{self.webhook.endpoint}", self.webhook.batch if self.webhook.per == "batch" else None)
