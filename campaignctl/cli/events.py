"""`campaignctl events`: what contacts did with messages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from campaignctl.cli.options import (
    EncodingOption,
    Format,
    FormatOption,
    ProjectOption,
    StoreOption,
    command_app,
    opened_project,
)
from campaignctl.cli.show import document
from campaignctl.clock import SystemClock
from campaignctl.contacts.event_file import EventReport, import_events
from campaignctl.contacts.source import Format as FileFormat
from campaignctl.contacts.source import Source
from campaignctl.store.events import EventOutcome
from campaignctl.wiring import event_reader, keys_of, opened_store, store_path

app = command_app()

_LOST = {
    EventOutcome.NO_STEP: "no such campaign or step",
    EventOutcome.NO_CONTACT: "the list has no such contact",
    EventOutcome.NO_DELIVERY: "the step made no message for that contact",
}


@app.callback()
def events_group() -> None:
    """Bring in what contacts did with messages."""


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="NDJSON: campaign, step, contact, event, at; url, machine, hard.")],
    encoding: EncodingOption = "utf-8",
    is_trial: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")] = False,
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Bring in opens, clicks, bounces, complaints, unsubscribes and conversions; each once, however often it is imported.

    One JSON object a line: {"campaign": "spring-sale", "step": "invitation",
    "contact": "c-17", "event": "click", "at": "2026-12-01T09:30Z", "url": "…"}.
    "message_id", as the provider of text messages calls one, may take the place of
    campaign, step and contact. A line that cannot be read changes nothing at all. Whoever unsubscribed,
    complained or has no such address any more ("event": "bounce", "hard": true)
    is suppressed at once. A conversion has an id of its own, and may name only its contact:
    {"event": "conversion", "id": "order-17", "contact": "c-17", "at": "…", "value": 49.9, "currency": "EUR"}.

    Example: campaignctl events import events.ndjson
    """
    clock = SystemClock()
    opened = opened_project(project)
    with opened_store(store_path(opened, store), clock) as the_store:
        source = Source(file, FileFormat.NDJSON, encoding)
        reader = event_reader(opened, the_store, keys_of(the_store))
        report = import_events(the_store, source, clock.now(), reader, is_trial=is_trial)
    _show(report, format_, is_trial)


def _show(report: EventReport, format_: Format, is_trial: bool) -> None:
    outcomes = report.outcomes
    if format_ is Format.JSON:
        document(
            read=report.read,
            added=outcomes[EventOutcome.ADDED],
            known=outcomes[EventOutcome.KNOWN],
            left_out={outcome: outcomes[outcome] for outcome in _LOST},
            newly_suppressed=report.newly_suppressed,
            dry_run=is_trial,
        )
        return
    print(f"{outcomes[EventOutcome.ADDED]} events are new, {outcomes[EventOutcome.KNOWN]} were known.")
    for outcome, sentence in _LOST.items():
        if outcomes[outcome]:
            print(f"{outcomes[outcome]} were left out: {sentence}.")
    print(f"{report.newly_suppressed} addresses are newly suppressed.")
    if is_trial:
        print("Nothing was changed: import without --dry-run does it.")
