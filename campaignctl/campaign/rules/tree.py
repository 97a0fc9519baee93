"""Rules of the tree: names, ways, branches and shares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from campaignctl.campaign.load import CampaignFile
from campaignctl.campaign.rules.known import Known, placed_steps
from campaignctl.campaign.source import Path
from campaignctl.campaign.steps.base import StepBase
from campaignctl.campaign.steps.email import EmailStep
from campaignctl.campaign.steps.exit import ExitStep
from campaignctl.campaign.steps.sms import SmsStep
from campaignctl.campaign.steps.split import EngagementSplit, RandomSplit, SplitStep
from campaignctl.campaign.steps.union import branches_of
from campaignctl.diagnostics import Problem, did_you_mean


def ids_are_unique(file: CampaignFile, known: Known) -> Iterator[Problem]:
    """C201: every step has a name of its own."""
    first: dict[str, Path] = {}
    for path, step in placed_steps(file):
        if step.id in first:
            line = file.source.span((*first[step.id], "id")).line
            yield file.problem(
                "C201", (*path, "id"), f"the id `{step.id}` is used twice (first on line {line})",
                "give each step a name of its own", step=step.id,
            )  # fmt: skip
        first.setdefault(step.id, path)


def branches_are_sound(file: CampaignFile, known: Known) -> Iterator[Problem]:
    """C202, C203, C204: branch names, shares, and which branch may leave out `when`."""
    for path, step in placed_steps(file):
        if not isinstance(step, SplitStep):
            continue
        here = (*path, "split", "branches")
        names: set[str] = set()
        for number, branch in enumerate(step.split.branches):
            if branch.name in names:
                yield file.problem(
                    "C202", (*here, number, "name"), f"the branch `{branch.name}` is there twice in `{step.id}`",
                    "give each branch a name of its own", step=step.id,
                )  # fmt: skip
            names.add(branch.name)
        if isinstance(step.split, RandomSplit):
            total = sum(branch.share for branch in step.split.branches)
            if total != 100:
                yield file.problem(
                    "C203", here, f"the shares of `{step.id}` add up to {total}%", "make them add up to 100%",
                    at_key=True, step=step.id,
                )  # fmt: skip
        else:
            for number, each in enumerate(step.split.branches[:-1]):
                if getattr(each, "when", None) is None:
                    yield file.problem(
                        "C204", (*here, number, "name"), f"`{each.name}` has no `when`, and is not the last branch",
                        "give it a `when`, or move it to the end", step=step.id,
                    )  # fmt: skip


def messages_exist_before(file: CampaignFile, known: Known) -> Iterator[Problem]:
    """C205: `of` is an earlier message on the way to the split."""
    yield from _unknown_of(file, file.campaign.steps, ("steps",), [])


def _unknown_of(file: CampaignFile, steps: Sequence[StepBase], path: Path, earlier: list[str]) -> Iterator[Problem]:
    earlier = list(earlier)
    for index, step in enumerate(steps):
        here = (*path, index)
        if isinstance(step, EmailStep | SmsStep):
            earlier.append(step.id)
        if not isinstance(step, SplitStep):
            continue
        if isinstance(step.split, EngagementSplit) and step.split.of not in earlier:
            of = step.split.of
            yield file.problem(
                "C205", (*here, "split", "of"), f"`{of}` is no message on the way to `{step.id}`",
                did_you_mean(of, earlier, "name an email or sms step that every contact here has passed"), step=step.id,
            )  # fmt: skip
        for number, branch in enumerate(step.split.branches):
            yield from _unknown_of(file, branch.steps, (*here, "split", "branches", number, "steps"), earlier)


def steps_can_be_reached(file: CampaignFile, known: Known) -> Iterator[Problem]:
    """C206: nothing stands where every contact has left."""
    yield from _unreachable(file, file.campaign.steps, ("steps",))


def _unreachable(file: CampaignFile, steps: Sequence[StepBase], path: Path) -> Iterator[Problem]:
    left_by = ""
    for index, step in enumerate(steps):
        here = (*path, index)
        if left_by:
            yield file.problem(
                "C206", (*here, "id"), f"nobody reaches `{step.id}`: all contacts leave at `{left_by}`",
                "remove the step, or the `exit` before it", step=step.id,
            )  # fmt: skip
            return
        for number, branch in enumerate(branches_of(step)):
            yield from _unreachable(file, branch.steps, (*here, "split", "branches", number, "steps"))
        if _all_leave(step):
            left_by = step.id


def _all_leave(step: StepBase) -> bool:
    if isinstance(step, ExitStep):
        return True
    if not isinstance(step, SplitStep):
        return False
    split = step.split
    takes_everybody = isinstance(split, RandomSplit) or split.branches[-1].when is None
    return takes_everybody and all(any(_all_leave(inner) for inner in branch.steps) for branch in split.branches)
