"""Whether nobody was sent messages of a topic that they had left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, and_, func, literal, or_, select

from campaignctl.campaign.version import StepTopic
from campaignctl.flow.states import DeliveryState
from campaignctl.ports import LiveCampaign, LiveStep
from campaignctl.store.checks.suppressed import LOCK_WAIT, LONGEST_CONVERSATION
from campaignctl.store.events import EventKind
from campaignctl.store.instants import stored_length
from campaignctl.store.ledger import SqlLedger
from campaignctl.store.tables import campaigns, deliveries, events, left_topics, steps
from campaignctl.store.told import topic_url
from campaignctl.store.uncertain import RESOLVED


def nobody_was_sent_what_they_left(ledger: SqlLedger) -> Iterator[str]:
    """No intent for a message of a topic was written after its contact had left it; seen as for suppressions."""
    for campaign in ledger.every_campaign():
        for step in campaign.steps:
            version = ledger.version(campaign, step.version)
            topic, email = version.topic_of(step.name), version.content.contacts.email
            contacts = ledger.contact_list(campaign)
            if topic is None or email is None or contacts.attribute(email) is None:
                continue
            address = func.lower(func.trim(contacts.column(email)))
            found = _written_to(campaign, step, topic).join(
                contacts.table, and_(contacts.table.c.id == deliveries.c.contact_id, left_topics.c.address == address)
            )
            for row in ledger.connection.execute(found.add_columns(contacts.table.c.contact_key)):
                yield (
                    f"{campaign.name}/{step.name}: contact `{row.contact_key}` left the topic `{topic.name}`,"
                    f" and was written to after that: {row.state}"
                )


def _written_to(campaign: LiveCampaign, step: LiveStep, topic: StepTopic) -> Select[Any]:
    of_list = select(campaigns.c.list_id).where(campaigns.c.id == campaign.id).scalar_subquery()
    said_so = (
        select(events.c.id)
        .join(steps, steps.c.id == events.c.step_id)
        .join(campaigns, campaigns.c.id == steps.c.campaign_id)
        .where(
            campaigns.c.list_id == of_list,
            events.c.contact_id == deliveries.c.contact_id,
            events.c.kind == EventKind.UNSUBSCRIBE.value,
            events.c.url == topic_url(topic.name),
        )
        .exists()
    )
    is_on_its_way = and_(
        deliveries.c.state == DeliveryState.SENDING.value,
        deliveries.c.changed_at > left_topics.c.since + literal(stored_length(LOCK_WAIT)),
    )
    was_sent = and_(
        deliveries.c.state == DeliveryState.SENT.value,
        deliveries.c.changed_at > left_topics.c.since + literal(stored_length(LONGEST_CONVERSATION)),
        or_(deliveries.c.reason.is_(None), deliveries.c.reason.not_in(RESOLVED)),
        said_so,
    )
    return (
        select(deliveries.c.state)
        .join_from(deliveries, left_topics, left_topics.c.topic == topic.name)
        .where(deliveries.c.step_id == step.id, or_(is_on_its_way, was_sent))
    )
