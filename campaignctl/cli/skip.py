"""`campaignctl skip`."""

from __future__ import annotations

from typing import Annotated

import typer

from campaignctl.campaign.when import wall_text
from campaignctl.cli.options import (
    Format,
    FormatOption,
    ProjectOption,
    StoreOption,
    actor,
    command_app,
    opened_project,
)
from campaignctl.cli.screen import say
from campaignctl.cli.show import document
from campaignctl.clock import SystemClock
from campaignctl.recurring import known_series, skip
from campaignctl.wiring import opened_store, store_path

app = command_app()


@app.command()
def skip_command(
    name: Annotated[str, typer.Argument(help="The recurring campaign's name.")],
    start: Annotated[str, typer.Argument(help="A start to come: its day, or its time in the campaign's zone.")],
    is_undone: Annotated[bool, typer.Option("--undo", help="Let it start after all.")] = False,
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Leave out one start of a recurring campaign.

    A start whose time has come cannot be left out: stop or pause its campaign.

    Example: campaignctl skip digest 2026-12-28
    """
    opened = opened_project(project)
    clock = SystemClock()
    with opened_store(store_path(opened, store), clock) as the_store:
        done = skip(the_store, name, start, actor=actor(), now=clock.now(), is_undone=is_undone)
        with the_store.reading() as ledger:
            series = known_series(ledger, name)
            version = ledger.version(series, series.version)
    if format_ is Format.JSON:
        document(campaign=name, start=done.start.at, skipped=done.is_skipped, occurrence=done.campaign)
        return
    at = f"{wall_text(done.start.at, version.zone)} ({version.content.timezone})"
    print(f"`{name}` does not start {at}." if done.is_skipped else f"`{name}` starts {at} after all.")
    say(f"Next: campaignctl status {name}")
