"""What the project file says of conversions."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from pydantic import Field

from campaignctl.campaign.fields import Domain, Duration, Model, ParameterName

USUAL_WINDOW: Final = timedelta(days=7)


class Conversions(Model):
    """How conversions are told to messages."""

    parameter: ParameterName | None = Field(
        None,
        description="The parameter that counted links to `hosts` carry; the shop gives its value back.",
        examples=["cctl"],
    )
    hosts: list[Domain] = Field(
        [], description="The hosts whose links carry it; each is named whole.", examples=[["shop.example"]]
    )
    window: Duration = Field(
        USUAL_WINDOW,
        description="How long after a click or an open a conversion that names no message is credited to it.",
        examples=["7d"],
    )
