"""The tree of a campaign as it runs: the order of its steps, and who waits for whom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from campaignctl.campaign.model import Campaign
from campaignctl.campaign.steps.base import StepBase
from campaignctl.campaign.steps.union import branches_of


class Turn(NamedTuple):
    """One decision of a split: `branch` is empty for contacts that matched none."""

    split: str
    branch: str


@dataclass(frozen=True)
class Stop:
    """
    One step in its place.

    `turn` is the innermost decision that leads here, or None on the trunk.
    `before` are the steps that have to be finished first: the one written just
    before with everything inside it, or the split that the branch belongs to.
    """

    step: StepBase
    position: int
    turn: Turn | None
    before: frozenset[str]

    @property
    def id(self) -> str:
        return self.step.id


def stops(campaign: Campaign) -> list[Stop]:
    """All steps in the order written, each with its place."""
    return [
        Stop(step, position, turn, before)
        for position, (step, turn, before) in enumerate(_walk(campaign.steps, None, frozenset()))
    ]


def _walk(
    steps: Sequence[StepBase], turn: Turn | None, before: frozenset[str]
) -> Iterator[tuple[StepBase, Turn | None, frozenset[str]]]:
    for step in steps:
        yield step, turn, before
        inside = {step.id}
        for branch in branches_of(step):
            for inner in _walk(branch.steps, Turn(step.id, branch.name), frozenset({step.id})):
                inside.add(inner[0].id)
                yield inner
        before = frozenset(inside)


def siblings(campaign: Campaign) -> dict[Turn | None, list[str]]:
    """The ids of every sequence in their order: the trunk's, and those of each branch."""
    found: dict[Turn | None, list[str]] = {None: []}
    for stop in stops(campaign):
        found.setdefault(stop.turn, []).append(stop.id)
    return found


def way_after(path: str, turn: Turn) -> str:
    """
    The way of a member who had come along *path* and now takes *turn*.

    >>> way_after("/", Turn("reaction", "clicked"))
    '/reaction=clicked/'
    """
    return f"{path}{turn.split}={turn.branch}/"


def turns_of(path: str) -> list[Turn]:
    """
    The decisions along a way, first to last.

    >>> turns_of("/reaction=clicked/half=/")
    [Turn(split='reaction', branch='clicked'), Turn(split='half', branch='')]
    """
    return [Turn(*part.split("=", 1)) for part in path.split("/") if part]
