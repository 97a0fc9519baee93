"""`export`: hands the contacts of the cohort to an ad network, in a file or by requests."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from campaignctl.campaign.fields import Model, Text
from campaignctl.campaign.steps.base import StepBase
from campaignctl.campaign.steps.effects import Deliver, Write

# How many contacts a request holds. Networks take ten thousand, in more than the ten seconds of a request.
BATCH: Final = 1000


class Export(Model):
    """A file or request with the contacts, normalised and hashed as the network asks."""

    format: Literal["meta", "google", "tiktok", "csv"] = Field(description="Whose format it is.")
    to: Text = Field(description="A path in the project, or an endpoint's name.", examples=["exports/audience.csv"])
    audience: Text | None = Field(
        None, description="Which audience they are added to, where requests name it: TikTok's.", examples=["7001"]
    )
    advertiser: Text | None = Field(
        None, description="Whose audience it is, where requests name it: TikTok's.", examples=["6900"]
    )

    @property
    def is_file(self) -> bool:
        """Whether it goes to a file; no endpoint's name has a dot."""
        return self.to.endswith(".csv")


class ExportStep(StepBase):
    """The contacts, for an ad network."""

    export: Export = Field(description="What is written where.")

    def effect(self) -> Write | Deliver:
        if self.export.is_file:
            return Write(self.export.format, self.export.to)
        return Deliver(f"export/{self.export.to}", BATCH)
