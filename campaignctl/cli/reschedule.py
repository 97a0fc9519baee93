"""`campaignctl reschedule`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from campaignctl.campaign.offset import parse_step_time
from campaignctl.cli.attributes import attributes_in_store
from campaignctl.cli.options import (
    Format,
    FormatOption,
    ProjectOption,
    StoreOption,
    command_app,
    opened_project,
)
from campaignctl.cli.screen import say
from campaignctl.cli.show import document, show_problems
from campaignctl.errors import UsageError
from campaignctl.rescheduling import rescheduled, write
from campaignctl.validation import check_file

app = command_app()


@app.command()
def reschedule_command(
    file: Annotated[Path, typer.Argument(help="The campaign file.")],
    step: Annotated[str, typer.Argument(help="The step's id.")],
    time: Annotated[str, typer.Argument(help="Wall time in the campaign's zone, or an instant.")],
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Give a step another time, in the file: nothing else of it changes, and nothing is published.

    Where the campaign would not be sound with it, the file stays as it is.

    Example: campaignctl reschedule campaigns/sale.yaml remind "2026-12-04 09:00"
    """
    opened = opened_project(project, file)
    try:
        parse_step_time(time)
    except ValueError as failure:
        raise UsageError(
            "C114",
            f"`{time}` is no time",
            "write it like `2026-12-01 09:00`, or like `+2d 09:00` where the campaign recurs",
        ) from failure
    attributes = attributes_in_store(opened, store)
    # A time that is wrong is no reason not to give another one.
    as_it_is = check_file(file, opened, attributes)
    if as_it_is.file is None:
        show_problems(as_it_is.problems, as_it_is.texts)
        raise typer.Exit(1)
    changed = rescheduled(as_it_is.file, file, step, time, opened, attributes)
    if not changed.is_sound:
        show_problems(changed.checked.problems, changed.checked.texts)
        say(f"`{file}` was not changed.")
        raise typer.Exit(1)
    write(file, changed.text)
    if format_ is Format.JSON:
        document(campaign=changed.campaign, step=step, before=changed.before, after=time)
    else:
        print(f"{step}: {changed.before} → {time}")
        say(f"Next: campaignctl publish {file}")
