"""
Which changes of a published campaign are possible now.

The rules are the table of `docs/changing.md`: what has begun stays as it was,
members are never overtaken by an edit, and what moves steps about is done on
purpose.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from campaignctl.campaign.condition import SegmentCondition, within_condition
from campaignctl.campaign.steps.base import StepBase
from campaignctl.campaign.steps.split import SegmentSplit, SplitStep
from campaignctl.campaign.steps.union import every_step
from campaignctl.campaign.version import Version
from campaignctl.flow.changes import Change, ChangeKind, by_kind
from campaignctl.flow.differences import EVERY, SEGMENTS, differences
from campaignctl.flow.states import CampaignState
from campaignctl.flow.tree import stops
from campaignctl.flow.waiting import waiting

# What a campaign has from its start on, or never.
_FROM_THE_START: Final = frozenset({"starter", "list", "timezone", "contacts"})

STOPPED: Final = "the campaign was stopped, which is final"

# What a version keeps of the project.
_OF_PROJECT: Final = frozenset({"project", "sender", "postal_address", "public_url", "project_segment", "contacts"})


@dataclass(frozen=True)
class Standing:
    """
    Where a published campaign stands.

    `begun` are the steps that have begun or are over. `former` are the ids that
    earlier versions had and the live one has not, each with its last verb.
    """

    state: CampaignState
    has_started: bool = False
    begun: frozenset[str] = frozenset()
    former: Mapping[str, str] = field(default_factory=dict)


def edits(live: Version, file: Version, standing: Standing, now: datetime) -> list[Change]:
    """What publishing *file* would change, in the order people read it; what is not possible is `refused`."""
    rules = _Rules(live, file, standing, now)
    judged = [rules.judged(change) for change in differences(live, file) if rules.matters(change)]
    return sorted(judged, key=by_kind)


def before_the_end(changes: Sequence[Change], file: Version) -> list[str]:
    """The steps that *changes* add, and that a step which was there already comes after."""
    added = {change.step for change in changes if is_addition(change)}
    after = (stop.before for stop in stops(file.campaign) if stop.id not in added)
    found = {name for before in after for name in before if name in added}
    return [stop.id for stop in stops(file.campaign) if stop.id in found]


def is_addition(change: Change) -> bool:
    """Whether it gives the campaign another step."""
    return change.field == "step" and change.before is None


class _Rules:
    """The table, for one live version, one file and one moment."""

    def __init__(self, live: Version, file: Version, standing: Standing, now: datetime) -> None:
        self._standing = standing
        self._now = now
        self._file = file
        self._steps = {step.id: step for step in every_step(file.campaign.steps)}
        self._to_come = [step for step in self._steps.values() if step.id not in standing.begun]
        # For each step that comes before one where members are now: that one.
        self._overtakes: dict[str, str] = {}
        self._now_at: set[str] = set()
        if standing.has_started:
            self._find_members(live, file)
        self._too_late = dict(self._before_begun())

    def _find_members(self, live: Version, file: Version) -> None:
        ahead_in_file = waiting(file.campaign, self._standing.begun)
        for place, ahead in waiting(live.campaign, self._standing.begun).items():
            if not ahead:
                continue
            following = ahead_in_file.get(place, ())
            self._now_at.add(ahead[0])
            if ahead[0] in following:
                before = following[: following.index(ahead[0])]
                self._overtakes |= dict.fromkeys(before, ahead[0])

    def _before_begun(self) -> Iterator[tuple[str, str]]:
        """The steps to come that the file puts before one that has begun, and that one."""
        for stop in stops(self._file.campaign):
            if stop.id in self._standing.begun:
                for name in stop.before - self._standing.begun:
                    yield name, stop.id

    def matters(self, change: Change) -> bool:
        """
        Whether a difference is one to this campaign.

        What the project says otherwise is none where no step is to come that
        it could mean something to.
        """
        if change.step is not None:
            return True
        if change.field.startswith(SEGMENTS):
            return change.field.removeprefix(SEGMENTS) in self._segments_to_come()
        return bool(self._to_come) or change.field not in _OF_PROJECT

    def _segments_to_come(self) -> set[str]:
        """The segments that something of the campaign still asks for."""
        asked = [
            branch.when
            for step in self._to_come
            if isinstance(step, SplitStep) and isinstance(step.split, SegmentSplit)
            for branch in step.split.branches
        ]
        if self._to_come:
            asked.append(self._file.content.project_segment)
        if not self._standing.has_started and not self._file.starts_by_request:
            asked.append(self._file.audience)
        segments, found = self._file.content.segments, set[str]()
        while asked:
            condition = asked.pop()
            for each in within_condition(condition) if condition is not None else ():
                if isinstance(each, SegmentCondition) and each.segment not in found:
                    found.add(each.segment)
                    asked.append(segments.get(each.segment))
        return found

    def judged(self, change: Change) -> Change:
        """The change as it may be made now, or why it may not."""
        why = self._refusal(change)
        if why:
            return replace(change, kind=ChangeKind.REFUSED, reason=why)
        is_active = self._standing.state is CampaignState.ACTIVE
        is_of_place = change.step in self._now_at and change.kind is not ChangeKind.CONTENT
        return replace(change, asks_first=is_active and (change.kind is ChangeKind.STRUCTURE or is_of_place))

    def _refusal(self, change: Change) -> str | None:
        if self._standing.state is CampaignState.STOPPED:
            return STOPPED
        if change.step is None:
            return self._refusal_of_campaign(change)
        if change.step in self._standing.begun:
            return f"`{change.step}` has begun or is over, and stays as it was"
        step = self._steps.get(change.step)
        if change.field in ("step", "place"):
            return self._refusal_of_place(change, step)
        return self._refusal_of_time(step) if change.field == "at" else None

    def _refusal_of_campaign(self, change: Change) -> str | None:
        if change.field == EVERY and None in (change.before, change.after):
            return "a campaign recurs from its first publication on, or never"
        if self._standing.has_started and change.field in _FROM_THE_START:
            return f"the campaign has started, and its `{change.field}` stays"
        return None if self._to_come else "every step of the campaign has begun or is over"

    def _refusal_of_place(self, change: Change, step: StepBase | None) -> str | None:
        name = str(change.step)
        if name in self._now_at:
            return f"members are at `{name}` now, the next to run: it stays where it is"
        if name in self._too_late:
            return f"it would come before `{self._too_late[name]}`, which has begun or is over"
        if name in self._overtakes:
            return f"it would come before `{self._overtakes[name]}`, where members are now"
        former = self._standing.former.get(name)
        if change.before is None and former is not None and former != change.after:
            return f"`{name}` was the id of a removed `{former}` step, and cannot come back with another verb"
        return self._refusal_of_time(step) if change.before is None else None

    def _refusal_of_time(self, step: StepBase | None) -> str | None:
        if step is not None and step.at is None and self._standing.has_started:
            return "the request has come already, and nothing would start it: give it a time"
        at = None if step is None else step.instant_in(self._file.zone)
        if step is None or step.at is None or at is None or at >= self._now:
            return None
        return f"its time is past ({step.at.text})"
