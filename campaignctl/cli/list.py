"""`campaignctl list`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from campaignctl.cli.options import (
    ProjectOption,
    RowsFormat,
    RowsFormatOption,
    StoreOption,
    command_app,
    opened_project,
)
from campaignctl.cli.show import document, lines, table
from campaignctl.clock import SystemClock
from campaignctl.ports import LiveCampaign
from campaignctl.wiring import opened_store, store_path

app = command_app()


@app.command()
def list_command(
    format_: RowsFormatOption = RowsFormat.TEXT, project: ProjectOption = None, store: StoreOption = None
) -> None:
    """
    List the campaigns of the store; recurring ones with their occurrences.

    Example: campaignctl list --format json
    """
    opened = opened_project(project)
    with opened_store(store_path(opened, store), SystemClock()) as the_store, the_store.reading() as ledger:
        found = ledger.every_campaign()
    names = {each.id: each.name for each in found}
    rows = [
        {
            "campaign": each.name,
            "state": each.state,
            "version": each.version,
            "next_at": next_start(each, found) if each.is_series else next_at(each),
            "members": each.members,
            "series": each.series_id and names[each.series_id],
        }
        for each in sorted(found, key=_by_series)
    ]
    if format_ is RowsFormat.JSON:
        document(campaigns=rows)
    elif format_ is RowsFormat.NDJSON:
        lines(rows)
    elif not rows:
        print("No campaigns yet. Next: campaignctl publish FILE")
    else:
        table(["campaign", "state", "version", "next", "members"], [list(row.values())[:5] for row in rows])


def _by_series(campaign: LiveCampaign) -> tuple[int, bool, int]:
    """Each series with its occurrences behind it."""
    return campaign.series_id or campaign.id, campaign.series_id is not None, campaign.id


def next_start(series: LiveCampaign, campaigns: Iterable[LiveCampaign]) -> datetime | None:
    """When the next occurrence of a series begins."""
    waiting = (each for each in campaigns if each.series_id == series.id and not each.has_begun)
    return min(filter(None, map(next_at, waiting)), default=None)


def next_at(campaign: LiveCampaign) -> datetime | None:
    """When the campaign's next step begins."""
    coming = [step.effective_at for step in campaign.steps if not step.state.is_final and step.effective_at]
    return min(coming, default=None)
