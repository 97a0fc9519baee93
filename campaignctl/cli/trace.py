"""`campaignctl trace`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Final

import typer

from campaignctl.cli.options import Format, FormatOption, ProjectOption, StoreOption, command_app, opened_project
from campaignctl.cli.screen import visible
from campaignctl.cli.show import document, utc_text
from campaignctl.clock import SystemClock
from campaignctl.flow.machines import Sign
from campaignctl.store.tracing import TracedEvent
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
            print(f"  {utc_text(event.at)} {visible(_words(event))}")


def _words(event: TracedEvent) -> str:
    words = [str(event.event)]
    if event.machine:
        words.append(f"by a machine ({_SIGNS[event.why]})" if event.why else "by a machine")
    if event.id is not None:
        words.append(event.id)
    if event.value is not None:
        words.append(f"{event.value:.2f} {event.currency}")
    return " ".join([*words, event.url]).rstrip()


_SIGNS: Final = {
    Sign.NAME: "by what it calls itself",
    Sign.AT_ONCE: "quicker than anybody reads",
    Sign.HEAD: "asked for as no browser does",
    Sign.HIDDEN_LINK: "of the link that nobody sees",
    Sign.MANY_LINKS: "several links at once",
    Sign.SAME_PROGRAM: "the same program did what only machines do",
    Sign.REPORTED: "as was reported",
}
