"""`gate`: another system looks at the contacts of the cohort, without a message."""

from __future__ import annotations

from pydantic import Field

from campaignctl.campaign.steps.base import Gate, StepBase


class GateStep(StepBase):
    """A send gate without delivery."""

    gate: Gate = Field(description="Who is asked, and what then happens.")
