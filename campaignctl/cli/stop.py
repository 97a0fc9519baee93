"""`campaignctl stop`."""

from __future__ import annotations

from typing import Annotated

import typer

from campaignctl.cli.options import (
    Format,
    FormatOption,
    ProjectOption,
    StoreOption,
    YesOption,
    actor,
    ask,
    command_app,
    opened_project,
)
from campaignctl.cli.show import document
from campaignctl.clock import SystemClock
from campaignctl.stopping import stop
from campaignctl.wiring import opened_store, store_path

app = command_app()


@app.command()
def stop_command(
    name: Annotated[str, typer.Argument(help="The campaign's name.")],
    yes: YesOption = False,
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    End a campaign for good: when this returns, no further message leaves.

    A recurring one starts no more. What has begun of it goes on, unless you
    stop it by its own name.

    Example: campaignctl stop spring-sale
    """
    opened = opened_project(project)
    if not yes:
        ask(f"Stop `{name}` for good?", to="stop it")
    clock = SystemClock()
    with opened_store(store_path(opened, store), clock) as the_store:
        report = stop(the_store, name, actor=actor(), now=clock.now())
    if format_ is Format.JSON:
        counts = {"campaign": name, "sent": report.sent, "cancelled": report.cancelled, "in_flight": report.in_flight}
        document(**counts, ended=report.ended, still_running=report.still_running)
        return
    if report.ended or report.still_running:
        print(f"Stopped `{name}`: it starts no more.")
        for each in report.ended:
            print(f"`{each}` will not begin.")
        for each in report.still_running:
            print(f"`{each}` has begun and goes on: campaignctl stop {each} ends it too.")
        return
    print(f"Stopped `{name}`: {report.sent} had ended, {report.cancelled} cancelled, {report.in_flight} in flight.")
