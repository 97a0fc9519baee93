"""Stopping: a campaign ends for good, and what had left is counted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from campaignctl.errors import RefusedError
from campaignctl.flow.states import CampaignState
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

    `sent` counts what had ended before, whatever its end.

    Raises:
        RefusedError: there is no such campaign, or it has ended.
    """
    with store.writing() as ledger:
        campaign = ledger.known_campaign(name)
        if campaign.state is CampaignState.STOPPED:
            raise RefusedError("P107", f"`{name}` is stopped already", "nothing is left to stop")
        # Of a completed campaign, refused messages may still be waiting for their next attempt.
        if not campaign.state.may_stop and not ledger.has_open_deliveries(campaign):
            raise RefusedError("P107", f"`{name}` is {campaign.state}: all of it is over", "nothing is left to stop")
        if campaign.is_series:
            return _series_stopped(ledger, campaign, actor, now)
        ledger.cancel_deliveries(campaign, now)
        ledger.campaign_stopped(campaign, now)
        report = _counted(ledger, campaign)
        detail = {"sent": report.sent, "cancelled": report.cancelled, "in_flight": report.in_flight}
        ledger.note("stopped", replace(campaign, state=CampaignState.STOPPED), detail, now, actor)
    return report


def _series_stopped(ledger: SqlLedger, series: LiveCampaign, actor: str, now: datetime) -> StopReport:
    """No further occurrence begins. What has begun is a campaign of its own, and goes on."""
    ended = [each for each in ledger.open_occurrences(series) if not each.has_begun]
    running = [each for each in ledger.open_occurrences(series) if each.has_begun]
    for each in [series, *ended]:
        ledger.campaign_stopped(each, now)
        detail: dict[str, object] = {"sent": 0, "cancelled": 0, "in_flight": 0}
        ledger.note("stopped", replace(each, state=CampaignState.STOPPED), detail, now, actor)
    return StopReport(series.name, 0, 0, 0, tuple(each.name for each in ended), tuple(each.name for each in running))


def _counted(ledger: SqlLedger, campaign: LiveCampaign) -> StopReport:
    sent = cancelled = in_flight = 0
    for counts in ledger.deliveries_by_state([step.id for step in campaign.steps]).values():
        for state, number in counts.items():
            if state == "cancelled":
                cancelled += number
            elif state.is_final:
                sent += number
            else:
                in_flight += number
    return StopReport(campaign.name, sent, cancelled, in_flight)
