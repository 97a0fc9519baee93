"""Statements about the journal: what was done, when and by whom."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from campaignctl.ports import LiveCampaign
from campaignctl.store.instants import instant
from campaignctl.store.tables import journal


@dataclass(frozen=True)
class JournalEntry:
    """One thing that was done with a campaign."""

    at: datetime
    actor: str
    action: str
    version: int | None
    detail: Mapping[str, object]


class HistoryStatements:
    """Reading the journal."""

    connection: Connection

    def history(self, campaign: LiveCampaign) -> list[JournalEntry]:
        """What was done with *campaign*, first to last."""
        rows = self.connection.execute(
            select(journal.c.at, journal.c.actor, journal.c.action, journal.c.version, journal.c.detail)
            .where(journal.c.campaign_id == campaign.id)
            .order_by(journal.c.id)
        )
        return [
            JournalEntry(instant(row.at), row.actor, row.action, row.version, json.loads(row.detail)) for row in rows
        ]
