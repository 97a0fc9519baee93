"""`campaignctl approve`."""

from __future__ import annotations

from typing import Annotated

import typer

from campaignctl.approving import Request, approve, request_of
from campaignctl.cli.changes import show_changes
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
from campaignctl.cli.publish import local, show_document
from campaignctl.cli.screen import say
from campaignctl.cli.show import table, utc_text
from campaignctl.clock import SystemClock
from campaignctl.wiring import opened_store, store_path

app = command_app()


@app.command()
def approve_command(
    name: Annotated[str, typer.Argument(help="The campaign's name.")],
    fingerprint: Annotated[
        str | None, typer.Option("--fingerprint", help="Approve this version and no other: the beginning is enough.")
    ] = None,
    starts_now: Annotated[
        bool, typer.Option("--now", help="Start a new campaign after the safety delay, whatever the first `at`.")
    ] = False,
    yes: YesOption = False,
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Agree to a version that somebody else has published.

    Shows what it would do, and binds the approval to just that: who publishes
    something else meanwhile needs another one.

    Example: campaignctl approve spring-sale
    """
    opened = opened_project(project)
    clock = SystemClock()
    with opened_store(store_path(opened, store), clock) as the_store:
        asked = request_of(the_store, name, opened.project, now=clock.now(), starts_now=starts_now)
        if format_ is Format.TEXT:
            show(asked)
        if not yes:
            ask(f"Approve version {asked.waiting.number} of `{name}`?", to="approve it")
        done = approve(
            the_store,
            name,
            fingerprint or asked.waiting.fingerprint,
            opened.project,
            actor=actor(),
            now=clock.now(),
            starts_now=starts_now,
        )
    if format_ is Format.JSON:
        show_document(done)
        return
    print(f"Approved version {done.version} of `{name}`: it is {done.state}.")
    if done.is_delayed_by_safety:
        print("A step runs no sooner than the safety delay after the approval.")


def show(asked: Request) -> None:
    """What waits, since when, and what it would do."""
    waiting = asked.waiting
    print(f"Version {waiting.number} of `{asked.campaign.name}`, published by {waiting.by} {utc_text(waiting.at)}")
    print(f"fingerprint {waiting.fingerprint[:12]}\n")
    if asked.proposal.changes:
        show_changes(asked.proposal.changes)
    else:
        table(
            ["step", "verb", "runs"],
            [
                (step.name, step.verb, None if step.effective_at is None else local(step.effective_at, asked.version))
                for step in asked.proposal.steps
            ],
        )
    say("")
