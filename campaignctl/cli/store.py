"""`campaignctl store`: the store as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from campaignctl.backing_up import back_up
from campaignctl.cli.options import (
    Format,
    FormatOption,
    ProjectOption,
    StoreOption,
    actor,
    command_app,
    opened_project,
)
from campaignctl.cli.show import document, table
from campaignctl.clock import SystemClock
from campaignctl.store.checks.check import Checked, check_store
from campaignctl.store.database import sqlite_module
from campaignctl.store.overview import Overview, overview
from campaignctl.upgrading import Upgrade, upgrade
from campaignctl.wiring import has_daemon, store_path, store_to_look_at

app = command_app()


@app.callback()
def store_group() -> None:
    """Prove, copy and upgrade the store."""


@app.command("check")
def check_command(
    format_: FormatOption = Format.TEXT, project: ProjectOption = None, store: StoreOption = None
) -> None:
    """
    Prove that the store is whole: cohorts add up, what is final stays final, nobody suppressed was written to.

    Changes nothing, and may run beside a daemon.

    Example: campaignctl store check --format json
    """
    opened = opened_project(project)
    sms = opened.project.channels.sms
    with store_to_look_at(store_path(opened, store)) as the_store, the_store.reading() as ledger:
        checked = check_store(ledger, None if sms is None else sms.country)
    is_sound = all(check.ok for check in checked)
    if format_ is Format.JSON:
        document(
            ok=is_sound,
            checks=[{"name": check.name, "ok": check.ok, "found": list(check.found)} for check in checked],
        )
    else:
        table(["check", "result", "found"], [row for check in checked for row in _rows(check)])
        print(
            "\nThe store is whole." if is_sound else "\nThe store is not whole. Keep a copy of it before anything else."
        )
    raise typer.Exit(0 if is_sound else 1)


def _rows(check: Checked) -> list[tuple[str, str, str]]:
    if check.ok:
        return [(check.name, "ok", "")]
    return [(check.name, "fail", sentence) for sentence in check.found]


@app.command("backup")
def backup_command(
    file: Annotated[Path, typer.Argument(help="Where the copy goes.")],
    is_forced: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Copy the store while it is at work; the copy is opened and checked before it gets its name.

    To go back to it, end the daemon and put the copy in the place of the store.

    Example: campaignctl store backup /backups/campaigns.db
    """
    with store_to_look_at(store_path(opened_project(project), store)) as the_store:
        copy = back_up(the_store.database, file, may_replace=is_forced)
    if format_ is Format.JSON:
        document(path=str(copy.path), size=copy.size)
    else:
        print(f"Copied into {copy.path}, {copy.size} bytes: it opens, and every check holds.")


@app.command("info")
def info_command(format_: FormatOption = Format.TEXT, project: ProjectOption = None, store: StoreOption = None) -> None:
    """
    Show where the store is, and what it holds in numbers.

    Example: campaignctl store info
    """
    path = store_path(opened_project(project), store)
    with store_to_look_at(path) as the_store, the_store.reading() as ledger:
        found = overview(ledger.connection)
    sqlite = sqlite_module()
    facts = {
        "path": str(path),
        "size": path.stat().st_size,
        "schema": found.schema,
        "sqlite": sqlite.sqlite_version,
        "sqlite_from": sqlite.__name__,
        "journal_mode": found.journal_mode,
        "daemon_runs": has_daemon(path),
    }
    if format_ is Format.JSON:
        document(
            **facts,
            lists=[vars(each) for each in found.lists],
            campaigns=found.campaigns,
            deliveries=found.deliveries,
            daemons=[vars(each) for each in found.daemons],
        )
    else:
        _show(facts, found)


def _show(facts: dict[str, object], found: Overview) -> None:
    table(["store", ""], list(facts.items()))
    print()
    table(["list", "contacts", "attributes"], [(each.list, each.contacts, each.attributes) for each in found.lists])
    for head, counts in (("campaigns", found.campaigns), ("deliveries", found.deliveries)):
        print()
        table([head, "number"], list(counts.items()))
    print()
    table(
        ["daemon", "host", "process", "started", "ended"],
        [(each.epoch, each.host, each.pid, each.started_at, each.ended_at) for each in found.daemons],
    )


@app.command("upgrade")
def upgrade_command(
    format_: FormatOption = Format.TEXT, project: ProjectOption = None, store: StoreOption = None
) -> None:
    """
    Bring the store to the schema of this program; the store as it was is kept beside it.

    No daemon may run meanwhile. Example: campaignctl store upgrade
    """
    path = store_path(opened_project(project), store)
    done = upgrade(path, actor=actor(), now=SystemClock().now())
    if format_ is Format.JSON:
        backup = None if done.backup is None else str(done.backup)
        document(before=done.before, after=done.after, applied=list(done.applied), backup=backup)
    else:
        print(_told(done))


def _told(done: Upgrade) -> str:
    if not done.applied:
        return f"The store has schema {done.after} already: nothing to do."
    kept = "" if done.backup is None else f" As it was it is kept in {done.backup}."
    return f"The store went from schema {done.before} to {done.after}.{kept}"
