"""Statements about who is whose: members by the way they took, and contacts that two campaigns share."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select

from campaignctl.campaign.version import Version
from campaignctl.flow.tree import Turn, turns_of
from campaignctl.ports import LiveCampaign
from campaignctl.store.lists import ContactList
from campaignctl.store.members import audience_of
from campaignctl.store.tables import members, ways


def members_by_turn(connection: Connection, campaign: LiveCampaign) -> Counter[Turn]:
    """How many members took each turn, whether they have left since or not."""
    found: Counter[Turn] = Counter()
    for row in connection.execute(
        select(ways.c.path, func.count().label("number"))
        .join(members, members.c.way_id == ways.c.id)
        .where(members.c.campaign_id == campaign.id)
        .group_by(ways.c.id)
    ):
        found.update(dict.fromkeys(turns_of(row.path), row.number))
    return found


def contacts_of(campaign: LiveCampaign | None, version: Version, contacts: ContactList, now: datetime) -> Select[Any]:
    """The ids of a campaign's members; before its start, of the contacts that would be members now."""
    if campaign is None or campaign.started_at is None:
        return audience_of(version, contacts, now)
    return select(members.c.contact_id.label("id")).where(
        members.c.campaign_id == campaign.id, members.c.left_at_step.is_(None)
    )


def count_of(connection: Connection, some: Select[Any]) -> int:
    """How many contacts *some* are."""
    return int(connection.scalars(select(func.count()).select_from(some.subquery())).one())


def shared(connection: Connection, some: Select[Any], others: Select[Any]) -> int:
    """How many contacts are among both: read side by side in the order of their ids, without a table between."""
    return int(connection.scalars(select(func.count()).select_from(some.intersect(others).subquery())).one())
