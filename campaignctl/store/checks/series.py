"""Whether recurring campaigns and their occurrences fit each other."""

from __future__ import annotations

from collections.abc import Iterator

from campaignctl.flow.states import CampaignState
from campaignctl.ports import LiveCampaign
from campaignctl.store.ledger import SqlLedger

_HAS_ENDED = (CampaignState.STOPPED, CampaignState.COMPLETED)


def occurrences_fit(ledger: SqlLedger) -> Iterator[str]:
    """An occurrence has a start and belongs to what recurs; none is to come that was skipped, or of what has ended."""
    known = {each.id: each for each in ledger.every_campaign()}
    for each in known.values():
        if each.is_series and each.steps:
            yield f"{each.name} recurs, and has steps of its own"
        if (each.series_id is None) != (each.starts_at is None):
            yield f"{each.name} is an occurrence by half"
        elif each.series_id is not None:
            yield from _of_series(ledger, each, known.get(each.series_id))


def _of_series(ledger: SqlLedger, each: LiveCampaign, series: LiveCampaign | None) -> Iterator[str]:
    if series is None or not series.is_series:
        yield f"{each.name} is an occurrence of what does not recur"
        return
    is_to_come = each.state not in _HAS_ENDED and not each.has_begun
    if is_to_come and each.starts_at in ledger.skipped_starts(series):
        yield f"{each.name} is to come, and its start is skipped"
    if is_to_come and series.state in _HAS_ENDED:
        yield f"{each.name} is to come, and {series.name} is {series.state}"
