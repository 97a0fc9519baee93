"""`campaignctl calendar`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from campaignctl.agenda import Entry, agenda
from campaignctl.campaign.when import wall_text, zone_named
from campaignctl.cli.month import month_lines
from campaignctl.cli.options import Format, FormatOption, ProjectOption, StoreOption, command_app, opened_project
from campaignctl.cli.screen import say
from campaignctl.cli.show import document, table
from campaignctl.clock import SystemClock
from campaignctl.errors import UsageError
from campaignctl.wiring import opened_store, store_path

app = command_app()


@app.command()
def calendar_command(
    month: Annotated[
        str | None, typer.Argument(metavar="[MONTH]", help="Which month, like 2026-12; the present one otherwise.")
    ] = None,
    months: Annotated[int, typer.Option("--months", min=1, max=120, help="So many months, from that one on.")] = 1,
    zone: Annotated[str | None, typer.Option("--timezone", help="The zone of days and times.")] = None,
    is_list: Annotated[bool, typer.Option("--agenda", help="The steps only, without the grid of days.")] = False,
    ics: Annotated[Path | None, typer.Option("--ics", help="Write them into an iCalendar file.")] = None,
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Show what runs when, across all campaigns.

    Each day has its steps; `!` marks messages that come near to those of another
    campaign and go to some of the same contacts: within the time of the
    project's frequency cap, or within a day.

    Example: campaignctl calendar 2026-12
    """
    opened = opened_project(project)
    clock = SystemClock()
    the_zone = _zone(zone or opened.project.timezone or "UTC")
    firsts = _months(month, months, clock.now().astimezone(the_zone).date())
    since, until = _midnight(firsts[0], the_zone), _midnight(_next(firsts[-1]), the_zone)
    with opened_store(store_path(opened, store), clock) as the_store, the_store.reading() as ledger:
        entries = agenda(ledger, opened.project, since, until, clock.now())
    if ics is not None:
        _write(ics, entries, opened.project.project, clock.now())
    elif format_ is Format.JSON:
        document(timezone=the_zone.key, since=since, until=until, entries=[_fields(each, the_zone) for each in entries])
    else:
        if not is_list:
            for first in firsts:
                print("\n".join(month_lines(first, clock.now().astimezone(the_zone).date(), _days(entries, the_zone))))
                print()
        _show(entries, the_zone)


def _zone(name: str) -> ZoneInfo:
    try:
        return zone_named(name)
    except ValueError as failure:
        raise UsageError("C119", f"`{name}` is no time zone", "write an IANA name, like `Europe/Paris`") from failure


def _months(first: str | None, count: int, today: date) -> list[date]:
    """The first days of the months that are shown."""
    if first is None:
        found = [today.replace(day=1)]
    else:
        try:
            found = [datetime.strptime(first, "%Y-%m").replace(tzinfo=UTC).date()]
        except ValueError as failure:
            raise UsageError("U106", f"`{first}` is no month", "write it like `2026-12`") from failure
    while len(found) < count:
        found.append(_next(found[-1]))
    return found


def _next(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _days(entries: Sequence[Entry], zone: ZoneInfo) -> dict[date, list[str]]:
    found: dict[date, list[str]] = {}
    for entry in entries:
        local = entry.at.astimezone(zone)
        mark = "!" if entry.conflicts else " "
        found.setdefault(local.date(), []).append(f"{local:%H:%M}{mark}{entry.campaign}")
    return found


def _show(entries: Sequence[Entry], zone: ZoneInfo) -> None:
    if not entries:
        print("Nothing runs in this time.")
        return
    table(
        [f"at ({zone.key})", "campaign", "step", "verb", "state", "conflict"],
        [
            (
                wall_text(entry.at.replace(microsecond=0), zone),
                entry.campaign,
                entry.step,
                entry.verb,
                entry.state,
                ", ".join(f"{each.campaign}/{each.step}: {each.contacts}" for each in entry.conflicts) or None,
            )
            for entry in entries
        ],
    )
    if any(entry.conflicts for entry in entries):
        say("\nA conflict tells how many contacts get both messages, which come near to each other.")


def _fields(entry: Entry, zone: ZoneInfo) -> dict[str, object]:
    fields = vars(entry) | {"conflicts": [vars(each) for each in entry.conflicts]}
    return fields | {"local": wall_text(entry.at.replace(microsecond=0), zone)}


def _write(file: Path, entries: Sequence[Entry], project: str, now: datetime) -> None:
    from campaignctl.calendar_file import calendar_file

    try:
        file.write_bytes(calendar_file(entries, project, now))
    except OSError as failure:
        raise UsageError("U105", f"`{file}` cannot be written: {failure.strerror}", "name another file") from failure
    say(f"{len(entries)} steps written to {file}.")
