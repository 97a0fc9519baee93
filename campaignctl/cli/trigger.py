"""`campaignctl trigger`."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from campaignctl.cli.options import (
    Format,
    FormatOption,
    ProjectOption,
    StoreOption,
    YesOption,
    actor,
    ask,
    command_app,
    opened_project,
)
from campaignctl.cli.screen import say
from campaignctl.cli.show import document, table
from campaignctl.cli.trigger_trial import show_trial
from campaignctl.clock import SystemClock
from campaignctl.contacts.request import rows_of_lines
from campaignctl.errors import UsageError
from campaignctl.incoming import Request, RowsRefusedError
from campaignctl.triggering import as_json, trigger, try_out
from campaignctl.wiring import opened_store, store_path

app = command_app()
_PIECE = 256 * 1024


@app.command()
def trigger_command(
    name: Annotated[str, typer.Argument(help="The campaign's name.")],
    file: Annotated[Path, typer.Argument(help="The contacts, a JSON object a line; `-` reads standard input.")],
    yes: YesOption = False,
    is_trial: Annotated[
        bool, typer.Option("--dry-run", help="Read all of it, say what would start when, and change nothing.")
    ] = False,
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Start a campaign that waits for a request, as the HTTP request would.

    Each line is a contact: `{"id": "c-17", "properties": {"name": "Ada"},
    "data": {"order": 42}}`. All of them take part, or nothing is started.

    Example: campaignctl trigger order-thanks contacts.ndjson
    """
    opened = opened_project(project)
    clock = SystemClock()
    if not yes and not is_trial:
        if str(file) == "-":
            raise UsageError("U120", "standard input holds the contacts, so nobody can be asked", "add `--yes`")
        ask(f"Start `{name}` with the contacts of {file}?", to="start it")
    with opened_store(store_path(opened, store), clock) as the_store, _opened(file) as stream:
        topics = opened.project.topic_attributes
        asked = Request(name, lambda: rows_of_lines(_pieces(stream)), actor(), topics=topics)
        if is_trial:
            trial = try_out(the_store, asked, clock.now)
            if format_ is Format.JSON:
                document(**trial.answer)
            else:
                show_trial(trial, file)
            raise typer.Exit(0 if trial.would_start else 1)
        try:
            done = trigger(the_store, asked, clock.now)
        except RowsRefusedError as failure:
            if format_ is Format.JSON:
                document(ok=False, rejected=[as_json(row) for row in failure.rows], rejected_count=failure.count)
            else:
                table(["line", "id", "reason", "detail"], [list(as_json(row).values()) for row in failure.rows])
            raise
    if format_ is Format.JSON:
        document(**done.answer)
        return
    answer = done.answer
    print(f"Started `{name}`: {answer['members']} take part.")
    if answer["not_in_project_segment"]:
        print(f"{answer['not_in_project_segment']} contacts are not in the project's segment, and take no part.")
    say(f"Next: campaignctl status {name}")


def _opened(file: Path) -> BinaryIO:
    """The file, or standard input; a pipe is copied, so that it can be read again."""
    try:
        stream = sys.stdin.buffer if str(file) == "-" else file.open("rb")
    except OSError as failure:
        raise UsageError("U121", f"`{file}` cannot be read: {failure.strerror}", "name a file of contacts") from failure
    if stream.seekable():
        return stream
    copy = tempfile.TemporaryFile()  # noqa: SIM115 # whoever asked for it closes it
    shutil.copyfileobj(stream, copy)
    return copy


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    stream.seek(0)
    while piece := stream.read(_PIECE):
        yield piece
