"""Rules of time: order along every way, zones, and what has no time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from campaignctl.campaign.cron import Cron
from campaignctl.campaign.load import CampaignFile
from campaignctl.campaign.model import SegmentStarter
from campaignctl.campaign.offset import Offset
from campaignctl.campaign.rules.known import Known, placed_steps
from campaignctl.campaign.source import Path
from campaignctl.campaign.steps.base import StepBase
from campaignctl.campaign.steps.union import branches_of
from campaignctl.campaign.when import Fit, When, wall_text, zone_named
from campaignctl.diagnostics import Problem, Severity


def times_are_sound(file: CampaignFile, known: Known) -> Iterator[Problem]:
    """C210 to C218: a zone, times that exist, and an order along every way."""
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
    every = file.campaign.every
    of_wrong_kind = list(_of_wrong_kind(file, every))
    yield from of_wrong_kind
    yield from _that_do_not_fit(file, zone)
    if every is not None and every.is_never:
        yield file.problem(
            "C218", ("starter", "every"), f"`{every.text}` names no day that there is", "name a day of the calendar"
        )
    if not of_wrong_kind:
        yield from _out_of_order(file, zone) if every is None else _out_of_order_after_starts(file, every)


def _of_wrong_kind(file: CampaignFile, every: Cron | None) -> Iterator[Problem]:
    """C216, C217: a recurring campaign has times that are relative to its starts, and no other has."""
    for path, step in placed_steps(file):
        if every is not None and isinstance(step.at, When):
            yield file.problem(
                "C216", (*path, "at"), f"`{step.id}` has a time of its own, and the campaign recurs",
                "say how long after each start: `+0d`, `+2d 09:00` or `+4h`", step=step.id,
            )  # fmt: skip
        elif every is None and isinstance(step.at, Offset):
            yield file.problem(
                "C217", (*path, "at"), f"`{step.at.text}` is relative to a start, and the campaign does not recur",
                "write a time like `2026-12-01 09:00`, or add `every` to the starter", step=step.id,
            )  # fmt: skip


def _that_do_not_fit(file: CampaignFile, zone: ZoneInfo) -> Iterator[Problem]:
    for path, step in placed_steps(file):
        if not isinstance(step.at, When) or (fit := step.at.fit(zone)) is Fit.EXACT:
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


class _Before(NamedTuple):
    """The latest thing before a step: what it is, when it is, and how to say that."""

    what: str
    at: datetime
    told: str


def _out_of_order(file: CampaignFile, zone: ZoneInfo) -> list[Problem]:
    def placed(step: StepBase) -> _Before | None:
        at = step.instant_in(zone)
        return None if at is None else _Before(f"`{step.id}`", at, wall_text(at, zone))

    return _Order(file, placed).problems


def _out_of_order_after_starts(file: CampaignFile, every: Cron) -> list[Problem]:
    """
    Whether the order holds after every start, by the clock on the wall.

    A time on a day is the same after each start, and all others move with it:
    where the order holds after the earliest and the latest start of a day, it
    holds after those between. What a clock change makes of an order,
    `flow/occurrences.py` puts right.
    """
    # Any day will do: a date in the middle of nowhere has no clock changes.
    starts = [datetime.combine(date(2001, 1, 1), clock) for clock in (every.clocks[-1], every.clocks[0])]
    for start in starts:

        def placed(step: StepBase, start: datetime = start) -> _Before | None:
            return _Before(f"`{step.id}`", step.at.wall(start), step.at.text) if isinstance(step.at, Offset) else None

        if found := _Order(file, placed, _Before("the start", start, f"{start:%H:%M}")).problems:
            return found
    return []


class _Order:
    """Walks every way through the tree and notes steps that come too early or lack a time."""

    def __init__(
        self, file: CampaignFile, placed: Callable[[StepBase], _Before | None], start: _Before | None = None
    ) -> None:
        self._file = file
        self._placed = placed
        self._is_segment = isinstance(file.campaign.starter, SegmentStarter)
        self.problems: list[Problem] = []
        self._walk(file.campaign.steps, ("steps",), start)

    def _walk(self, steps: Sequence[StepBase], path: Path, before: _Before | None) -> _Before | None:
        """The latest step with a time so far, after *steps*."""
        for index, step in enumerate(steps):
            here = (*path, index)
            before = self._checked(step, here, before)
            ends = [
                self._walk(branch.steps, (*here, "split", "branches", number, "steps"), before)
                for number, branch in enumerate(branches_of(step))
            ]
            before = max([end for end in (before, *ends) if end is not None], key=lambda end: end.at, default=None)
        return before

    def _checked(self, step: StepBase, path: Path, before: _Before | None) -> _Before | None:
        placed = self._placed(step)
        if placed is None:
            self._note_no_time(step, path, before)
            return before
        if before is not None and placed.at < before.at:
            self.problems.append(
                self._file.problem(
                    "C215",
                    (*path, "at"),
                    f"`{step.id}` is earlier than {before.what} before it ({before.told})",
                    "give it a later time, or change the order",
                    step=step.id,
                )
            )
            return before
        return placed

    def _note_no_time(self, step: StepBase, path: Path, before: _Before | None) -> None:
        if self._is_segment:
            example = "+0d" if self._file.campaign.every else "2026-12-01 09:00"
            self.problems.append(
                self._file.problem(
                    "C213", (*path, "id"), f"`{step.id}` has no time", f"add `at: {example}`", step=step.id
                )
            )
        elif before is not None:
            self.problems.append(
                self._file.problem(
                    "C214",
                    (*path, "id"),
                    f"`{step.id}` has no time, and comes after {before.what}, which has one",
                    "give it a time, or move it to the front",
                    step=step.id,
                )
            )
