"""`campaignctl uncertain`: messages of which nobody knows whether they left."""

from __future__ import annotations

from typing import Annotated

import typer

from campaignctl.cli.options import (
    Format,
    FormatOption,
    ProjectOption,
    RowsFormat,
    RowsFormatOption,
    StoreOption,
    YesOption,
    actor,
    ask,
    command_app,
    opened_project,
)
from campaignctl.cli.show import document, lines, table
from campaignctl.clock import SystemClock
from campaignctl.resolving import resolve
from campaignctl.store.uncertain import Resolution
from campaignctl.wiring import opened_store, store_path

app = command_app()

_HEAD = ("campaign", "step", "contact", "since", "reason", "detail", "next_attempt_at")


@app.callback()
def uncertain_group() -> None:
    """Decide about messages without a verdict."""


@app.command("list")
def list_command(
    name: Annotated[str | None, typer.Argument(help="The campaign's name; all campaigns otherwise.")] = None,
    format_: RowsFormatOption = RowsFormat.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    List the deliveries without a verdict: the line broke, or the daemon died, when the message may have left.

    Example: campaignctl uncertain list spring-sale
    """
    opened = opened_project(project)
    with opened_store(store_path(opened, store), SystemClock()) as the_store, the_store.reading() as ledger:
        campaigns = ledger.every_campaign() if name is None else [ledger.known_campaign(name)]
        if name is not None and campaigns[0].is_series:
            campaigns = ledger.occurrences(campaigns[0])
        rows = (vars(each) for campaign in campaigns for each in ledger.uncertain(campaign))
        if format_ is RowsFormat.NDJSON:
            lines(rows)
            return
        found = list(rows)
    if format_ is RowsFormat.JSON:
        document(uncertain=found)
    elif found:
        table(_HEAD, [[row[column] for column in _HEAD] for row in found])
    else:
        print("Every message has a verdict.")


@app.command("resolve")
def resolve_command(
    name: Annotated[str, typer.Argument(help="The campaign's name.")],
    resolution: Annotated[Resolution, typer.Option("--as", help="What became of the messages, or try them again.")],
    step: Annotated[str | None, typer.Option("--step", help="Only those of this step.")] = None,
    contact: Annotated[str | None, typer.Option("--contact", help="Only those of the contact with this key.")] = None,
    yes: YesOption = False,
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Say what became of deliveries without a verdict; what has one by now is left alone.

    A message that is tried again keeps its Message-ID, and may arrive twice.

    Example: campaignctl uncertain resolve spring-sale --as sent
    """
    opened = opened_project(project)
    clock = SystemClock()
    with opened_store(store_path(opened, store), clock) as the_store:
        if not yes:
            trial = resolve(
                the_store, name, resolution, step=step, contact=contact, actor=actor(), now=clock.now(), is_trial=True
            )
            ask(_QUESTIONS[resolution].format(trial.resolved), to="resolve them")
        done = resolve(the_store, name, resolution, step=step, contact=contact, actor=actor(), now=clock.now())
    if format_ is Format.JSON:
        document(campaign=done.campaign, resolved=done.resolved, **{"as": done.resolution})
    else:
        print(_ANSWERS[resolution].format(done.resolved))


_QUESTIONS = {
    Resolution.SENT: "Take {} deliveries for sent?",
    Resolution.FAILED: "Take {} deliveries for failed?",
    Resolution.RETRY: "Try {} deliveries again?",
}
_ANSWERS = {
    Resolution.SENT: "Taken for sent: {}.",
    Resolution.FAILED: "Taken for failed: {}.",
    Resolution.RETRY: "Tried again: {}.",
}
