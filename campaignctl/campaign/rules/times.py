"""Rules of time: order along every way, zones, and what has no time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from campaignctl.campaign.load import CampaignFile
from campaignctl.campaign.model import SegmentStarter
from campaignctl.campaign.rules.known import Known, placed_steps
from campaignctl.campaign.source import Path
from campaignctl.campaign.steps.base import StepBase
from campaignctl.campaign.steps.union import branches_of
from campaignctl.campaign.when import Fit, wall_text, zone_named
from campaignctl.diagnostics import Problem, Severity


def times_are_sound(file: CampaignFile, known: Known) -> Iterator[Problem]:
    """C210 to C214: a zone, times that exist, and an order along every way."""
    name = file.campaign.timezone or known.project.timezone
    if name is None:
        yield file.problem(
            "C210",
            ("campaign",),
            "neither the campaign nor the project has a time zone",
            "add `timezone: Europe/Paris`",
            at_key=True,
        )
        return
    zone = zone_named(name)
    yield from _that_do_not_fit(file, zone)
    is_segment = isinstance(file.campaign.starter, SegmentStarter)
    order = _Order(file, zone, is_segment)
    order.walk(file.campaign.steps, ("steps",), None)
    yield from order.problems


def _that_do_not_fit(file: CampaignFile, zone: ZoneInfo) -> Iterator[Problem]:
    for path, step in placed_steps(file):
        fit = Fit.EXACT if step.at is None else step.at.fit(zone)
        if step.at is None or fit is Fit.EXACT:
            continue
        at = step.at.at(zone)
        as_instant = at.astimezone(zone).isoformat(timespec="minutes")
        if fit is Fit.GAP:
            later = wall_text(at, zone)
            yield file.problem(
                "C211",
                (*path, "at"),
                f"`{step.at.text}` does not exist in {zone.key}: the clock is put forward over it",
                f"write another time, such as `{later}`",
                step=step.id,
            )
        else:
            yield file.problem(
                "C212",
                (*path, "at"),
                f"`{step.at.text}` happens twice in {zone.key}, and the first is meant",
                f"write the instant to be clear: `{as_instant}`",
                severity=Severity.WARNING,
                step=step.id,
            )


class _Order:
    """Walks every way through the tree and notes steps that come too early or lack a time."""

    def __init__(self, file: CampaignFile, zone: ZoneInfo, is_segment: bool) -> None:
        self._file = file
        self._zone = zone
        self._is_segment = is_segment
        self.problems: list[Problem] = []

    def walk(
        self, steps: Sequence[StepBase], path: Path, before: tuple[str, datetime] | None
    ) -> tuple[str, datetime] | None:
        """The latest step with a time so far, after *steps*."""
        for index, step in enumerate(steps):
            here = (*path, index)
            before = self._checked(step, here, before)
            ends = [
                self.walk(branch.steps, (*here, "split", "branches", number, "steps"), before)
                for number, branch in enumerate(branches_of(step))
            ]
            before = max([end for end in (before, *ends) if end is not None], key=lambda end: end[1], default=None)
        return before

    def _checked(self, step: StepBase, path: Path, before: tuple[str, datetime] | None) -> tuple[str, datetime] | None:
        if step.at is None:
            if self._is_segment:
                self.problems.append(
                    self._file.problem(
                        "C213",
                        (*path, "id"),
                        f"`{step.id}` has no time",
                        "add `at: 2026-12-01 09:00`",
                        step=step.id,
                    )
                )
            elif before is not None:
                self.problems.append(
                    self._file.problem(
                        "C214",
                        (*path, "id"),
                        f"`{step.id}` has no time, and comes after `{before[0]}`, which has one",
                        "give it a time, or move it to the front",
                        step=step.id,
                    )
                )
            return before
        at = step.at.at(self._zone)
        if before is not None and at < before[1]:
            self.problems.append(
                self._file.problem(
                    "C215",
                    (*path, "at"),
                    f"`{step.id}` is earlier than `{before[0]}` before it ({wall_text(before[1], self._zone)})",
                    "give it a later time, or change the order",
                    step=step.id,
                )
            )
            return before
        return step.id, at
