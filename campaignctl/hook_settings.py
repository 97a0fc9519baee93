"""What the project file says of hooks: which other systems are told of what happens."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Literal, get_args

from pydantic import Field

from campaignctl.campaign.fields import Duration, Model, Name, Text

EventType = Literal[
    "campaign.published",
    "campaign.started",
    "campaign.paused",
    "campaign.resumed",
    "campaign.stopped",
    "campaign.completed",
    "step.started",
    "step.held",
    "step.skipped",
    "step.done",
    "message.sent",
    "message.failed",
    "message.skipped",
    "message.bounced",
    "message.opened",
    "message.clicked",
    "message.complained",
    "message.converted",
    "contact.unsubscribed",
]
EVENT_TYPES: Final[tuple[EventType, ...]] = get_args(EventType)


class Hook(Model):
    """Another system that is told of what happens."""

    endpoint: Name = Field(description="An endpoint of the project, with a secret.", examples=["crm"])
    events: list[EventType] = Field(
        min_length=1, description="What it is told of.", examples=[["campaign.completed", "contact.unsubscribed"]]
    )
    campaigns: list[Text] = Field(
        [], min_length=1, description="The only campaigns that it is told of; all where left out."
    )
    give_up_after: Duration = Field(
        timedelta(days=1), description="How long one event is tried before the next of its campaign is told."
    )
