"""`campaignctl extend`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from campaignctl.cli.options import (
    Format,
    FormatOption,
    ProjectOption,
    StoreOption,
    YesOption,
    command_app,
    opened_project,
)
from campaignctl.cli.publish import publish_file
from campaignctl.clock import SystemClock
from campaignctl.permitting import Consent
from campaignctl.wiring import opened_store, store_path

app = command_app()


@app.command()
def extend_command(
    file: Annotated[Path, typer.Argument(help="The campaign's file, with steps added after the final ones.")],
    yes: YesOption = False,
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Add steps at the end of a campaign, or at the end of its branches.

    A completed campaign is active again. Each member's way is kept: a step in
    a branch reaches those who took it, and nobody who has left. The campaign
    may also still be at work on its last step.

    Example: campaignctl extend campaigns/welcome.yaml
    """
    opened = opened_project(project, file)
    with opened_store(store_path(opened, store), SystemClock()) as the_store:
        publish_file(file, opened, the_store, Consent(extends=True), is_asked=not yes, format_=format_)
