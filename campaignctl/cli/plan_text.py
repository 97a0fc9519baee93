"""A plan as people read it at a terminal."""

from __future__ import annotations

import textwrap
from datetime import datetime, timedelta
from typing import Final

from campaignctl.campaign.when import wall_text, zone_named
from campaignctl.cli.changes import show_changes
from campaignctl.cli.screen import visible
from campaignctl.cli.show import table
from campaignctl.diagnostics import listed
from campaignctl.flow.states import CampaignState
from campaignctl.planning import Overlap, Plan, Planned
from campaignctl.proposing import Action, Proposal, needed_and_missing

_WIDTH: Final = 80
_UTC: Final = zone_named("UTC")


def show_plan(plan: Plan) -> None:
    """Print a plan: what it comes to, the changes, the timeline, and what to think about first."""
    proposal = plan.proposal
    print(headline(proposal))
    if proposal.live is not None or proposal.refused:
        if proposal.changes:
            print()
        show_changes(proposal.changes if proposal.live is not None else proposal.refused)
    print(f"\n{audience_text(plan)}")
    print(f"Local times are those of {proposal.version.content.timezone}.\n")
    table(
        ["step", "verb", "local", "UTC", "messages", "takes"],
        [
            (each.step.name, each.step.verb, each.local, _utc(each.step.effective_at), messages_text(each), takes(each))
            for each in plan.timeline
        ],
    )
    notes = [*map(delay_text, delayed(plan)), *plan.warnings, *map(overlap_text, plan.overlaps)]
    if notes:
        print()
    for note in notes:
        print("\n".join(textwrap.wrap(visible(f"* {note}"), _WIDTH, subsequent_indent="  ", break_on_hyphens=False)))


def headline(proposal: Proposal) -> str:
    """What publishing comes to, in one sentence."""
    name = proposal.version.campaign.campaign
    number = 0 if proposal.live is None else proposal.live.version
    known = f"`{name}`, version {number}" if number else f"`{name}`"
    if is_beyond_us(proposal):
        return f"{known}: publishing is refused."
    match proposal.action:
        case Action.CREATE:
            return f"{known} is new: publishing it makes version 1."
        case Action.NONE:
            return f"{known}, is published as it is: nothing to do."
        case Action.EXTEND:
            return f"{known}, is completed: extending it makes version {number + 1}, and it is active again."
        case Action.UPDATE:
            return f"{known}: publishing makes version {number + 1}."
        case Action.REFUSED:
            return f"{known}: publishing is refused."


def is_beyond_us(proposal: Proposal) -> bool:
    """Whether it needs what this version of the program cannot run."""
    return any(needed_and_missing(proposal.version.campaign))


def audience_text(plan: Plan) -> str:
    """How many take part."""
    live = plan.proposal.live
    if live is not None and live.started_at is not None:
        return f"{_counted(plan.audience, 'member')} took part from the start on."
    if plan.proposal.version.starts_by_request:
        return "A request brings the contacts, and starts it."
    every = plan.proposal.version.campaign.every
    starts = "" if every is None else f" It starts {every.words}: this is the next time."
    return f"{_counted(plan.audience, 'contact')} would take part now.{starts}"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _utc(at: datetime | None) -> str | None:
    return None if at is None else wall_text(at.replace(microsecond=0), _UTC)


def messages_text(each: Planned) -> str | None:
    """How many messages, or how many at the most."""
    return None if not each.messages else f"{'at most ' if each.size.is_most else ''}{each.messages:,}"


def takes(each: Planned) -> str | None:
    """How long the messages take by the rates, or that the step has begun already."""
    if each.step.has_begun:
        return each.step.state
    if not each.messages:
        return None
    return "as it goes" if each.duration is None else length_text(each.duration)


def length_text(length: timedelta) -> str:
    """
    A length of time in its two largest units.

    >>> length_text(timedelta(hours=27, minutes=46, seconds=40)), length_text(timedelta(seconds=9))
    ('1d 3h', '9s')
    """
    seconds = int(length.total_seconds())
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        number, seconds = divmod(seconds, size)
        if number:
            parts.append(f"{number}{unit}")
    return " ".join(parts[:2]) or "0s"


def delayed(plan: Plan) -> list[Planned]:
    """The steps to come that run later than written."""
    return [
        each
        for each in plan.timeline
        if not each.step.has_begun and each.step.at and each.step.effective_at and each.step.effective_at > each.step.at
    ]


def delay_text(each: Planned) -> str:
    """That the safety delay moves a step."""
    return f"`{each.step.name}` is planned at {_utc(each.step.at)} UTC, and the safety delay moves it"


def overlap_text(overlap: Overlap) -> str:
    """That another campaign writes to the same contacts."""
    return (
        f"`{overlap.campaign}` writes to {_counted(overlap.contacts, 'contact')} of these at about the same time:"
        f" {listed(list(overlap.steps), 'and')}"
    )


def next_step(proposal: Proposal) -> str:
    """What to do after having read a plan."""
    name = proposal.version.campaign.campaign
    if is_beyond_us(proposal):
        return "Leave out what cannot be run, and run campaignctl plan again."
    match proposal.action:
        case Action.NONE:
            return f"Next: campaignctl status {name}"
        case Action.EXTEND:
            return "Next: campaignctl extend with this file"
        case Action.REFUSED if proposal.live is not None and proposal.live.state is CampaignState.STOPPED:
            return "Next: publish it under another name"
        case Action.REFUSED:
            return "Take back what is refused, and run campaignctl plan again."
    if proposal.asks_first:
        return f"Next: campaignctl pause {name}, then publish this file; or publish it with --live"
    return "Next: campaignctl publish with this file"
