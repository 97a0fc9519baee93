"""Statements about recurring campaigns: their occurrences, and the starts that are left out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert as insert_or_ignore

from campaignctl.campaign.version import Version
from campaignctl.flow.states import CampaignState
from campaignctl.ports import LiveCampaign, LiveStep
from campaignctl.store.campaigns import CampaignStatements
from campaignctl.store.instants import instant, stored
from campaignctl.store.publications import PublicationStatements
from campaignctl.store.tables import (
    campaigns,
    hook_events,
    journal,
    lists,
    skipped_starts,
    steps,
    version_files,
    versions,
)

_HAS_ENDED: Final = campaigns.c.state.in_([CampaignState.COMPLETED.value, CampaignState.STOPPED.value])


class SeriesStatements(PublicationStatements, CampaignStatements):
    """A series is a row among the campaigns, with versions and without steps; its occurrences name it."""

    connection: Connection

    def add_series(
        self, version: Version, list_id: int, seed: str, actor: str, now: datetime, state: CampaignState
    ) -> LiveCampaign:
        """Write down a new recurring campaign, which has no occurrence yet."""
        series_id = self.add_campaign(version, list_id, seed, (), actor, now, state)
        self.connection.execute(update(campaigns).where(campaigns.c.id == series_id).values(counts_from=stored(now)))
        return self.known_campaign(version.name)

    def add_occurrence(
        self,
        series: LiveCampaign,
        version: Version,
        starts_at: datetime,
        seed: str,
        planned: Sequence[LiveStep],
        now: datetime,
    ) -> None:
        """Write down the campaign of one start; it is as active, or as paused, as its series."""
        list_id = self.connection.scalars(select(lists.c.id).where(lists.c.name == series.list_name)).one()
        occurrence_id = self.add_campaign(version, list_id, seed, planned, "campaignctl", now)
        self.connection.execute(
            update(campaigns)
            .where(campaigns.c.id == occurrence_id)
            .values(series_id=series.id, starts_at=stored(starts_at), state=series.state.value)
        )
        made = self.known_campaign(version.name)
        self.note("made", made, {"of": series.name, "starts_at": starts_at.isoformat(timespec="seconds")}, now)

    def remove_occurrence(self, occurrence: LiveCampaign, series: LiveCampaign, actor: str, now: datetime) -> None:
        """Take out an occurrence that has not begun; what was done with it is told of its series from now on."""
        of_it = occurrence.id
        self.connection.execute(
            update(journal).where(journal.c.campaign_id == of_it).values(campaign_id=series.id, version=None)
        )
        self.connection.execute(
            update(hook_events).where(hook_events.c.campaign_id == of_it).values(campaign_id=series.id)
        )
        for table in (steps, version_files, versions):
            self.connection.execute(delete(table).where(table.c.campaign_id == of_it))
        self.connection.execute(delete(campaigns).where(campaigns.c.id == of_it))
        self.note("removed", series, {"occurrence": occurrence.name}, now, actor)

    def occurrences(self, series: LiveCampaign) -> list[LiveCampaign]:
        """Every occurrence, by its start."""
        found = self._campaigns(campaigns.c.series_id == series.id)
        return sorted(found, key=lambda each: each.starts_at or each.published_at)

    def open_occurrences(self, series: LiveCampaign) -> list[LiveCampaign]:
        """The occurrences that have not ended."""
        return self._campaigns(campaigns.c.series_id == series.id, ~_HAS_ENDED)

    def count_from(self, series: LiveCampaign, at: datetime) -> None:
        """Starts up to this instant are none of the series any more, where they have no occurrence."""
        self.connection.execute(update(campaigns).where(campaigns.c.id == series.id).values(counts_from=stored(at)))

    def last_start(self, series: LiveCampaign, now: datetime) -> datetime | None:
        """The last start that has come and has an occurrence."""
        last: int | None = self.connection.scalar(
            select(func.max(campaigns.c.starts_at)).where(
                campaigns.c.series_id == series.id, campaigns.c.starts_at <= stored(now)
            )
        )
        return instant(last)

    def made_starts(self, series: LiveCampaign, since: datetime) -> set[datetime]:
        """The starts after an instant that have an occurrence, whatever became of it."""
        found = select(campaigns.c.starts_at).where(
            campaigns.c.series_id == series.id, campaigns.c.starts_at > stored(since)
        )
        return {instant(at) for at in self.connection.scalars(found)}

    def skipped_starts(self, series: LiveCampaign) -> set[datetime]:
        """The starts that somebody leaves out."""
        found = select(skipped_starts.c.starts_at).where(skipped_starts.c.series_id == series.id)
        return {instant(at) for at in self.connection.scalars(found)}

    def skip_start(self, series: LiveCampaign, starts_at: datetime) -> bool:
        """Leave a start out; False where it is left out already."""
        added = self.connection.execute(
            insert_or_ignore(skipped_starts)
            .values(series_id=series.id, starts_at=stored(starts_at))
            .on_conflict_do_nothing()
        )
        return added.rowcount == 1

    def take_start_back(self, series: LiveCampaign, starts_at: datetime) -> bool:
        """Do not leave it out after all; False where it was not."""
        removed = self.connection.execute(
            delete(skipped_starts).where(
                skipped_starts.c.series_id == series.id, skipped_starts.c.starts_at == stored(starts_at)
            )
        )
        return removed.rowcount == 1
