"""`campaignctl reject`."""

from __future__ import annotations

from typing import Annotated

import typer

from campaignctl.approving import reject, waiting_version
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
from campaignctl.cli.show import document
from campaignctl.clock import SystemClock
from campaignctl.wiring import opened_store, store_path

app = command_app()


@app.command()
def reject_command(
    name: Annotated[str, typer.Argument(help="The campaign's name.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, for the journal.")] = "",
    fingerprint: Annotated[
        str | None, typer.Option("--fingerprint", help="Reject this version and no other: the beginning is enough.")
    ] = None,
    yes: YesOption = False,
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Say no to a version that waits for an approval.

    A live campaign goes on as it is; a new one waits until another version of
    its file is published and approved, or until it is stopped.

    Example: campaignctl reject spring-sale --reason "the price is wrong"
    """
    opened = opened_project(project)
    clock = SystemClock()
    with opened_store(store_path(opened, store), clock) as the_store:
        waiting = waiting_version(the_store, name)
        if not yes:
            ask(f"Reject version {waiting.number} of `{name}`, published by {waiting.by}?", to="reject it")
        done = reject(
            the_store, name, fingerprint or waiting.fingerprint, reason=reason, actor=actor(), now=clock.now()
        )
    if format_ is Format.JSON:
        document(campaign=name, **{"version": done.number}, fingerprint=done.fingerprint)
    else:
        print(f"Rejected version {done.number} of `{name}`.")
