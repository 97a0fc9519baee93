"""Where a recurring campaign stands: its rule, its next starts and its occurrences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from campaignctl.campaign.when import wall_text
from campaignctl.cli.screen import say
from campaignctl.cli.show import document, table
from campaignctl.cli.waiting import print_waiting, waiting_document
from campaignctl.engine.occurring import rule_of
from campaignctl.flow.occurrences import Recurrence
from campaignctl.flow.states import StepState
from campaignctl.ports import LiveCampaign
from campaignctl.recurring import Coming, coming_starts
from campaignctl.store.approvals import Waiting
from campaignctl.store.ledger import SqlLedger

_STARTS_SHOWN: Final = 5
_ENDED_SHOWN: Final = 10


@dataclass(frozen=True)
class SeriesStatus:
    """What there is to say of a series."""

    series: LiveCampaign
    rule: Recurrence
    starts: Sequence[Coming]
    occurrences: Sequence[LiveCampaign]
    waiting: Waiting | None


def series_status(ledger: SqlLedger, series: LiveCampaign, now: datetime) -> SeriesStatus:
    """Read it from the store."""
    rule = rule_of(ledger.version(series, series.version))
    starts = coming_starts(ledger, series, now, _STARTS_SHOWN)
    return SeriesStatus(series, rule, starts, ledger.occurrences(series), ledger.waiting_for_approval(series))


def series_document(status: SeriesStatus) -> None:
    """The keys that every campaign's status has, and those of a series."""
    series, rule = status.series, status.rule
    document(
        campaign=series.name,
        state=series.state,
        **{"version": series.version},
        members=None,
        waiting_for_approval=waiting_document(status.waiting),
        steps=[],
        every=rule.every.text,
        until=rule.until,
        timezone=rule.zone.key,
        starts=[
            {
                "at": each.start.at,
                "local": wall_text(each.start.at, rule.zone),
                "campaign": each.campaign,
                "skipped": each.is_skipped,
            }
            for each in status.starts
        ],
        occurrences=[
            {
                "campaign": each.name,
                "state": each.state,
                "starts_at": each.starts_at,
                "members": each.members,
                "held": _held(each),
            }
            for each in status.occurrences
        ],
    )


def show_series(status: SeriesStatus) -> None:
    """Print it for people."""
    series, rule = status.series, status.rule
    end = "" if rule.until is None else f", until {rule.until}"
    print(f"{series.name}: {series.state}, version {series.version}, recurring")
    print_waiting(series.name, status.waiting)
    print(f"It starts {rule.every.words}{end}. Times are those of {rule.zone.key}.\n")
    if status.starts:
        table(["next start", "campaign"], [_start_row(each, rule) for each in status.starts])
    else:
        print("No start is to come.")
    ended = [each for each in status.occurrences if each.finished_at is not None]
    left_out = ended[:-_ENDED_SHOWN]
    shown = [each for each in status.occurrences if each not in left_out]
    if shown:
        print()
        table(["occurrence", "state", "start", "members"], [_occurrence_row(each, rule) for each in shown])
    for each in shown:
        if _held(each):
            say(f"\n{each.name} waits for a person: see campaignctl status {each.name}")
    if left_out:
        say(f"{len(left_out)} more have ended; see campaignctl list")


def _held(each: LiveCampaign) -> bool:
    return any(step.state is StepState.HELD for step in each.steps)


def _start_row(coming: Coming, rule: Recurrence) -> tuple[Any, ...]:
    return wall_text(coming.start.at, rule.zone), "skipped" if coming.is_skipped else coming.campaign


def _occurrence_row(each: LiveCampaign, rule: Recurrence) -> tuple[Any, ...]:
    state = "held" if _held(each) else each.state
    return each.name, state, each.starts_at and wall_text(each.starts_at, rule.zone), each.members
