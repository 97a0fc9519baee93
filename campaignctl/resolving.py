"""Resolving by hand: a person decides what became of messages without a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from campaignctl.diagnostics import did_you_mean
from campaignctl.errors import RefusedError
from campaignctl.flow.states import CampaignState
from campaignctl.ports import LiveCampaign, LiveStep
from campaignctl.store.ledger import SqlStore
from campaignctl.store.uncertain import BY_HAND, Resolution


@dataclass(frozen=True)
class Resolved:
    """How many deliveries of a campaign got a verdict, or will be tried again."""

    campaign: str
    resolution: Resolution
    resolved: int


def resolve(
    store: SqlStore,
    name: str,
    resolution: Resolution,
    *,
    step: str | None = None,
    contact: str | None = None,
    actor: str,
    now: datetime,
    is_trial: bool = False,
) -> Resolved:
    """
    Decide about the uncertain deliveries of a campaign, of one step or of one contact; with *is_trial* only count them.

    Raises:
        RefusedError: there is no such campaign or step, nothing of it is
            uncertain, or it was stopped and cannot be tried again.
    """
    with store.writing() as ledger:
        campaign = ledger.known_campaign(name)
        if resolution is Resolution.RETRY and campaign.state is CampaignState.STOPPED:
            raise RefusedError(
                "P115", f"`{name}` was stopped, and nothing of it leaves any more", "resolve it as `sent` or `failed`"
            )
        found = {each: ledger.uncertain_contacts(campaign, each, contact) for each in _steps_named(campaign, step)}
        count = sum(map(len, found.values()))
        if not count:
            raise RefusedError(
                "P116",
                f"no such delivery of `{name}` is uncertain",
                f"see `campaignctl uncertain list {name}`",
            )
        if not is_trial:
            count = sum(
                ledger.resolve(campaign, each, contacts, resolution, BY_HAND, actor, now)
                for each, contacts in found.items()
            )
    return Resolved(name, resolution, count)


def _steps_named(campaign: LiveCampaign, name: str | None) -> list[LiveStep]:
    found = [step for step in campaign.steps if name in (None, step.name)]
    if not found:
        names = [step.name for step in campaign.steps]
        hint = did_you_mean(str(name), names, f"see `campaignctl status {campaign.name}`")
        raise RefusedError("P117", f"`{campaign.name}` has no step `{name}`", hint)
    return found
