"""`campaignctl publish`."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from campaignctl.campaign.version import Version
from campaignctl.campaign.when import wall_text
from campaignctl.cli.attributes import attributes_of
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
    sound_campaign,
)
from campaignctl.cli.screen import say
from campaignctl.cli.show import document
from campaignctl.clock import SystemClock
from campaignctl.errors import UsageError
from campaignctl.flow.states import CampaignState
from campaignctl.permitting import Consent
from campaignctl.plan_file import Basis, basis_of, read_basis, refuse_stale
from campaignctl.project import ProjectFile
from campaignctl.proposing import Action, Proposal, proposed
from campaignctl.publishing import Publication, frozen, proposal_of, publish
from campaignctl.store.ledger import SqlStore
from campaignctl.wiring import opened_store, store_path

app = command_app()


@app.command()
def publish_command(
    file: Annotated[
        Path | None, typer.Argument(help="The campaign's file; with `--plan`, the one of the plan.")
    ] = None,
    plan: Annotated[
        Path | None, typer.Option("--plan", help="Publish what `plan --out` wrote, if nothing has moved since.")
    ] = None,
    starts_now: Annotated[
        bool, typer.Option("--now", help="Start after the safety delay, whatever the first `at`.")
    ] = False,
    is_live: Annotated[
        bool, typer.Option("--live", help="Change the steps of a running campaign without a pause.")
    ] = False,
    yes: YesOption = False,
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Publish a campaign, or a change to one that is published.

    The file is checked and written into the store with its templates and
    segments: a later change of a file changes nothing of it. What has begun
    stays as it was; `campaignctl plan` shows what would change.

    Example: campaignctl publish campaigns/welcome.yaml
    """
    if file is None and plan is None:
        raise UsageError("U100", "there is nothing to publish", "name a campaign's file, or a plan with `--plan`")
    basis = None if plan is None else read_basis(plan)
    opened = opened_project(project, file)
    starts_now = starts_now or (basis is not None and basis.starts_now)
    path = file or opened.folder / (basis.file if basis else "")
    with opened_store(store_path(opened, store), SystemClock()) as the_store:
        consent = Consent(is_live=is_live, starts_now=starts_now)
        publish_file(path, opened, the_store, consent, basis, is_asked=not yes, format_=format_)


def publish_file(
    file: Path,
    opened: ProjectFile,
    store: SqlStore,
    consent: Consent,
    basis: Basis | None = None,
    *,
    is_asked: bool,
    format_: Format,
) -> None:
    """Show what publishing *file* does, ask, do it and say so; with *basis* only where nothing has moved since."""
    clock = SystemClock()
    campaign, files = sound_campaign(file, opened, attributes_of(store))
    version = frozen(campaign, opened.project, files)
    if basis is not None:
        _refuse_stale(basis, file, version, opened, store)
    shown = proposal_of(store, version, opened.project, clock.now(), consent)
    if shown.live is not None and shown.changes and format_ is Format.TEXT:
        # What it asks for is given by now.
        show_changes([replace(change, asks_first=False) for change in shown.changes])
    if shown.action is not Action.NONE and is_asked:
        ask(_question(shown), to="extend it" if consent.extends else "publish")
    done = publish(
        store,
        version,
        opened.project,
        seed=secrets.token_hex(8),
        actor=actor(),
        now=clock.now(),
        consent=consent,
        shown=shown,
    )
    if format_ is Format.JSON:
        show_document(done)
        return
    _tell(done, version)


def _refuse_stale(basis: Basis, file: Path, version: Version, opened: ProjectFile, store: SqlStore) -> None:
    with store.reading() as ledger:
        found = proposed(ledger, version, opened.project, SystemClock().now(), starts_now=basis.starts_now)
    refuse_stale(basis, basis_of(found, file, opened.folder, starts_now=basis.starts_now))


def _question(shown: Proposal) -> str:
    name = shown.version.campaign.campaign
    if shown.live is None:
        first = shown.steps[0]
        starts_at = "" if first.effective_at is None else f", which starts {local(first.effective_at, shown.version)}"
        return f"Publish `{name}`{starts_at}?"
    if shown.action is Action.EXTEND:
        return f"Extend `{name}`, which is completed and would be active again?"
    return f"Publish this as version {shown.live.version + 1} of `{name}`?"


def _tell(done: Publication, version: Version) -> None:
    """Say what was done, and what to do next."""
    name = done.campaign
    if done.action is Action.NONE:
        print(f"`{name}` is published already, as it is: nothing to do.")
        return
    if done.state is CampaignState.PENDING_APPROVAL:
        print(f"Version {done.version} of `{name}` waits until somebody else approves it.")
        say(f"Next: campaignctl approve {name}")
        return
    match done.action:
        case Action.CREATE if done.starts_at is None:
            print(f"Published `{name}`, version {done.version}: it starts when a request brings its contacts.")
        case Action.CREATE if done.starts_at is not None:
            print(f"Published `{name}`, version {done.version}: it starts {local(done.starts_at, version)}.")
        case Action.EXTEND:
            print(f"Extended `{name}`, version {done.version}: it is active again.")
        case _:
            print(f"Published `{name}`, version {done.version}: it is {done.state}.")
    if version.campaign.every is not None:
        print(f"It starts {version.campaign.every.words}, each time as a campaign of its own.")
    if done.is_delayed_by_safety:
        print("That is later than written: a step runs no sooner than the safety delay after its publication.")
    if version.content.public_url:
        say(f"Its messages link to {version.content.public_url}: campaignctl serve has to answer there.")
    starts = (
        f"campaignctl trigger {name} FILE, or a request" if done.starts_at is None else f"campaignctl status {name}"
    )
    say(f"Next: campaignctl run, and {starts}")


def show_document(done: Publication) -> None:
    """What was published, for programs."""
    document(
        campaign=done.campaign,
        version=done.version,
        state=done.state,
        starts_at=done.starts_at,
        delayed_by_safety=done.is_delayed_by_safety,
    )


def local(at: datetime, version: Version) -> str:
    """An instant in the campaign's zone, with the zone."""
    return f"{wall_text(at, version.zone)} ({version.content.timezone})"
