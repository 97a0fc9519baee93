"""`campaignctl events`: what contacts did with messages."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from campaignctl.campaign.when import When, zone_named
from campaignctl.cli.options import ProjectOption, StoreOption, command_app, opened_project
from campaignctl.clock import SystemClock
from campaignctl.errors import UsageError, WorkFailedError
from campaignctl.store.events import Event, EventKind, EventOutcome
from campaignctl.wiring import opened_store, store_path

app = command_app()


@app.callback()
def events_group() -> None:
    """Bring in what contacts did with messages."""


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="NDJSON: campaign, step, contact, event, at; url, machine, hard.")],
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Bring in opens, clicks, bounces, complaints and unsubscribes; each once, however often it is imported.

    One JSON object a line: {"campaign": "spring-sale", "step": "invitation",
    "contact": "c-17", "event": "click", "at": "2026-12-01T09:30Z", "url": "…"}.
    A line that cannot be read changes nothing at all.

    Example: campaignctl events import events.ndjson
    """
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as failure:
        raise UsageError("S220", f"`{file}` cannot be read as text", "check the path and its encoding") from failure
    brought: dict[str, list[Event]] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            campaign, event = _event(number, line)
            brought.setdefault(campaign, []).append(event)
    outcomes: Counter[EventOutcome] = Counter()
    clock = SystemClock()
    with opened_store(store_path(opened_project(project), store), clock) as the_store, the_store.writing() as ledger:
        for campaign, events in brought.items():
            outcomes.update(ledger.add_events(campaign, events, clock.now()))
    print(f"{outcomes[EventOutcome.ADDED]} events are new, {outcomes[EventOutcome.KNOWN]} were known.")
    for outcome, sentence in _LOST.items():
        if outcomes[outcome]:
            print(f"{outcomes[outcome]} were left out: {sentence}.")


_LOST = {
    EventOutcome.NO_STEP: "no such campaign or step",
    EventOutcome.NO_CONTACT: "the list has no such contact",
    EventOutcome.NO_DELIVERY: "the step made no message for that contact",
}


def _event(number: int, line: str) -> tuple[str, Event]:
    try:
        given: Any = json.loads(line)
        event = Event(
            step=str(given["step"]),
            contact_key=str(given["contact"]),
            kind=EventKind(given["event"]),
            at=When.parse(given["at"]).at(zone_named("UTC")),
            url=str(given.get("url", "")),
            is_machine=given.get("machine", False) is True,
            is_hard=given.get("hard", False) is True,
        )
        return str(given["campaign"]), event
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as failure:
        hint = "write one like in `campaignctl events import --help`; nothing was changed"
        raise WorkFailedError("S221", f"line {number} is no event", hint) from failure
