"""Stopping: a campaign ends for good, and what had left is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from campaignctl.errors import RefusedError
from campaignctl.flow.states import CampaignState, DeliveryState
from campaignctl.ports import LiveCampaign
from campaignctl.store.ledger import SqlLedger, SqlStore


@dataclass(frozen=True)
class StopReport:
    """
    What had left when a campaign was stopped. The three add up to the deliveries of all steps that had begun.

    Of a series, `ended` are the occurrences that will not begin, and
    `still_running` those that have begun and go on.
    """

    campaign: str
    sent: int
    cancelled: int
    in_flight: int
    ended: tuple[str, ...] = ()
    still_running: tuple[str, ...] = ()


def stop(store: SqlStore, name: str, *, actor: str, now: datetime) -> StopReport:
    """
    End a campaign: when this returns, no further message leaves.

    The first transaction forbids every further intent; only then is cancelled
    what waits, which takes seconds with a million messages. Who interrupts that
    can ask again, and the next daemon does it as well.

    `sent` counts what had ended before, whatever its end.

    Raises:
        RefusedError: there is no such campaign, or it has ended.
    """
    with store.writing() as ledger:
        campaign = ledger.known_campaign(name)
        if campaign.is_series and campaign.state.may_stop:
            return _series_stopped(ledger, campaign, actor, now)
        under_way = ledger.under_way(campaign)
        if not campaign.state.may_stop and not ledger.has_deliveries_to_try(campaign):
            _refuse_what_is_over(campaign, under_way)
        if campaign.state is not CampaignState.STOPPED:
            ledger.campaign_stopped(campaign, now)
            ledger.note("stopping", campaign, {}, now, actor)
    _cancel_what_waits(store, campaign, now)
    with store.writing() as ledger:
        ledger.gates_cancelled(campaign, now)
        report = _counted(ledger, campaign, under_way)
        detail = {"sent": report.sent, "cancelled": report.cancelled, "in_flight": report.in_flight}
        ledger.note("stopped", campaign, detail, now, actor)
    return report


def _series_stopped(ledger: SqlLedger, series: LiveCampaign, actor: str, now: datetime) -> StopReport:
    """No further occurrence begins. What has begun is a campaign of its own, and goes on."""
    found = ledger.open_occurrences(series)
    ended = tuple(each.name for each in found if not each.has_begun)
    running = tuple(each.name for each in found if each.has_begun)
    for each in [series, *(each for each in found if not each.has_begun)]:
        ledger.campaign_stopped(each, now)
        ledger.note("stopped", each, {"sent": 0, "cancelled": 0, "in_flight": 0}, now, actor)
    return StopReport(series.name, 0, 0, 0, ended, running)


def finish_stops(store: SqlStore, *, actor: str, now: datetime) -> None:
    """Cancel what a `stop` that was killed has left."""
    with store.reading() as ledger:
        left = [each for each in ledger.live_campaigns((CampaignState.STOPPED,)) if ledger.has_deliveries_to_try(each)]
    for campaign in left:
        stop(store, campaign.name, actor=actor, now=now)


def _cancel_what_waits(store: SqlStore, campaign: LiveCampaign, now: datetime) -> None:
    """
    Cancel the deliveries of a stopped campaign that have not left.

    Each transaction does some of them, so that messages of other campaigns leave in between.
    """
    for step in campaign.steps:
        contact: int | None = 0 if step.started_at is not None else None
        while contact is not None:
            with store.writing() as ledger:
                contact = ledger.cancel_deliveries(step, contact, now)


def _refuse_what_is_over(campaign: LiveCampaign, under_way: Collection[tuple[int, int]]) -> None:
    if campaign.state is CampaignState.STOPPED:
        raise RefusedError("P107", f"`{campaign.name}` is stopped already", "nothing is left to stop")
    # What is under way may be refused for now, and would wait for another attempt.
    if not under_way:
        raise RefusedError(
            "P107", f"`{campaign.name}` is {campaign.state}: all of it is over", "nothing is left to stop"
        )


def _counted(ledger: SqlLedger, campaign: LiveCampaign, under_way: Collection[tuple[int, int]]) -> StopReport:
    counted: Counter[str] = Counter()
    for counts in ledger.deliveries_by_state([step.id for step in campaign.steps]).values():
        for state, number in counts.items():
            counted[_counts_as(state)] += number
    # Their verdict may have come since.
    for state in ledger.states_of(under_way):
        counted[_counts_as(state)] -= 1
        counted["in_flight"] += 1
    return StopReport(campaign.name, counted["sent"], counted["cancelled"], counted["in_flight"])


def _counts_as(state: DeliveryState) -> str:
    if state is DeliveryState.CANCELLED:
        return "cancelled"
    return "sent" if state.is_final else "in_flight"
