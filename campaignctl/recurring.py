"""Recurring campaigns: what a publication makes of their occurrences, and starts that are left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice, takewhile
from typing import Final

from campaignctl.campaign.moments import is_day
from campaignctl.campaign.version import Version
from campaignctl.campaign.when import When, wall_text
from campaignctl.diagnostics import listed
from campaignctl.engine.occurring import make, missing, rule_of, starts_of
from campaignctl.engine.schedule import retimed_by, steps_after
from campaignctl.errors import RefusedError, UsageError
from campaignctl.flow.occurrences import Start, names_of, occurrence
from campaignctl.flow.states import CampaignState
from campaignctl.ports import LiveCampaign
from campaignctl.store.ledger import SqlLedger, SqlStore

_MOMENT: Final = timedelta(seconds=1)  # starts are on the minute


# publications


def write_series(
    ledger: SqlLedger,
    version: Version,
    live: LiveCampaign | None,
    list_id: int,
    *,
    seed: str,
    actor: str,
    now: datetime,
    earliest: datetime,
    state: CampaignState,
) -> None:
    """
    Write down a recurring campaign, or its next version.

    What has begun stays as it was. Occurrences that have not begun become what
    the version says, and those whose start is none any more are taken out.
    While the series waits for an approval, it has none.
    """
    if live is None:
        series = ledger.add_series(version, list_id, seed, actor, now, state)
    else:
        _make_missed(ledger, live, now)
        ledger.change_campaign(live, version, list_id, (), (), actor, now)
        series = ledger.known_campaign(live.name)
        for each in not_begun(ledger, series):
            _bring_up_to_date(ledger, series, each, version, list_id, earliest=earliest, actor=actor, now=now)
    make_to_come(ledger, series, version, now, earliest)


def make_to_come(ledger: SqlLedger, series: LiveCampaign, version: Version, now: datetime, earliest: datetime) -> None:
    """Make the occurrences of a series from now on: those that the safety delay still holds, and the one after."""
    ledger.count_from(series, now)
    series = ledger.known_campaign(series.name)
    if series.state is CampaignState.PENDING_APPROVAL:
        return
    for start in missing(ledger, series, version, now, earliest).starts:
        make(ledger, series, version, start, now, earliest)


def _make_missed(ledger: SqlLedger, series: LiveCampaign, now: datetime) -> None:
    """Starts that were missed while nothing was running are those of the version that was live then."""
    if series.state is CampaignState.PENDING_APPROVAL:
        return
    version = ledger.version(series, series.version)
    while missed := [start for start in missing(ledger, series, version, now, now).starts if start.at <= now]:
        for start in missed:
            make(ledger, series, version, start, now)


def not_begun(ledger: SqlLedger, series: LiveCampaign) -> list[LiveCampaign]:
    """The occurrences of which no step has begun, by their starts."""
    waiting = (each for each in ledger.open_occurrences(series) if not each.has_begun)
    return sorted(waiting, key=_starts_at)


def _starts_at(campaign: LiveCampaign) -> datetime:
    if campaign.starts_at is None:
        raise TypeError(f"`{campaign.name}` is no occurrence")
    return campaign.starts_at


def _bring_up_to_date(
    ledger: SqlLedger,
    series: LiveCampaign,
    each: LiveCampaign,
    version: Version,
    list_id: int,
    *,
    earliest: datetime,
    actor: str,
    now: datetime,
) -> None:
    at = _starts_at(each)
    start = rule_of(version).next_after(at - _MOMENT)
    if start is None or start.at != at:
        if at > now:
            ledger.remove_occurrence(each, series, actor, now)
            return
        start = Start(at, at.astimezone(version.zone).replace(tzinfo=None))  # it was one, and is overdue
    made = occurrence(version, start, each.name)
    if made.fingerprint() == ledger.version(each, each.version).fingerprint():
        return
    retimed = retimed_by(made, each)
    planned = tuple(steps_after(each, made, retimed, earliest))
    ledger.change_campaign(each, made, list_id, planned, retimed, actor, now)
    ledger.note(
        "published",
        ledger.known_campaign(each.name),
        {"with": series.name, "version_of_it": series.version},
        now,
        actor,
    )


# starts to come


@dataclass(frozen=True)
class Coming:
    """A start to come: the campaign that is there for it already, or that somebody leaves it out."""

    start: Start
    campaign: str | None
    is_skipped: bool


def coming_starts(ledger: SqlLedger, series: LiveCampaign, now: datetime, number: int) -> list[Coming]:
    """The next starts of a series, those that are left out among them; none where it has ended."""
    if series.state in (CampaignState.STOPPED, CampaignState.COMPLETED):
        return []
    version, skipped = ledger.version(series, series.version), ledger.skipped_starts(series)
    made = {each.starts_at: each.name for each in ledger.open_occurrences(series)}
    return [Coming(start, made.get(start.at), start.at in skipped) for start in islice(starts_of(version, now), number)]


def unmade_occurrences(ledger: SqlLedger, series: LiveCampaign, now: datetime, until: datetime) -> Iterator[Version]:
    """What the starts of a series will be that come before an instant and have no occurrence yet."""
    if series.state not in (CampaignState.ACTIVE, CampaignState.PAUSED):
        return
    version = ledger.version(series, series.version)
    made = ledger.made_starts(series, now)
    for start in starts_of(version, now, ledger.skipped_starts(series)):
        if start.at >= until:
            return
        if start.at not in made:
            yield occurrence(version, start, next(names_of(series.name, start, rule_of(version).every)))


# leaving starts out


def skip(store: SqlStore, name: str, written: str, *, actor: str, now: datetime, is_undone: bool = False) -> Coming:
    """
    Leave a start of a series out, or take that back with *is_undone*; what stands in its place now.

    Raises:
        RefusedError: there is no such series, or no such start to come.
        UsageError: *written* is neither a day nor a time.
    """
    with store.writing() as ledger:
        series = known_series(ledger, name)
        if series.state not in (CampaignState.ACTIVE, CampaignState.PAUSED):
            raise RefusedError(
                "P141", f"`{name}` is {series.state}: no start of it is to come", f"see `campaignctl status {name}`"
            )
        version = ledger.version(series, series.version)
        start = _named(series, version, written, now)
        local = wall_text(start.at, version.zone)
        changed = (ledger.take_start_back if is_undone else ledger.skip_start)(series, start.at)
        if not changed:
            what = f"{local} is not skipped" if is_undone else f"{local} is skipped already"
            raise RefusedError("P141", f"{what} in `{name}`", f"see `campaignctl status {name}`")
        if not is_undone:
            for each in not_begun(ledger, series):
                if each.starts_at == start.at:
                    ledger.remove_occurrence(each, series, actor, now)
        for each_start in missing(ledger, series, version, now, now).starts:
            make(ledger, series, version, each_start, now)
        done = "start_taken_back" if is_undone else "start_skipped"
        ledger.note(done, series, {"start": start.at.isoformat(timespec="seconds")}, now, actor)
        made = {each.starts_at: each.name for each in ledger.open_occurrences(series)}
        return Coming(start, made.get(start.at), not is_undone)


def known_series(ledger: SqlLedger, name: str) -> LiveCampaign:
    """
    The recurring campaign with this name.

    Raises:
        RefusedError: there is none, or it does not recur.
    """
    found = ledger.known_campaign(name)
    if not found.is_series:
        raise RefusedError("P142", f"`{name}` does not recur", "name a campaign whose starter has `every`")
    return found


def _named(series: LiveCampaign, version: Version, written: str, now: datetime) -> Start:
    """The start to come that somebody names by its day, by its time on the wall or by its instant."""
    try:
        found = list(_starts_named(version, written, now))
    except ValueError as failure:
        raise UsageError(
            "P141", f"`{written}` is neither a day nor a time", "write it like `2026-12-07` or `2026-12-07 09:00`"
        ) from failure
    if len(found) == 1:
        return found[0]
    if found:
        times = [wall_text(start.at, version.zone) for start in found]
        raise RefusedError("P141", f"`{series.name}` starts {len(found)} times on {written}", f"name {listed(times)}")
    next_ones = [wall_text(start.at, version.zone) for start in islice(starts_of(version, now), 3)]
    raise RefusedError(
        "P141",
        f"`{series.name}` has no start to come at {written}",
        f"the next are {listed(next_ones, 'and')}" if next_ones else "none is to come",
    )


def _starts_named(version: Version, written: str, now: datetime) -> Iterator[Start]:
    if not is_day(written):
        at = When.parse(written).at(version.zone)
        start = rule_of(version).next_after(max(now, at - _MOMENT))
        if start is not None and start.at == at:
            yield start
        return
    day = date.fromisoformat(written)
    morning = When.parse(f"{written} 00:00").at(version.zone)
    # A start near midnight may be put off by a clock change.
    after = starts_of(version, max(now, morning - timedelta(days=2)))
    yield from (each for each in takewhile(lambda start: start.wall.date() <= day, after) if each.wall.date() == day)
