"""Pausing and resuming: a campaign waits for a person, and goes on when told to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from campaignctl.errors import RefusedError
from campaignctl.flow.states import CampaignState, StepState
from campaignctl.ports import FOR_GATE, LiveCampaign, LiveStep
from campaignctl.store.ledger import SqlLedger, SqlStore


def pause(store: SqlStore, name: str, *, actor: str, now: datetime) -> int:
    """
    Let no further step begin and no further message leave; how many messages are still in flight.

    Raises:
        RefusedError: there is no such campaign, or it is not active.
    """
    with store.writing() as ledger:
        campaign = ledger.known_campaign(name)
        if not ledger.campaign_paused(campaign):
            raise RefusedError(
                "P113",
                f"`{name}` is {campaign.state}, and only an active campaign can be paused",
                f"see `campaignctl status {name}`",
            )
        ledger.note("paused", campaign, {}, now, actor)
        # Of a series nothing more leaves either, also of what has begun.
        of_it = [each for each in ledger.open_occurrences(campaign) if ledger.campaign_paused(each)]
        for each in of_it:
            ledger.note("paused", each, {"with": campaign.name}, now, actor)
        return sum(ledger.in_flight(each) for each in (campaign, *of_it))


@dataclass(frozen=True)
class Resumption:
    """
    What goes on: steps that are overdue (`if_late` decides), and held ones that a person lets go on.

    `asked_again` are steps whose gate could not be asked. A gate itself is
    never passed by resuming.
    """

    overdue: tuple[LiveStep, ...]
    released: tuple[LiveStep, ...]
    asked_again: tuple[LiveStep, ...] = ()


def resume(store: SqlStore, name: str, *, actor: str, now: datetime, is_trial: bool = False) -> Resumption:
    """
    Let a paused campaign, and its held steps, go on; with *is_trial* only say what would.

    A step that was too late runs now; one that was held for its bounces goes on
    sending, and is not held for them again.

    Raises:
        RefusedError: there is no such campaign, or nothing of it waits for a person.
    """
    with store.writing() as ledger:
        campaign = ledger.known_campaign(name)
        stuck = {gate.step: gate for gate in ledger.open_gates(campaign) if gate.needs_person}
        asked_again = tuple(step for step in campaign.steps if step.name in stuck)
        held = tuple(step for step in campaign.steps if step.state is StepState.HELD and step.reason != FOR_GATE)
        waits = campaign.state is CampaignState.ACTIVE and (held or asked_again)
        if campaign.state is not CampaignState.PAUSED and not waits:
            raise RefusedError(
                "P114",
                f"`{name}` is {campaign.state}, and nothing of it waits for a person",
                f"see `campaignctl status {name}`",
            )
        of_it = [each for each in ledger.open_occurrences(campaign) if each.state is CampaignState.PAUSED]
        overdue = tuple(step for each in (campaign, *of_it) for step in _overdue(ledger, each, now))
        if not is_trial:
            ledger.campaign_resumed(campaign)
            for each in of_it:
                ledger.campaign_resumed(each)
                ledger.note("resumed", each, {"with": campaign.name}, now, actor)
            for step in held:
                ledger.step_released(step, now)
            for gate in stuck.values():
                ledger.ask_again(gate, now)
            detail = {"overdue": [step.name for step in overdue], "released": [step.name for step in held]}
            if stuck:
                detail["asked_again"] = [*stuck]
            ledger.note("resumed", campaign, detail, now, actor)
    return Resumption(overdue, held, asked_again)


def _overdue(ledger: SqlLedger, campaign: LiveCampaign, now: datetime) -> list[LiveStep]:
    """The steps whose time has passed; none of a campaign whose request has not come."""
    if campaign.started_at is None and ledger.version(campaign, campaign.version).starts_by_request:
        return []
    return [
        step
        for step in campaign.steps
        if step.state is StepState.SCHEDULED and step.effective_at is not None and step.effective_at < now
    ]
