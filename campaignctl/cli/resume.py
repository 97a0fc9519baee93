"""`campaignctl resume`."""

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
from campaignctl.cli.screen import say
from campaignctl.cli.show import document
from campaignctl.clock import SystemClock
from campaignctl.pausing import Resumption, resume
from campaignctl.wiring import opened_store, store_path

app = command_app()


@app.command()
def resume_command(
    name: Annotated[str, typer.Argument(help="The campaign's name.")],
    yes: YesOption = False,
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Let a paused campaign go on, and steps that are held for a person.

    What became overdue meanwhile goes by `if_late`. A held step runs at once.

    Example: campaignctl resume spring-sale
    """
    opened = opened_project(project)
    clock = SystemClock()
    with opened_store(store_path(opened, store), clock) as the_store:
        trial = resume(the_store, name, actor=actor(), now=clock.now(), is_trial=True)
        for line in _told(trial):
            say(line)
        if trial.released and not yes:
            ask(f"Let `{name}` go on with the held steps?", to="resume")
        done = resume(the_store, name, actor=actor(), now=clock.now())
    if format_ is Format.JSON:
        document(
            campaign=name,
            state="active",
            overdue=[step.name for step in done.overdue],
            released=[step.name for step in done.released],
            asked_again=[step.name for step in done.asked_again],
        )
        return
    print(f"Resumed `{name}`.")


def _told(resumption: Resumption) -> list[str]:
    told = [f"`{step.name}` is overdue: `if_late` decides whether it still runs" for step in resumption.overdue]
    told += [f"the endpoint of the gate at `{step.name}` is asked again" for step in resumption.asked_again]
    return told + [f"`{step.name}` is held ({step.reason}), and goes on at once" for step in resumption.released]
