"""Where the members of a running campaign stand, and which steps are ahead of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import takewhile

from campaignctl.campaign.model import Campaign
from campaignctl.campaign.steps.base import StepBase
from campaignctl.campaign.steps.exit import ExitStep
from campaignctl.campaign.steps.split import RandomSplit, SplitStep
from campaignctl.flow.tree import Turn

Ahead = tuple[str, ...]


def waiting(campaign: Campaign, begun: Collection[str]) -> dict[Turn | None, Ahead]:
    """
    Every place where members may stand, by the last decision that led there, with the ids of the steps ahead.

    The steps ahead are those of their own sequence and of the ones around it;
    what a split ahead leads to is inside that split. The first is where they
    are now: the next to run. Those who have left are nowhere.
    """
    return dict(_standing(campaign.steps, None, (), begun))


def _standing(
    steps: Sequence[StepBase], turn: Turn | None, after: Ahead, begun: Collection[str]
) -> Iterator[tuple[Turn | None, Ahead]]:
    passed = list(takewhile(lambda step: step.id in begun, steps))
    ahead = (*(step.id for step in steps[len(passed) :]), *after)
    if any(isinstance(step, ExitStep) for step in passed):
        return
    last = passed[-1] if passed else None
    if not isinstance(last, SplitStep):
        yield turn, ahead
        return
    for branch in last.split.branches:
        yield from _standing(branch.steps, Turn(last.id, branch.name), ahead, begun)
    if not takes_everybody(last):
        yield Turn(last.id, ""), ahead


def takes_everybody(step: SplitStep) -> bool:
    """Whether nobody goes past the branches of the split."""
    return isinstance(step.split, RandomSplit) or step.split.branches[-1].when is None
