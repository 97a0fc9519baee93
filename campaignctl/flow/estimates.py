"""How many messages each step makes, how long they take, and which steps come too soon after one another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from campaignctl.campaign.model import Campaign
from campaignctl.campaign.steps.base import StepBase
from campaignctl.campaign.steps.email import Email, EmailStep
from campaignctl.campaign.steps.exit import ExitStep
from campaignctl.campaign.steps.sms import Sms, SmsStep
from campaignctl.campaign.steps.split import RandomSplit, SplitStep
from campaignctl.campaign.steps.webhook import Webhook, WebhookStep
from campaignctl.flow.rates import Rate
from campaignctl.flow.shares import sizes
from campaignctl.flow.tree import Stop, Turn, stops
from campaignctl.flow.waiting import takes_everybody
from campaignctl.flow.windows import Hours


@dataclass(frozen=True)
class Size:
    """How many members get to a step; with `is_most`, no more than so many."""

    count: int
    is_most: bool = False


def cohort_sizes(campaign: Campaign, audience: int, taken: Mapping[Turn, int]) -> dict[str, Size]:
    """
    How many members get to each step.

    *taken* are the members who took each turn, of splits that have run. Of
    others, shares are known; conditions may take everybody.
    """
    found: dict[str, Size] = {}
    _walk(campaign.steps, Size(audience), taken, found)
    return found


def _walk(steps: Sequence[StepBase], size: Size, taken: Mapping[Turn, int], found: dict[str, Size]) -> Size:
    """Write down the sizes of *steps*; how many go on after them."""
    for step in steps:
        found[step.id] = size
        if isinstance(step, ExitStep):
            size = Size(0)
        elif isinstance(step, SplitStep):
            size = _after_split(step, size, taken, found)
    return size


def _after_split(step: SplitStep, size: Size, taken: Mapping[Turn, int], found: dict[str, Size]) -> Size:
    entering = _entering(step, size, taken)
    leaving = {name: _walk(_branch(step, name), entered, taken, found) for name, entered in entering.items()}
    if all(leaving[name] == entered for name, entered in entering.items()):
        return size  # nobody leaves
    if any(entered.is_most for entered in entering.values()):
        may_go_on = not takes_everybody(step) or any(each.count for each in leaving.values())
        return Size(size.count if may_go_on else 0, is_most=True)
    left = sum(entered.count - leaving[name].count for name, entered in entering.items())
    return Size(size.count - left, size.is_most)


def _entering(step: SplitStep, size: Size, taken: Mapping[Turn, int]) -> dict[str, Size]:
    names = [branch.name for branch in step.split.branches]
    turns = [Turn(step.id, name) for name in names]
    if any(turn in taken for turn in turns):
        return {turn.branch: Size(taken.get(turn, 0)) for turn in turns}
    if isinstance(step.split, RandomSplit):
        shares = sizes(step.split.rule().shares, size.count)
        return {name: Size(shares[name], size.is_most) for name in names}
    return {name: Size(size.count, is_most=True) for name in names}


def _branch(step: SplitStep, name: str) -> Sequence[StepBase]:
    return next(branch.steps for branch in step.split.branches if branch.name == name)


def sends(step: StepBase) -> bool:
    """Whether it makes messages."""
    return isinstance(step, EmailStep | SmsStep)


def _said(step: StepBase) -> Email | Sms | Webhook | None:
    """What a step that takes time says about its messages or requests."""
    match step:
        case EmailStep():
            return step.email
        case SmsStep():
            return step.sms
        case WebhookStep():
            return step.webhook
        case _:
            return None


def duration(step: StepBase, messages: int, channel: Rate | None) -> timedelta | None:
    """
    How long so many messages take by the rates of the step and of its own channel; None where there is no rate.

    With a window, as if the step began when it opens: the nights between count.
    """
    said = _said(step)
    if said is None or not messages:
        return timedelta()
    rates = [rate for rate in (channel, Rate.parse(said.rate) if said.rate else None) if rate]
    if not rates:
        return None
    if isinstance(said, Webhook) and said.per == "batch":
        messages = ceil(messages / said.batch)
    length = max((messages - 1) * rate.interval for rate in rates)
    if not isinstance(said, Webhook) and said.window:
        days, rest = divmod(length, Hours.parse(said.window).length)
        length = timedelta(days=days) + rest
    return timedelta(seconds=ceil(length.total_seconds()))


@dataclass(frozen=True)
class Tight:
    """A step that comes before the one before it can be done: by when it is, and the gap that would do."""

    step: str
    before: str
    gap: timedelta
    least_gap: timedelta


def tight_steps(
    campaign: Campaign, starts: Mapping[str, datetime], durations: Mapping[str, timedelta | None]
) -> Iterator[Tight]:
    """The steps to come that would have to wait for a slower one before them, each with that one."""
    ends: dict[str, datetime] = {}
    for stop in stops(campaign):
        if stop.id not in starts:
            continue
        before = _last_before(stop, ends)
        begins_at = max(starts[stop.id], ends[before]) if before else starts[stop.id]
        if before and ends[before] > starts[stop.id]:
            gap = starts[stop.id] - starts[before]
            yield Tight(stop.id, before, gap, _whole_minutes(ends[before] - starts[before]))
        ends[stop.id] = begins_at + (durations[stop.id] or timedelta())


def _last_before(stop: Stop, ends: Mapping[str, datetime]) -> str | None:
    return max((name for name in stop.before if name in ends), key=lambda name: ends[name], default=None)


def _whole_minutes(length: timedelta) -> timedelta:
    return timedelta(minutes=ceil(length / timedelta(minutes=1)))


def busiest(campaign: Campaign, starts: Mapping[str, datetime], per: timedelta) -> dict[str, int]:
    """
    The how many-th message in such a length of time each sending step is, for a member who gets all on their way.

    Of the branches of a split before it, the one with the most messages counts.
    """
    found: dict[str, int] = {}
    _count(campaign.steps, [], starts, per, found)
    return found


def _count(
    steps: Sequence[StepBase],
    earlier: list[datetime],
    starts: Mapping[str, datetime],
    per: timedelta,
    found: dict[str, int],
) -> list[datetime]:
    earlier = list(earlier)
    for step in steps:
        at = starts.get(step.id)
        if sends(step) and at is not None:
            earlier.append(at)
            found[step.id] = sum(at - per < each <= at for each in earlier)
        if isinstance(step, SplitStep):
            ways = [_count(branch.steps, earlier, starts, per, found) for branch in step.split.branches]
            earlier = max([earlier, *ways], key=len)
    return earlier
