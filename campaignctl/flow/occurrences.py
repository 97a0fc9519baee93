"""
The starts of a recurring campaign, and the campaign that each of them is.

A rule is read by the clock on the wall, and each wall time becomes an instant
as `When` says: one that the clock jumps over is as much later as it jumps, and
one that happens twice is the first. So a start in the hour that is put back
happens once. (croniter, given a zone, would start twice then.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import count, takewhile
from typing import Any, Final
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter

from campaignctl.campaign.cron import Cron
from campaignctl.campaign.model import SegmentStarter
from campaignctl.campaign.moments import is_day
from campaignctl.campaign.offset import Offset
from campaignctl.campaign.steps.base import StepBase
from campaignctl.campaign.steps.split import SplitStep
from campaignctl.campaign.version import Version
from campaignctl.campaign.when import When, wall_text

# No clock is put forward by more: Samoa left out a whole day once.
_LARGEST_JUMP: Final = timedelta(hours=25)


@dataclass(frozen=True, order=True)
class Start:
    """One start: the instant, and the time on the wall by which the rule knows it."""

    at: datetime
    wall: datetime


@dataclass(frozen=True)
class Recurrence:
    """The rule of a recurring campaign's starts, in its zone, and what ends them."""

    every: Cron
    zone: ZoneInfo
    until: str | None = None

    def next_after(self, at: datetime) -> Start | None:
        """The first start after an instant; None where there is none."""
        found: Start | None = None
        for wall in self._walls(at):
            # Behind a wall time that was put off, another may come sooner; not behind the time that it came to.
            if found is not None and wall > found.at.astimezone(self.zone).replace(tzinfo=None):
                break
            start = Start(When("", wall).at(self.zone), wall)
            # Of two that come to the same instant, the later wall time is the one that exists.
            if start.at > at and (found is None or start.at <= found.at):
                found = start
        return found if found is not None and not self._is_over(found) else None

    def after(self, at: datetime) -> Iterator[Start]:
        """All starts after an instant, in their order."""
        while (start := self.next_after(at)) is not None:
            yield start
            at = start.at

    def up_to(self, at: datetime, last: datetime) -> Iterator[Start]:
        """The starts after *at* that are not after *last*."""
        return takewhile(lambda start: start.at <= last, self.after(at))

    def _walls(self, at: datetime) -> Iterator[datetime]:
        """The wall times of the rule, in their order, from before all that can come after an instant."""
        local = at.astimezone(self.zone)
        earlier = (at - _LARGEST_JUMP).astimezone(self.zone)
        jump = max((local.utcoffset() or timedelta(0)) - (earlier.utcoffset() or timedelta(0)), timedelta(0))
        times = croniter(self.every.text, local.replace(tzinfo=None) - jump)
        try:
            while True:
                yield times.get_next(datetime)
        except CroniterBadDateError:
            return

    def _is_over(self, start: Start) -> bool:
        """Whether the last day, or the last moment, has passed; both belong to it."""
        if self.until is None:
            return False
        if is_day(self.until):
            return start.wall.date() > date.fromisoformat(self.until)
        return start.at > When.parse(self.until).at(self.zone)


def recurrence_of(version: Version) -> Recurrence | None:
    """The rule of a version's starts; None where it does not recur."""
    starter = version.campaign.starter
    if not isinstance(starter, SegmentStarter) or starter.every is None:
        return None
    return Recurrence(starter.every, version.zone, starter.until)


def names_of(campaign: str, start: Start, every: Cron) -> Iterator[str]:
    """
    What the occurrence of this start may be called, the best name first.

    The day names it where there is one start a day; another name is needed
    where the rule was changed within the day.
    """
    by_day = f"{campaign}@{start.wall:%Y-%m-%d}"
    by_time = f"{by_day}-{start.wall:%H%M}"
    if len(every.clocks) == 1:
        yield by_day
    yield by_time
    yield from (f"{by_time}-{number}" for number in count(2))


def seed_of(series_seed: str, start: Start) -> str:
    """The seed of an occurrence: each divides its cohorts anew, and the same on every machine."""
    return hashlib.sha256(f"{series_seed}/{start.wall.isoformat()}".encode()).hexdigest()[:16]


def occurrence(version: Version, start: Start, name: str) -> Version:
    """
    The campaign that a recurring one is at one of its starts: an ordinary one, with times of its own.

    No step comes before the one before it, whatever a clock change makes of
    their times.
    """
    campaign, starter = version.campaign, version.campaign.starter
    if not isinstance(starter, SegmentStarter):
        raise TypeError("only what a segment starts recurs")
    steps, _ = _placed(campaign.steps, start, version.zone, start.at)
    once = SegmentStarter.model_construct({"segment"}, segment=starter.segment)
    pinned = campaign.model_copy(update={"starter": once, "steps": steps})
    return Version(version.content.model_copy(update={"campaign": pinned, "occurrence": name}), version.files)


def _placed(
    steps: Sequence[StepBase], start: Start, zone: ZoneInfo, earliest: datetime
) -> tuple[list[StepBase], datetime]:
    """The steps with their times after a start, and the latest of these."""
    placed = []
    for step in steps:
        at = step.at.at(start.wall, start.at, zone) if isinstance(step.at, Offset) else step.instant_in(zone)
        latest = earliest = max(at or earliest, earliest)
        changes: dict[str, Any] = {"at": _written(earliest, zone)}
        if isinstance(step, SplitStep):
            branches: list[Any] = []
            for branch in step.split.branches:
                inside, end = _placed(branch.steps, start, zone, earliest)
                latest = max(latest, end)
                # What was not written stays so: a version is told apart by what is.
                branches.append(branch.model_copy(update={"steps": inside}) if inside else branch)
            changes["split"] = step.split.model_copy(update={"branches": branches})
        placed.append(step.model_copy(update=changes))
        earliest = latest
    return placed, earliest


def _written(at: datetime, zone: ZoneInfo) -> When:
    """The time as a file would write it: by the clock on the wall where that is clear."""
    when = When.parse(wall_text(at, zone))
    return when if when.at(zone) == at else When.parse(at.astimezone(zone).isoformat())
