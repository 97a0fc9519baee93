"""`exit`: the contacts that get here are done."""

from __future__ import annotations

from pydantic import Field

from campaignctl.campaign.fields import Model
from campaignctl.campaign.steps.base import StepBase
from campaignctl.campaign.steps.effects import Leave


class Exit(Model):
    """Nothing to say."""


class ExitStep(StepBase):
    """The way ends here."""

    exit: Exit = Field(description="`{}`.")

    def effect(self) -> Leave:
        return Leave()
