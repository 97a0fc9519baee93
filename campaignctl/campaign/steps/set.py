"""`set`: changes attributes of the cohort's contacts."""

from __future__ import annotations

from pydantic import Field

from campaignctl.campaign.fields import AttributeName, Value
from campaignctl.campaign.steps.base import StepBase
from campaignctl.campaign.steps.effects import Assign


class SetStep(StepBase):
    """Give every contact these attributes."""

    set: dict[AttributeName, Value] = Field(
        min_length=1,
        description="Attribute and value; the value may be a template, or `null` to remove the attribute.",
        examples=[{"engaged": True, "visits": "{{ contact.visits + 1 }}"}],
    )

    def effect(self) -> Assign:
        return Assign(self.set)
