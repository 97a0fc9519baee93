"""`campaignctl audience`."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer
from sqlalchemy import func, select

from campaignctl.campaign.model import SegmentStarter
from campaignctl.campaign.version import version_of
from campaignctl.cli.options import (
    Format,
    FormatOption,
    ProjectOption,
    StoreOption,
    command_app,
    opened_campaign,
    opened_project,
)
from campaignctl.cli.show import document, table
from campaignctl.clock import SystemClock
from campaignctl.errors import RefusedError
from campaignctl.publishing import least_gap
from campaignctl.store.lists import contact_values, list_named
from campaignctl.store.members import audience_of
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
    opened = opened_project(project, file.resolve())
    campaign, _ = opened_campaign(file, opened)
    if not isinstance(campaign.campaign.starter, SegmentStarter):
        raise RefusedError("P108", "an API campaign has no audience before its request", "see the request's answer")
    if campaign.campaign.list_name not in opened.project.lists:
        raise RefusedError(
            "C301", f"the project has no list `{campaign.campaign.list_name}`", "run campaignctl validate"
        )
    version = version_of(campaign.campaign, opened.project, {})
    clock = SystemClock()
    with opened_store(store_path(opened, store), clock) as the_store, the_store.reading() as ledger:
        contacts = list_named(ledger.connection, campaign.campaign.list_name)
        if contacts is None:
            raise RefusedError(
                "P105", f"the list `{campaign.campaign.list_name}` has no contacts in the store", "import some first"
            )
        matching = audience_of(version, contacts, clock.now())
        began = perf_counter()
        count = ledger.connection.scalars(select(func.count()).select_from(matching.subquery())).one()
        seconds = perf_counter() - began
        rows = ledger.connection.execute(
            select(contacts.table).where(contacts.table.c.id.in_(matching)).order_by(contacts.table.c.id).limit(sample)
        )
        found = [contact_values(contacts, row) for row in rows]
    gap = least_gap(version)
    if format_ is Format.JSON:
        document(count=count, seconds=round(seconds, 6), sample=found, least_gap_seconds=gap)
        return
    print(f"{count} contacts would take part ({seconds:.3f} s to find them).")
    if gap is not None:
        print(f"The least time between two steps is {gap} s.")
    if found:
        print()
        names = list(dict.fromkeys(name for each in found for name in each))[:6]
        table(names, [[each.get(name) for name in names] for each in found])
