"""`campaignctl audience`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from campaignctl.campaign.version import version_of
from campaignctl.cli.attributes import attributes_of
from campaignctl.cli.options import (
    Format,
    FormatOption,
    ProjectOption,
    StoreOption,
    command_app,
    opened_project,
    sound_campaign,
)
from campaignctl.cli.show import document, table
from campaignctl.clock import SystemClock
from campaignctl.rehearsal import audience
from campaignctl.wiring import opened_store, store_path

app = command_app()


@app.command()
def audience_command(
    file: Annotated[Path, typer.Argument(help="The campaign's file.")],
    sample: Annotated[int, typer.Option("--sample", min=0, max=1000, help="How many contacts to show.")] = 5,
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Show who would take part if the campaign started now.

    Example: campaignctl audience campaigns/welcome.yaml
    """
    opened = opened_project(project, file)
    clock = SystemClock()
    with opened_store(store_path(opened, store), clock) as the_store:
        campaign, _ = sound_campaign(file, opened, attributes_of(the_store))
        with the_store.reading() as ledger:
            found = audience(ledger, version_of(campaign.campaign, opened.project, {}), clock.now(), sample)
    if format_ is Format.JSON:
        document(**asdict(found) | {"seconds": round(found.seconds, 6)})
        return
    print(f"{found.count} contacts would take part ({found.seconds:.3f} s to find them).")
    if found.least_gap_seconds is not None:
        print(f"The least time between two steps is {found.least_gap_seconds} s.")
    if found.sample:
        print()
        names = list(dict.fromkeys(name for each in found.sample for name in each))[:6]
        table(names, [[each.get(name) for name in names] for each in found.sample])
