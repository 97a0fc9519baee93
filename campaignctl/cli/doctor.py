"""`campaignctl doctor`."""

from __future__ import annotations

import os

import typer

from campaignctl.cli.options import (
    Format,
    FormatOption,
    ProjectOption,
    StoreOption,
    command_app,
    project_folder,
    shown_path,
)
from campaignctl.cli.show import document, table
from campaignctl.clock import SystemClock
from campaignctl.doctor import Result, examine
from campaignctl.project import PROJECT_FILE

app = command_app()


@app.command()
def doctor_command(
    format_: FormatOption = Format.TEXT, project: ProjectOption = None, store: StoreOption = None
) -> None:
    """
    Show what would go wrong: the machine, the project, the store, the channels, the clock.

    Connects to the mail server and sends nothing. Changes nothing.

    Example: campaignctl doctor
    """
    folder = project_folder(project)
    name = shown_path(folder / PROJECT_FILE)
    found = list(examine(folder, os.environ, store, SystemClock().now(), name))
    works = all(finding.result is not Result.FAIL for finding in found)
    if format_ is Format.JSON:
        document(ok=works, checks=[vars(finding) for finding in found])
    else:
        table(
            ["result", "check", "what", "hint"],
            [(finding.result, finding.name, finding.what, finding.hint) for finding in found],
        )
    raise typer.Exit(0 if works else 1)
