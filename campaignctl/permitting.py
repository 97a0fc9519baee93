"""Whether a proposal may be published as the user asks for it; what is refused, with its code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Final

from campaignctl.campaign.version import Version
from campaignctl.campaign.when import wall_text
from campaignctl.diagnostics import listed
from campaignctl.errors import RefusedError
from campaignctl.flow.changes import Change
from campaignctl.flow.edits import before_the_end, is_addition
from campaignctl.flow.states import CampaignState
from campaignctl.ports import LiveStep
from campaignctl.project import Project
from campaignctl.proposing import Action, Proposal, proposed, refuse_missing
from campaignctl.store.ledger import SqlLedger
from campaignctl.store.lists import known_list


@dataclass(frozen=True)
class Consent:
    """
    What the user agrees to beside the file itself.

    `is_live` is `--live`: structure changes although the campaign is not
    paused. `extends` is the command `extend`, `starts_now` is `--now`.
    """

    is_live: bool = False
    extends: bool = False
    starts_now: bool = False


NOTHING_MORE: Final = Consent()


def permitted(ledger: SqlLedger, version: Version, project: Project, now: datetime, consent: Consent) -> Proposal:
    """
    What publishing *version* would do, where the user may have it.

    Raises:
        RefusedError: it is not possible, or needs more consent.
    """
    refuse_missing(version.campaign)
    proposal = proposed(ledger, version, project, now, starts_now=consent.starts_now)
    name, live = version.name, proposal.live
    if live is None:
        if consent.extends:
            ledger.known_campaign(name)
        if not version.starts_by_request:
            known_list(ledger.connection, version.campaign.list_name)
        refuse_past(proposal.steps, version, now)
    elif live.state is CampaignState.STOPPED:
        raise RefusedError("P103", f"`{name}` was stopped, which is final", "publish it under another name")
    elif proposal.changes:
        known_list(ledger.connection, version.campaign.list_name)
        _refuse_changes(proposal, name, consent)
    return proposal


def refuse_past(planned: Sequence[LiveStep], version: Version, now: datetime) -> None:
    """
    Let only a new campaign pass that is still to come.

    Raises:
        RefusedError: the time of a step is past.
    """
    past = [step.name for step in planned if step.at is not None and step.at < now]
    if past:
        at = wall_text(now, version.zone)
        raise RefusedError(
            "P101",
            f"the time of {listed(past, 'and')} is past: it is {at} in {version.content.timezone}",
            "give later times, or use `--now` for the first step",
        )
    for before, after in pairwise(planned):
        if before.position == 0 and before.at and after.at and after.at < before.at:
            raise RefusedError(
                "P106",
                f"`{after.name}` would come before `{before.name}`, which `--now` moves after it",
                "give the steps later times",
            )


def _refuse_changes(proposal: Proposal, name: str, consent: Consent) -> None:
    """What of a change to a campaign that is there is refused."""
    if proposal.refused:
        count = len(proposal.refused)
        what = "a change" if count == 1 else f"{count} changes"
        raise RefusedError(
            "P120",
            f"the file makes {what} to `{name}` that cannot be made now\n{_listed(proposal.refused)}",
            "take them back, and publish again: nothing of the file was published",
        )
    if consent.starts_now:
        raise RefusedError(
            "P124",
            f"`--now` starts new campaigns, and `{name}` is published already",
            "give its first step another time, or leave `--now` out",
        )
    if consent.extends:
        _refuse_other_than_additions(proposal, name)
    elif proposal.action is Action.EXTEND:
        raise RefusedError(
            "P122",
            f"`{name}` is completed, and the file adds {listed(_added(proposal), 'and')}",
            "run `campaignctl extend` with the file",
        )
    elif proposal.asks_first and not consent.is_live:
        raise RefusedError(
            "P121",
            f"`{name}` is active, and the file changes more than texts and times of steps that are not reached\n"
            + _listed(proposal.asks_first),
            f"run `campaignctl pause {name}` first, or publish with `--live`",
        )


def _refuse_other_than_additions(proposal: Proposal, name: str) -> None:
    # What the campaign or the project says as a whole goes with the steps that are added.
    others = [change for change in proposal.changes if change.step is not None and not is_addition(change)]
    if others or not _added(proposal):
        raise RefusedError(
            "P125",
            f"`extend` adds steps to `{name}`, and the file changes something else\n"
            + _listed(others or proposal.changes),
            "use `campaignctl publish` for that",
        )
    if early := before_the_end(proposal.changes, proposal.version):
        raise RefusedError(
            "P125",
            f"`extend` adds steps at the end, and {listed(early, 'and')} would come before steps of `{name}`",
            "use `campaignctl publish` for that",
        )


def _added(proposal: Proposal) -> list[str]:
    return [str(change.step) for change in proposal.changes if is_addition(change)]


def _listed(changes: Iterable[Change]) -> str:
    """Each change with its step, the two values and the rule, a few lines each."""
    parts = []
    for change in changes:
        where = "the campaign" if change.step is None else f"`{change.step}`"
        parts.append(f"  - {where}, {change.field}: {change.told}")
        if change.reason:
            parts.append(f"    {change.reason}")
    return "\n".join(parts)
