"""The steps of a campaign as a publication plans them: at their times, and when they may run at the earliest."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from campaignctl.campaign.steps.union import verb_of
from campaignctl.campaign.version import Version
from campaignctl.flow.states import StepState
from campaignctl.flow.tree import Stop, stops
from campaignctl.ports import LiveCampaign, LiveStep


def planned_steps(
    version: Version, published_at: datetime, safety_delay: timedelta, first_at: datetime | None = None
) -> list[LiveStep]:
    """
    The steps as they are planned: at their times, and never sooner than the safety delay allows.

    *first_at* takes the place of the first step's time (`--now`).
    """
    earliest = published_at + safety_delay
    planned = [_new_step(stop, version, 1, earliest) for stop in stops(version.campaign)]
    if first_at is not None:
        state = StepState.SCHEDULED
        planned[0] = replace(planned[0], state=state, at=first_at, effective_at=max(first_at, earliest))
    return planned


def _new_step(stop: Stop, version: Version, number: int, earliest: datetime) -> LiveStep:
    at = stop.step.instant_in(version.zone)
    return LiveStep(
        id=0,
        name=stop.id,
        position=stop.position,
        verb=verb_of(stop.step),
        state=StepState.WAITING if at is None else StepState.SCHEDULED,
        version=number,
        at=at,
        effective_at=None if at is None else max(at, earliest),
        started_at=None,
        finished_at=None,
        cohort=None,
        reason=None,
    )


def steps_after(
    live: LiveCampaign, version: Version, retimed: Collection[str], earliest: datetime
) -> Iterator[LiveStep]:
    """The steps as the next version has them: those that have begun keep all but their number in the order."""
    known = {step.name: step for step in live.steps}
    for stop in stops(version.campaign):
        new, old = _new_step(stop, version, live.version + 1, earliest), known.get(stop.id)
        if old is None:
            yield new
        elif old.has_begun:
            yield replace(old, position=stop.position)
        elif stop.id in retimed:
            yield replace(new, id=old.id)
        else:
            yield replace(old, position=stop.position, verb=new.verb, version=new.version)


def retimed_by(version: Version, live: LiveCampaign) -> frozenset[str]:
    """The steps to which *version* gives a time that they do not have in a live campaign."""
    known = {step.name: step.at for step in live.steps}
    placed = stops(version.campaign)
    return frozenset(
        stop.id for stop in placed if stop.id not in known or known[stop.id] != stop.step.instant_in(version.zone)
    )
