"""`campaignctl hooks`: who is told of what happens, and what could not be told."""

from __future__ import annotations

from typing import Annotated

import typer

from campaignctl.cli.hook_words import hook_words
from campaignctl.cli.options import (
    Format,
    FormatOption,
    ProjectOption,
    RowsFormat,
    RowsFormatOption,
    StoreOption,
    YesOption,
    actor,
    ask,
    command_app,
    opened_project,
)
from campaignctl.cli.screen import say
from campaignctl.cli.show import document, lines, table
from campaignctl.clock import SystemClock
from campaignctl.errors import UsageError
from campaignctl.telling import (
    ListedHook,
    dead_letters,
    discard,
    discard_waiting,
    listed_hooks,
    tell_again,
    turn_on,
)
from campaignctl.wiring import opened_store, store_path

app = command_app()

Hook = Annotated[str, typer.Argument(help="The hook's name.")]
Events = Annotated[
    list[int] | None, typer.Argument(metavar="[EVENT]...", help="Their numbers; all that could not be told otherwise.")
]


@app.callback()
def hooks_group() -> None:
    """See who is told of what happens, and what could not be told."""


@app.command("list")
def list_command(format_: FormatOption = Format.TEXT, project: ProjectOption = None, store: StoreOption = None) -> None:
    """
    List the hooks, and how far each has come.

    Example: campaignctl hooks list
    """
    opened = opened_project(project)
    with opened_store(store_path(opened, store), SystemClock()) as the_store, the_store.reading() as ledger:
        found = list(listed_hooks(ledger, opened.project.hooks))
    if format_ is Format.JSON:
        document(hooks=[_document(each) for each in found])
        return
    if not found:
        print("The project has no hooks.")
        return
    table(
        ["hook", "endpoint", "state", "waiting", "since", "dead"],
        [
            (
                each.hook,
                each.settings and each.settings.endpoint,
                each.state,
                each.standing.waiting,
                each.standing.waiting_since,
                each.standing.dead,
            )
            for each in found
        ],
    )
    for each in found:
        if each.state in _WORDS:
            say(f"\nhook {each.hook}: {_WORDS[each.state]}")
        elif each.state != "on" or each.standing.dead:
            say(f"\n{hook_words(each.standing)}")


@app.command("dead")
def dead_command(
    hook: Annotated[str | None, typer.Argument(help="The hook's name; all hooks otherwise.")] = None,
    format_: RowsFormatOption = RowsFormat.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    List what could not be told, and what was answered.

    Example: campaignctl hooks dead crm
    """
    opened = opened_project(project)
    with opened_store(store_path(opened, store), SystemClock()) as the_store, the_store.reading() as ledger:
        found = dead_letters(ledger, hook)
    if format_ is RowsFormat.NDJSON:
        lines(vars(each) for each in found)
    elif format_ is RowsFormat.JSON:
        document(events=[vars(each) for each in found])
    elif found:
        table(
            ["event", "hook", "campaign", "type", "contact", "tries", "answer"],
            [
                (each.event, each.hook, each.campaign, each.type, each.contact, each.attempts, each.said)
                for each in found
            ],
        )
    else:
        print("Everything could be told.")


@app.command("retry")
def retry_command(
    hook: Hook,
    events: Events = None,
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Have events told again that could not be told.

    The daemon does it, before what waits.

    Example: campaignctl hooks retry crm 17
    """
    opened, clock = opened_project(project), SystemClock()
    with opened_store(store_path(opened, store), clock) as the_store:
        count = tell_again(the_store, hook, events or (), actor=actor(), now=clock.now())
    if format_ is Format.JSON:
        document(hook=hook, retried=count)
    else:
        print(f"To be told again: {count}.")


@app.command("discard")
def discard_command(
    hook: Hook,
    events: Events = None,
    waiting: Annotated[bool, typer.Option("--waiting", help="What waits, and not what could not be told.")] = False,
    yes: YesOption = False,
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Throw away what could not be told, or what waits.

    Example: campaignctl hooks discard crm 17
    """
    if waiting and events:
        raise UsageError("U101", "`--waiting` and numbers of events exclude each other", "use one of them")
    opened, clock = opened_project(project), SystemClock()
    with opened_store(store_path(opened, store), clock) as the_store:
        if not yes:
            ask(f"Throw away what {'waits for' if waiting else 'could not be told to'} `{hook}`?", to="discard")
        if waiting:
            count = discard_waiting(the_store, hook, actor=actor(), now=clock.now())
        else:
            count = discard(the_store, hook, events or (), actor=actor(), now=clock.now())
    if format_ is Format.JSON:
        document(hook=hook, discarded=count)
    else:
        print(f"Thrown away: {count}.")


@app.command("enable")
def enable_command(
    hook: Hook, format_: FormatOption = Format.TEXT, project: ProjectOption = None, store: StoreOption = None
) -> None:
    """
    Tell a hook again that answered 410.

    It is told all that has waited, in order.

    Example: campaignctl hooks enable crm
    """
    opened, clock = opened_project(project), SystemClock()
    with opened_store(store_path(opened, store), clock) as the_store:
        waiting = turn_on(the_store, hook, actor=actor(), now=clock.now())
    if format_ is Format.JSON:
        document(hook=hook, waiting=waiting)
    else:
        print(f"`{hook}` is on; {waiting} events wait for it.")


def _document(each: ListedHook) -> dict[str, object]:
    standing = each.standing
    return {
        "hook": each.hook,
        "endpoint": each.settings and each.settings.endpoint,
        "events": each.events,
        "campaigns": each.settings and each.settings.campaigns,
        "state": each.state,
        "off_since": standing.off_since,
        "waiting": standing.waiting,
        "waiting_since": standing.waiting_since,
        "next_attempt_at": standing.next_attempt_at,
        "dead": standing.dead,
        "said": standing.said,
    }


_WORDS = {
    "new": "it is told of what happens from the next publication, or start of the daemon, on",
    "removed": "the project has it no more; the next daemon drops what waits for it",
}
