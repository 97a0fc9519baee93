"""`campaignctl suppress`: who must not be written to."""

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
from campaignctl.cli.show import document, table
from campaignctl.clock import SystemClock
from campaignctl.contacts.source import Format as FileFormat
from campaignctl.contacts.source import Source
from campaignctl.contacts.suppression_file import suppressions_in
from campaignctl.errors import UsageError, WorkFailedError
from campaignctl.message.address import normal_address
from campaignctl.store.suppressions import EMAIL, all_suppressions, suppress, suppress_many, unsuppress
from campaignctl.wiring import opened_store, store_path

app = command_app()
ReasonOption = Annotated[str, typer.Option("--reason", help="Why.")]


@app.command("add")
def add_command(
    address: Annotated[str, typer.Argument(help="The address.")],
    reason: ReasonOption = "manual",
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Write to this address no more.

    Example: campaignctl suppress add ada@example.org --reason unsubscribed
    """
    wanted = _address(address)
    clock = SystemClock()
    with opened_store(store_path(opened_project(project), store), clock) as the_store, the_store.writing() as ledger:
        is_new = suppress(ledger.connection, EMAIL, wanted, reason, clock.now())
    print(f"{wanted} is suppressed." if is_new else f"{wanted} was suppressed already.")


@app.command("remove")
def remove_command(
    address: Annotated[str, typer.Argument(help="The address.")],
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Allow messages to this address again.

    Example: campaignctl suppress remove ada@example.org
    """
    wanted = _address(address)
    with (
        opened_store(store_path(opened_project(project), store), SystemClock()) as the_store,
        the_store.writing() as ledger,
    ):
        was_there = unsuppress(ledger.connection, EMAIL, wanted)
    if not was_there:
        raise WorkFailedError("S210", f"`{wanted}` is not suppressed", "see `campaignctl suppress list`")
    print(f"{wanted} may be written to again.")


@app.command("list")
def list_command(format_: FormatOption = Format.TEXT, project: ProjectOption = None, store: StoreOption = None) -> None:
    """
    List the suppressed addresses.

    Example: campaignctl suppress list --format json
    """
    with (
        opened_store(store_path(opened_project(project), store), SystemClock()) as the_store,
        the_store.reading() as ledger,
    ):
        found = list(all_suppressions(ledger.connection, None))
    rows = [{"address": s.address, "channel": s.channel, "reason": s.reason, "since": s.since} for s in found]
    if format_ is Format.JSON:
        document(suppressions=rows)
    elif rows:
        table(["address", "channel", "reason", "since"], [list(row.values()) for row in rows])
    else:
        print("Nobody is suppressed.")


@app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="One address a line, or CSV with a header: address, reason.")],
    reason: ReasonOption = "imported",
    encoding: EncodingOption = "utf-8",
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Suppress every address of a file; a line that has none changes nothing at all.

    An address that is suppressed already keeps its first reason.

    Example: campaignctl suppress import unsubscribed.csv
    """
    clock = SystemClock()
    with opened_store(store_path(opened_project(project), store), clock) as the_store, the_store.writing() as ledger:
        rows = suppressions_in(Source(file, FileFormat.CSV, encoding), reason)
        counted = suppress_many(ledger.connection, EMAIL, rows, clock.now())
    known = counted.read - counted.added
    if format_ is Format.JSON:
        document(read=counted.read, added=counted.added, known=known)
    else:
        print(f"{counted.added} addresses are newly suppressed, {known} were already.")


def _address(text: str) -> str:
    found = normal_address(text)
    if found is None:
        raise UsageError("S212", f"`{text}` is no address", "write one like `ada@example.org`")
    return found
