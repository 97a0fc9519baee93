"""`campaignctl contacts`: bring contacts in, and look at them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from campaignctl.campaign.attribute import AttributeType
from campaignctl.cli.interruption import noticed_between_pieces
from campaignctl.cli.options import (
    EncodingOption,
    Format,
    FormatOption,
    ProjectOption,
    StoreOption,
    actor,
    command_app,
    opened_project,
)
from campaignctl.cli.screen import say
from campaignctl.cli.show import document, table, utc_text
from campaignctl.clock import SystemClock
from campaignctl.contacts.exporting import ExportFormat, export_contacts
from campaignctl.contacts.importing import ImportReport, RowsRejectedError, import_contacts
from campaignctl.contacts.rejected_file import rejected_file
from campaignctl.contacts.source import Format as FileFormat
from campaignctl.contacts.source import Source
from campaignctl.diagnostics import did_you_mean
from campaignctl.errors import RefusedError, UsageError
from campaignctl.message.address import normal_address
from campaignctl.project import ListSettings, ProjectFile
from campaignctl.store.lists import contact_by_key, contact_values, list_named
from campaignctl.wiring import opened_store, store_path

app = command_app()
ListArgument = Annotated[str, typer.Argument(metavar="LIST", help="A list of the project.")]

# So many rejected rows are shown to people.
_SHOWN = 20


@app.command("import")
def import_command(
    list_name: ListArgument,
    file: Annotated[Path, typer.Argument(help="CSV, TSV, JSON, NDJSON, or a SQLite database.")],
    input_format: Annotated[
        FileFormat | None, typer.Option("--input-format", help="Its form, if its name does not tell.")
    ] = None,
    encoding: EncodingOption = "utf-8",
    table_name: Annotated[str | None, typer.Option("--table", help="The table of a SQLite database.")] = None,
    types: Annotated[
        list[str] | None, typer.Option("--type", metavar="ATTRIBUTE=TYPE", help="The type of a new attribute.")
    ] = None,
    is_strict: Annotated[bool, typer.Option("--strict", help="Import all rows or none.")] = False,
    opts_in: Annotated[
        bool, typer.Option("--opt-in", help="Bring contacts back into topics that they left: they agreed anew.")
    ] = False,
    rejected: Annotated[
        Path | None, typer.Option("--rejected", metavar="FILE", help="Write all rejected rows there, as CSV.")
    ] = None,
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Bring contacts in: new ones are added, known ones (by key) changed.

    A column that the file lacks keeps its values; an empty cell takes a value
    away. The list changes when the whole file was read, or not at all.

    Rows that cannot be taken are left out and reported with line and reason,
    and the exit code is 0. With --strict they make it 1, and nothing is imported.

    Who left a topic on the page to unsubscribe on stays out of it, whatever the
    file says; --opt-in believes the file instead.

    Example: campaignctl contacts import customers contacts.csv
    """
    opened = opened_project(project)
    settings = _settings(opened, list_name)
    clock = SystemClock()
    known_types = dict(_type(each) for each in types or [])
    try:
        with (
            rejected_file(rejected, file) as on_rejected,
            opened_store(store_path(opened, store), clock) as the_store,
            _progress(file) as show_progress,
            noticed_between_pieces() as look_for_interruption,
        ):

            def progress(done: int) -> None:
                look_for_interruption()
                show_progress(done)

            report = import_contacts(
                the_store.database,
                Source(file, input_format, encoding, table_name),
                list_name=list_name,
                key=settings.key,
                email=settings.email,
                phone=settings.phone,
                normal_address=normal_address,
                types=known_types,
                topics=opened.project.topic_attributes,
                opts_in=opts_in,
                now=clock.now(),
                progress=progress,
                on_rejected=on_rejected,
                is_strict=is_strict,
                actor=actor(),
            )
    except RowsRejectedError as refused:
        if format_ is Format.JSON:
            _show_document(refused.report, is_imported=False)
        else:
            _show_rejected(refused.report)
        raise
    if format_ is Format.JSON:
        _show_document(report, is_imported=True)
    else:
        _show(report, list_name)


def _settings(project: ProjectFile, list_name: str) -> ListSettings:
    lists = project.project.lists
    if list_name not in lists:
        raise UsageError(
            "C301",
            f"the project has no list `{list_name}`",
            did_you_mean(list_name, lists, "declare it below `lists:`"),
        )
    return lists[list_name]


def _type(text: str) -> tuple[str, AttributeType]:
    name, _, kind = text.partition("=")
    if kind not in list(AttributeType):
        raise UsageError(
            "U103", f"`{text}` is no attribute and type", f"write one of {', '.join(AttributeType)}: `zip=text`"
        )
    return name, AttributeType(kind)


@contextmanager
def _progress(file: Path) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty() or not file.is_file():
        yield lambda _done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(file.name, total=file.stat().st_size)
        yield lambda done: bar.update(task, completed=done)


def _show_document(report: ImportReport, *, is_imported: bool) -> None:
    document(imported=is_imported, **{**vars(report), "rejected": [vars(row) for row in report.rejected]})


def _show(report: ImportReport, list_name: str) -> None:
    print(f"{report.read} rows read in {report.seconds:.1f} s into `{list_name}`:")
    print(f"{report.added} added, {report.changed} changed, {report.unchanged} unchanged.")
    print(f"{report.rejected_count} rejected.")
    for name, kind in report.attributes_added.items():
        say(f"new attribute `{name}` ({kind})")
    for header, name in report.renamed_headers.items():
        say(f"the column `{header}` is the attribute `{name}`")
    if report.shared_addresses:
        say(f"{report.shared_addresses} addresses belong to several contacts: each of these gets each message")
    if report.stayed_out:
        say(f"not believed, because the contact has left the topic: {report.stayed_out} (`--opt-in` believes the file)")
    if report.opted_in:
        say(f"back in a topic that they had left: {report.opted_in}")
    _show_rejected(report)


def _show_rejected(report: ImportReport) -> None:
    for row in report.rejected[:_SHOWN]:
        say(f"line {row.line}: {row.reason}: {row.detail}")
    if report.rejected_count > _SHOWN:
        say(f"… and {report.rejected_count - _SHOWN} more: `--rejected FILE` writes them all")


@app.command("export")
def export_command(
    list_name: ListArgument,
    output_format: Annotated[ExportFormat, typer.Option("--format", help="The form to write.")] = ExportFormat.CSV,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Write all contacts of a list to stdout.

    Example: campaignctl contacts export customers > customers.csv
    """
    opened = opened_project(project)
    with opened_store(store_path(opened, store), SystemClock()) as the_store, the_store.reading() as ledger:
        contacts = list_named(ledger.connection, list_name)
        if contacts is None:
            raise RefusedError("P105", f"the list `{list_name}` has no contacts in the store", "import some first")
        export_contacts(ledger.connection, contacts, sys.stdout, output_format)


@app.command("show")
def show_command(
    list_name: ListArgument,
    key: Annotated[str, typer.Argument(help="The contact's key.")],
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Show what is known of one contact.

    Example: campaignctl contacts show customers c-17
    """
    opened = opened_project(project)
    with opened_store(store_path(opened, store), SystemClock()) as the_store, the_store.reading() as ledger:
        contacts = list_named(ledger.connection, list_name)
        row = None if contacts is None else contact_by_key(ledger.connection, contacts, key)
        if contacts is None or row is None:
            raise RefusedError("P111", f"the list `{list_name}` has no contact `{key}`", "check its key")
        values = contact_values(contacts, row)
        address = values.get(opened.project.lists[list_name].email or "") if list_name in opened.project.lists else None
        left = ledger.left_since(str(address)) if address else {}
    if format_ is Format.JSON:
        document(list=list_name, contact=key, attributes=values, left_topics=left)
    else:
        table(["attribute", "value"], list(values.items()))
        for topic, since in left.items():
            print(f"Left the topic `{topic}` themselves on {utc_text(since)}.")
