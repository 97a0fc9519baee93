"""`export`: writes the contacts of the cohort for an ad network."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from campaignctl.campaign.fields import Model, Text
from campaignctl.campaign.steps.base import StepBase
from campaignctl.campaign.steps.effects import Write


class Export(Model):
    """A file or request with the contacts, normalised and hashed as the network asks."""

    format: Literal["meta", "google", "tiktok", "csv"] = Field(description="Whose format it is.")
    to: Text = Field(description="A path in the project, or an endpoint's name.", examples=["exports/audience.csv"])


class ExportStep(StepBase):
    """The contacts, for an ad network."""

    export: Export = Field(description="What is written where.")

    def effect(self) -> Write:
        return Write(self.export.format, self.export.to)
