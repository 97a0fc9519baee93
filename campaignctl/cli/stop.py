"""`campaignctl stop`."""

from __future__ import annotations

from dataclasses import asdict
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

    Example: campaignctl stop spring-sale
    """
    opened = opened_project(project)
    if not yes:
        ask(f"Stop `{name}` for good?", to="stop it")
    clock = SystemClock()
    with opened_store(store_path(opened, store), clock) as the_store:
        report = stop(the_store, name, actor=actor(), now=clock.now())
    if format_ is Format.JSON:
        document(**asdict(report))
        return
    print(f"Stopped `{name}`: {report.sent} had ended, {report.cancelled} cancelled, {report.in_flight} in flight.")
