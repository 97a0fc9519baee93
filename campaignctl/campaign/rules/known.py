"""What checks know beside the file: the project, the list's attributes, the files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from campaignctl.campaign.attribute import AttributeType
from campaignctl.campaign.load import CampaignFile
from campaignctl.campaign.source import Path
from campaignctl.campaign.steps.base import StepBase
from campaignctl.campaign.steps.union import branches_of
from campaignctl.diagnostics import Problem
from campaignctl.files import FileTrouble
from campaignctl.project import Project


@dataclass(frozen=True)
class Known:
    """
    The surroundings of one campaign file.

    `attributes` are those of its list, by name in small letters; None where no
    contact was brought in yet, and then nothing is said of them.
    """

    project: Project
    attributes: Mapping[str, AttributeType] | None
    read: Callable[[str], bytes | FileTrouble]


Rule = Callable[[CampaignFile, Known], Iterator[Problem]]


def placed_steps(file: CampaignFile) -> Iterator[tuple[Path, StepBase]]:
    """Every step with its path in the file, in the order written."""
    yield from _placed(file.campaign.steps, ("steps",))


def _placed(steps: Any, path: Path) -> Iterator[tuple[Path, StepBase]]:
    for index, step in enumerate(steps):
        here = (*path, index)
        yield here, step
        for number, branch in enumerate(branches_of(step)):
            yield from _placed(branch.steps, (*here, "split", "branches", number, "steps"))
