"""`gate`: another system looks at the contacts of the cohort, without a message."""

from __future__ import annotations

from pydantic import Field

from campaignctl.campaign.steps.base import Gate, StepBase
from campaignctl.campaign.steps.effects import Ask


class GateStep(StepBase):
    """A send gate without delivery."""

    gate: Gate = Field(description="Who is asked, and what then happens.")

    def effect(self) -> Ask:
        return Ask(self.gate)
