"""`campaignctl trace`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from campaignctl.cli.options import Format, FormatOption, ProjectOption, StoreOption, command_app, opened_project
from campaignctl.cli.screen import visible
from campaignctl.cli.show import document, utc_text
from campaignctl.clock import SystemClock
from campaignctl.tracing import Trace, trace
from campaignctl.wiring import opened_store, store_path

app = command_app()


@app.command()
def trace_command(
    name: Annotated[str, typer.Argument(help="The campaign's name.")],
    contact: Annotated[str, typer.Argument(help="The contact's key.")],
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Show why a contact did, or did not, get each message of a campaign.

    Example: campaignctl trace spring-sale c-17
    """
    opened = opened_project(project)
    clock = SystemClock()
    with opened_store(store_path(opened, store), clock) as the_store, the_store.reading() as ledger:
        found = trace(ledger, name, contact, clock.now())
    if format_ is Format.JSON:
        document(campaign=name, **asdict(found))
    else:
        show(found)


def show(found: Trace) -> None:
    """A sentence for the contact, and one for each step."""
    print(f"{visible(found.contact)}: {visible(found.explanation)}")
    for step in found.steps:
        print(f"\n{step.step}: {visible(step.explanation)}")
        for event in step.events:
            by = " by a machine" if event.machine else ""
            print(f"  {utc_text(event.at)} {event.event}{by} {visible(event.url)}".rstrip())
