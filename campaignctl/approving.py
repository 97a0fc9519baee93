"""Approving: a second person agrees to a version, or says no."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from campaignctl.campaign.version import Version
from campaignctl.engine.schedule import planned_steps
from campaignctl.errors import RefusedError
from campaignctl.flow.states import CampaignState
from campaignctl.permitting import Consent, permitted, refuse_past
from campaignctl.ports import LiveCampaign
from campaignctl.project import Project
from campaignctl.proposing import Action, Proposal, next_occurrence, refuse_start_now
from campaignctl.publishing import Publication, publication_of, write
from campaignctl.recurring import make_to_come
from campaignctl.store.approvals import REJECTED, Waiting
from campaignctl.store.ledger import SqlLedger, SqlStore

_SHORTEST: Final = 8  # characters of a fingerprint that tell versions apart


@dataclass(frozen=True)
class Request:
    """What somebody is asked to agree to: a version that waits, and what publishing it now would do."""

    campaign: LiveCampaign
    waiting: Waiting
    version: Version
    proposal: Proposal


def request_of(store: SqlStore, name: str, project: Project, *, now: datetime, starts_now: bool = False) -> Request:
    """
    What of a campaign waits for an approval.

    Raises:
        RefusedError: nothing does, or what does is not possible any more.
    """
    with store.reading() as ledger:
        return _request(ledger, name, project, now, starts_now)


def approve(
    store: SqlStore,
    name: str,
    fingerprint: str,
    project: Project,
    *,
    actor: str,
    now: datetime,
    starts_now: bool = False,
) -> Publication:
    """
    Publish the version that waits, which has to be the one whose fingerprint begins with *fingerprint*.

    The safety delay counts from now. *starts_now* moves the first step of a new
    campaign to its end.

    Raises:
        RefusedError: the person may not, it is another version, or it is not possible any more.
    """
    with store.writing() as ledger:
        asked = _request(ledger, name, project, now, starts_now)
        _refuse_other(name, asked.waiting, fingerprint)
        if by := ledger.rejected_by(asked.campaign, asked.waiting.fingerprint):
            raise RefusedError(
                "P133", f"{by} has rejected this version of `{name}`", "change the file, and publish it again"
            )
        if asked.waiting.by == actor:
            raise RefusedError(
                "P131", f"{actor} published this, and nobody approves their own", "ask somebody else to approve it"
            )
        campaign = replace(asked.campaign, version=asked.waiting.number)
        ledger.note("approved", campaign, asked.waiting.noted(), now, actor)
        if asked.campaign.state is CampaignState.PENDING_APPROVAL:
            ledger.begin_approved(asked.campaign, asked.version, asked.proposal.steps)
            if asked.campaign.is_series:
                make_to_come(ledger, asked.campaign, asked.version, now, now + project.safety_delay)
        else:
            ledger.withdraw(asked.campaign)
            write(ledger, asked.proposal, seed="", actor=asked.waiting.by, now=now)
    return replace(publication_of(asked.proposal, now), version=asked.waiting.number)


def reject(store: SqlStore, name: str, fingerprint: str, *, reason: str, actor: str, now: datetime) -> Waiting:
    """
    Say no to the version that waits: a live campaign goes on as it is, a new one waits for another version.

    Raises:
        RefusedError: nothing waits, or another version does.
    """
    with store.writing() as ledger:
        campaign = ledger.known_campaign(name)
        waiting = _waiting(ledger, campaign)
        _refuse_other(name, waiting, fingerprint)
        ledger.withdraw(campaign)
        detail = {**waiting.noted(), "reason": reason}
        ledger.note(REJECTED, replace(campaign, version=waiting.number), detail, now, actor)
    return waiting


def waiting_version(store: SqlStore, name: str) -> Waiting:
    """
    The version of a campaign that waits for an approval.

    Raises:
        RefusedError: none does.
    """
    with store.reading() as ledger:
        return _waiting(ledger, ledger.known_campaign(name))


def _waiting(ledger: SqlLedger, campaign: LiveCampaign) -> Waiting:
    waiting = ledger.waiting_for_approval(campaign)
    if waiting is None:
        raise RefusedError(
            "P130", f"nothing of `{campaign.name}` waits for an approval", f"see `campaignctl status {campaign.name}`"
        )
    return waiting


def _request(ledger: SqlLedger, name: str, project: Project, now: datetime, starts_now: bool) -> Request:
    campaign = ledger.known_campaign(name)
    waiting = _waiting(ledger, campaign)
    version = ledger.version(campaign, waiting.number)
    if campaign.state is CampaignState.PENDING_APPROVAL:
        proposal = _beginning(campaign, version, project, now, starts_now)
    else:
        # Who approves has seen the difference, and agrees to all of it.
        consent = Consent(is_live=True, extends=campaign.state is CampaignState.COMPLETED, starts_now=starts_now)
        proposal = permitted(ledger, version, project, now, consent)
    return Request(campaign, waiting, version, proposal)


def _beginning(campaign: LiveCampaign, version: Version, project: Project, now: datetime, starts_now: bool) -> Proposal:
    """The steps of a campaign that never was active, at the times that they have if it is approved now."""
    delay = project.safety_delay
    if campaign.is_series:
        coming = tuple(planned_steps(next_occurrence(version, now), now, delay))
        return Proposal(version, Action.CREATE, (), coming, frozenset(step.name for step in coming))
    if starts_now:
        refuse_start_now(version)
    planned = planned_steps(version, now, delay, now + delay if starts_now else None)
    refuse_past(planned, version, now)
    steps = [replace(step, id=campaign.step(step.name).id, version=campaign.version) for step in planned]
    return Proposal(version, Action.CREATE, (), tuple(steps), frozenset(step.name for step in steps))


def _refuse_other(name: str, waiting: Waiting, fingerprint: str) -> None:
    if len(fingerprint) < _SHORTEST or not waiting.fingerprint.startswith(fingerprint.lower()):
        raise RefusedError(
            "P132",
            f"the version of `{name}` that waits is {waiting.fingerprint[:12]}, and not {fingerprint}",
            "look at what is different now, and approve that",
        )
