"""Whether nobody was sent messages of a topic that they had left."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, and_, func, select

from campaignctl.campaign.version import StepTopic
from campaignctl.ports import LiveCampaign, LiveStep
from campaignctl.store.checks.suppressed import has_event, left_after
from campaignctl.store.events import EventKind
from campaignctl.store.ledger import SqlLedger
from campaignctl.store.tables import deliveries, events, left_topics
from campaignctl.store.told import topic_url


def nobody_was_sent_what_they_left(ledger: SqlLedger) -> Iterator[str]:
    """No intent for a message of a topic was written after its contact had left it; seen as for suppressions."""
    for campaign in ledger.every_campaign():
        contacts = ledger.contact_list(campaign)
        for step in campaign.steps:
            if step.verb != "email":
                continue
            version = ledger.version(campaign, step.version)
            topic, email = version.topic_of(step.name), version.content.contacts.email
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
    is_leaving = and_(events.c.kind == EventKind.UNSUBSCRIBE.value, events.c.url == topic_url(topic.name))
    said_so = has_event(campaign, deliveries.c.contact_id, is_leaving)
    return (
        select(deliveries.c.state)
        .join_from(deliveries, left_topics, left_topics.c.topic == topic.name)
        .where(deliveries.c.step_id == step.id, left_after(left_topics.c.since, said_so))
    )
