"""`campaignctl suppress`: who must not be written to."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import partial
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
from campaignctl.message.phone import normal_phone
from campaignctl.project import ProjectFile
from campaignctl.store.suppressions import EMAIL, SMS, all_suppressions, suppress, suppress_many, unsuppress
from campaignctl.wiring import opened_store, store_path

app = command_app()


class OnChannel(StrEnum):
    """Which channel is meant."""

    EMAIL = EMAIL
    SMS = SMS


ChannelOption = Annotated[OnChannel, typer.Option("--channel", help="Of which channel: an address, or a number.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why.")]


@app.command("add")
def add_command(
    address: Annotated[str, typer.Argument(help="The address.")],
    reason: ReasonOption = "manual",
    channel: ChannelOption = OnChannel.EMAIL,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Write to this address no more.

    Example: campaignctl suppress add ada@example.org --reason unsubscribed
    """
    opened = opened_project(project)
    wanted = _address(address, channel, opened)
    clock = SystemClock()
    with opened_store(store_path(opened, store), clock) as the_store, the_store.writing() as ledger:
        is_new = suppress(ledger.connection, channel, wanted, reason, clock.now())
    print(f"{wanted} is suppressed." if is_new else f"{wanted} was suppressed already.")


@app.command("remove")
def remove_command(
    address: Annotated[str, typer.Argument(help="The address.")],
    channel: ChannelOption = OnChannel.EMAIL,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Allow messages to this address again.

    Example: campaignctl suppress remove ada@example.org
    """
    opened = opened_project(project)
    wanted = _address(address, channel, opened)
    with (
        opened_store(store_path(opened, store), SystemClock()) as the_store,
        the_store.writing() as ledger,
    ):
        was_there = unsuppress(ledger.connection, channel, wanted)
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
    channel: ChannelOption = OnChannel.EMAIL,
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
    opened, clock = opened_project(project), SystemClock()
    normal, what, _ = _form(channel, opened)
    with opened_store(store_path(opened, store), clock) as the_store, the_store.writing() as ledger:
        rows = suppressions_in(Source(file, FileFormat.CSV, encoding), reason, normal, what)
        counted = suppress_many(ledger.connection, channel, rows, clock.now())
    known = counted.read - counted.added
    if format_ is Format.JSON:
        document(read=counted.read, added=counted.added, known=known)
    else:
        print(f"{counted.added} addresses are newly suppressed, {known} were already.")


def _address(text: str, channel: OnChannel, project: ProjectFile) -> str:
    normal, what, example = _form(channel, project)
    found = normal(text)
    if found is None:
        raise UsageError("S212", f"`{text}` is no {what}", f"write one like `{example}`")
    return found


def _form(channel: OnChannel, project: ProjectFile) -> tuple[Callable[[str], str | None], str, str]:
    """What gives the form in which addresses of a channel are kept, what they are called, and one of them."""
    if channel is OnChannel.EMAIL:
        return normal_address, "address", "ada@example.org"
    sms = project.project.channels.sms
    return partial(normal_phone, country=sms and sms.country), "phone number", "+33612345678"
