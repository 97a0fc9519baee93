"""`campaignctl pause`."""

from __future__ import annotations

from typing import Annotated

import typer

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
from campaignctl.pausing import pause
from campaignctl.wiring import opened_store, store_path

app = command_app()


@app.command()
def pause_command(
    name: Annotated[str, typer.Argument(help="The campaign's name.")],
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Let no further step of a campaign begin, and no further message leave.

    Example: campaignctl pause spring-sale
    """
    opened = opened_project(project)
    clock = SystemClock()
    with opened_store(store_path(opened, store), clock) as the_store:
        in_flight = pause(the_store, name, actor=actor(), now=clock.now())
    if format_ is Format.JSON:
        document(campaign=name, state="paused", in_flight=in_flight)
        return
    print(f"Paused `{name}`: nothing more leaves; {in_flight} messages are in flight.")
    say(f"Next: campaignctl resume {name}")
