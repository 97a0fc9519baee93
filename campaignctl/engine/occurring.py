"""Making the occurrences of recurring campaigns: the next one is there before it starts, and none is left out."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from campaignctl.campaign.version import Version
from campaignctl.engine.schedule import planned_steps
from campaignctl.flow.occurrences import Recurrence, Start, names_of, occurrence, recurrence_of, seed_of
from campaignctl.ports import Ledger, LiveCampaign

# So many at once where many were missed: a pass works a bounded batch.
_MOST_AT_ONCE: Final = 100


@dataclass(frozen=True)
class Missing:
    """
    The starts of a series that have no occurrence and should have one.

    `next_at` is when to look again, if ever; a series `is_over` when no start
    is to come and its last occurrence has ended.
    """

    starts: tuple[Start, ...]
    next_at: datetime | None
    is_over: bool = False


NOTHING_MISSING: Final = Missing((), None)


def missing(ledger: Ledger, series: LiveCampaign, version: Version, now: datetime, horizon: datetime) -> Missing:
    """
    What is to be made: the starts that were missed, and those up to the first one after *horizon*.

    A start that was missed while nothing was running is made all the same:
    `if_late` decides about it, and the journal shows it.
    """
    since = max(filter(None, [series.counts_from, ledger.last_start(series, now)]))
    made, skipped = ledger.made_starts(series, since), ledger.skipped_starts(series)
    wanted: list[Start] = []
    for start in starts_of(version, since, skipped):
        if start.at not in made:
            wanted.append(start)
        if start.at > horizon:
            return Missing(tuple(wanted), start.at)
        if len(wanted) == _MOST_AT_ONCE:
            return Missing(tuple(wanted), now)
    is_over = not wanted and not ledger.open_occurrences(series)
    return Missing(tuple(wanted), None, is_over)


def starts_of(version: Version, after: datetime, skipped: Collection[datetime] = ()) -> Iterator[Start]:
    """The starts of a recurring campaign after an instant, without those that are left out."""
    return (start for start in rule_of(version).after(after) if start.at not in skipped)


def rule_of(version: Version) -> Recurrence:
    """
    The rule of a version that recurs.

    Raises:
        TypeError: it does not.
    """
    rule = recurrence_of(version)
    if rule is None:
        raise TypeError(f"`{version.name}` does not recur")
    return rule


def make(
    ledger: Ledger,
    series: LiveCampaign,
    version: Version,
    start: Start,
    now: datetime,
    earliest: datetime | None = None,
) -> str:
    """
    Write down the occurrence of a start; its name.

    Its steps run no sooner than *earliest*. Without one, a start that is past
    is late by as much.
    """
    names = names_of(series.name, start, rule_of(version).every)
    name = next(name for name in names if ledger.campaign_named(name) is None)
    made = occurrence(version, start, name)
    planned = planned_steps(made, earliest or start.at, timedelta(0))
    ledger.add_occurrence(series, made, start.at, seed_of(series.seed, start), planned, now)
    return name
