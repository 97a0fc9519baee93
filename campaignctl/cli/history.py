"""`campaignctl history`."""

from __future__ import annotations

from typing import Annotated

import typer

from campaignctl.cli.changes import show_changes
from campaignctl.cli.options import Format, FormatOption, ProjectOption, StoreOption, command_app, opened_project
from campaignctl.cli.show import document, table
from campaignctl.clock import SystemClock
from campaignctl.flow.changes import Change, ChangeKind
from campaignctl.store.history import JournalEntry
from campaignctl.wiring import opened_store, store_path

app = command_app()


@app.command()
def history_command(
    name: Annotated[str, typer.Argument(help="The campaign's name.")],
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Show what was done with a campaign, when and by whom, and what each publication changed.

    Example: campaignctl history spring-sale
    """
    opened = opened_project(project)
    with opened_store(store_path(opened, store), SystemClock()) as the_store, the_store.reading() as ledger:
        entries = ledger.history(ledger.known_campaign(name))
    if format_ is Format.JSON:
        document(campaign=name, entries=[vars(entry) for entry in entries])
        return
    table(
        ["at", "by", "what", "version", "detail"],
        [
            (
                entry.at,
                entry.actor,
                entry.action,
                entry.version,
                ", ".join(f"{name}: {_told(name, value)}" for name, value in entry.detail.items()),
            )
            for entry in entries
        ],
    )
    for entry in entries:
        if changes := _changes_of(entry):
            print(f"\nversion {entry.version}")
            show_changes(changes)


def _told(name: str, value: object) -> str:
    if name == "changes" and isinstance(value, list):
        return str(len(value))
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _changes_of(entry: JournalEntry) -> list[Change]:
    """What a publication changed, as the journal has it."""
    kept = entry.detail.get("changes")
    return [Change(**{**each, "kind": ChangeKind(each["kind"])}) for each in kept] if isinstance(kept, list) else []
