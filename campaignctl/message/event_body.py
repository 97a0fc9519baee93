"""What other systems are told of something that happened, as bytes: the same at each attempt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from campaignctl.clock import utc_text
from campaignctl.hook_settings import EventType


class Order(NamedTuple):
    """What a conversion was told as: its id at whoever told it, and what it was worth, if that was said."""

    id: str
    value: float | None
    currency: str | None


@dataclass(frozen=True)
class Happened:
    """
    Something that happened in a campaign.

    `series` is the recurring campaign that it is an occurrence of. `contact` is
    a key of the list; of nobody else than who is told of is anything known
    here. `detail` is what the journal has about it.
    """

    type: EventType
    at: datetime
    campaign: str
    series: str | None = None
    version: int | None = None
    step: str | None = None
    verb: str | None = None
    cohort: int | None = None
    contact: str | None = None
    reason: str | None = None
    url: str | None = None
    is_machine: bool = False
    topic: str | None = None
    order: Order | None = None
    detail: Mapping[str, object] = field(default_factory=dict)


def event_body(happened: Happened) -> bytes:
    """The type, the instant and the data, as Standard Webhooks has them."""
    said = {"type": happened.type, "timestamp": utc_text(happened.at), "data": _data(happened)}
    # ASCII: a key of a contact may hold what cannot be written otherwise.
    return json.dumps(said).encode("ascii")


def _data(it: Happened) -> dict[str, object]:
    of_campaign: dict[str, object] = {"campaign": it.campaign, "series": it.series}
    of_step = {**of_campaign, "step": it.step, "verb": it.verb}
    of_message = {**of_campaign, "step": it.step, "channel": it.verb, "contact": it.contact}
    match it.type:
        case "campaign.published" | "campaign.completed":
            return {**of_campaign, "version": it.version}
        case "campaign.started":
            return {**of_campaign, "version": it.version, "members": it.detail.get("members")}
        case "campaign.paused":
            return {**of_campaign, "version": it.version, "reason": it.detail.get("reason")}
        case "campaign.resumed":
            return {**of_campaign, "version": it.version, "released": it.detail.get("released", [])}
        case "campaign.stopped":
            counts = {name: it.detail.get(name) for name in ("sent", "cancelled", "in_flight")}
            return {**of_campaign, "version": it.version, **counts}
        case "step.started" | "step.done":
            return {**of_step, "cohort": it.cohort}
        case "step.held" | "step.skipped":
            return {**of_step, "reason": it.reason}
        case "message.failed" | "message.skipped":
            return {**of_message, "reason": it.reason}
        case "message.opened":
            return {**of_message, "machine": it.is_machine}
        case "message.clicked":
            return {**of_message, "url": it.url, "machine": it.is_machine}
        case "message.converted":
            id_, value, currency = it.order or (None, None, None)
            return {**of_message, "id": id_, "value": value, "currency": currency}
        case "contact.unsubscribed":
            return {**of_message, "topic": it.topic}
        case "message.sent" | "message.bounced" | "message.complained":
            return of_message
