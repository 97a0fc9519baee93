"""`campaignctl publish`."""

from __future__ import annotations

import secrets
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from campaignctl.campaign.version import Version
from campaignctl.campaign.when import wall_text
from campaignctl.cli.attributes import attributes_of
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
from campaignctl.publishing import Publication, frozen, publish
from campaignctl.wiring import opened_store, store_path

app = command_app()


@app.command()
def publish_command(
    file: Annotated[Path, typer.Argument(help="The campaign's file.")],
    starts_now: Annotated[
        bool, typer.Option("--now", help="Start after the safety delay, whatever the first `at`.")
    ] = False,
    yes: YesOption = False,
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Publish a campaign.

    The file is checked and written into the store with its templates and
    segments: a later change of a file changes nothing of it.

    Example: campaignctl publish campaigns/welcome.yaml
    """
    opened = opened_project(project, file)
    clock = SystemClock()
    with opened_store(store_path(opened, store), clock) as the_store:
        campaign, files = sound_campaign(file, opened, attributes_of(the_store))
        version = frozen(campaign, opened.project, files)
        publish_it = partial(
            publish,
            the_store,
            version,
            opened.project,
            seed=secrets.token_hex(8),
            actor=actor(),
            starts_now=starts_now,
        )
        trial = publish_it(now=clock.now(), is_trial=True)
        if trial.is_new and not yes:
            ask(f"Publish `{trial.campaign}`, which starts {_start(trial, version)}?", to="publish")
        done = publish_it(now=clock.now())
    if format_ is Format.JSON:
        document(
            campaign=done.campaign,
            version=done.version,
            state=done.state,
            starts_at=done.starts_at,
            delayed_by_safety=done.is_delayed_by_safety,
        )
        return
    if not done.is_new:
        print(f"`{done.campaign}` is published already, as it is: nothing to do.")
        return
    print(f"Published `{done.campaign}`, version {done.version}: it starts {_start(done, version)}.")
    if done.is_delayed_by_safety:
        print("That is later than written: a step runs no sooner than the safety delay after its publication.")
    if version.content.public_url:
        say(
            f"Its messages link to {version.content.public_url}, where this version of campaignctl does not answer yet."
        )
    say(f"Next: campaignctl run, and campaignctl status {done.campaign}")


def _start(publication: Publication, version: Version) -> str:
    return f"{wall_text(publication.starts_at, version.zone)} ({version.content.timezone})"
