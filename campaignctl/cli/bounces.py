"""`campaignctl bounces`: what servers and mailbox providers report of messages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from campaignctl.bounces.importing import BounceReport, import_bounces
from campaignctl.bounces.report import BOUNCES, IGNORED, ReportKind
from campaignctl.cli.options import Format, FormatOption, ProjectOption, StoreOption, command_app, opened_project
from campaignctl.cli.screen import visible
from campaignctl.cli.show import document
from campaignctl.clock import SystemClock
from campaignctl.wiring import opened_store, return_paths_of, store_path

app = command_app()

_SHOWN = 20
_IGNORED = {
    ReportKind.DELAYED: "a server goes on trying",
    ReportKind.DELIVERED: "the message arrived",
    ReportKind.AUTO_REPLY: "an automatic reply",
    ReportKind.OTHER: "no bounce and no complaint",
}


@app.callback()
def bounces_group() -> None:
    """Bring in bounces and complaints from a mailbox."""


@app.command("import")
def import_command(
    mailbox: Annotated[Path, typer.Argument(help="A Maildir, a folder of .eml files, an mbox file or one message.")],
    is_trial: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, and change nothing.")] = False,
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Read the reports that came back to the project's bounce mailbox; each counts once, however often it is read.

    Whoever has no such address any more, or called a message spam, is
    suppressed at once. Only reports with a return path that this store signed
    count. The mailbox stays as it is.

    Example: campaignctl bounces import ~/Maildir/.bounces
    """
    clock = SystemClock()
    the_project = opened_project(project)
    with opened_store(store_path(the_project, store), clock) as the_store:
        return_paths = return_paths_of(the_project, the_store)
        report = import_bounces(the_store, mailbox, return_paths, clock.now(), is_trial=is_trial)
    if format_ is Format.JSON:
        _document(report, is_trial)
    else:
        _show(report, is_trial)


def _document(report: BounceReport, is_trial: bool) -> None:
    document(
        read=report.read,
        bounces={kind: report.kinds[kind] for kind in BOUNCES},
        complaints=report.kinds[ReportKind.COMPLAINT],
        ignored={kind: report.kinds[kind] for kind in IGNORED},
        unmatched=report.unmatched,
        unreadable=report.unreadable,
        troubles=[{"file": name, "reason": reason} for name, reason in report.troubles],
        added=report.added,
        newly_suppressed=report.newly_suppressed,
        dry_run=is_trial,
    )


def _show(report: BounceReport, is_trial: bool) -> None:
    kinds = report.kinds
    hard, soft, policy = (kinds[kind] for kind in BOUNCES)
    print(f"{report.read} messages read: {hard + soft + policy} bounces ({hard} hard, {soft} soft, {policy} policy),")
    print(f"{kinds[ReportKind.COMPLAINT]} complaints, {report.unmatched} about no message of this store,")
    print(f"{sum(kinds[kind] for kind in IGNORED)} ignored, {report.unreadable} unreadable.")
    for kind, meaning in _IGNORED.items():
        if kinds[kind]:
            print(f"  {kinds[kind]} ignored: {meaning}")
    for name, reason in report.troubles[:_SHOWN]:
        print(f"  {visible(name)} is unreadable: {reason}")
    if report.unreadable > _SHOWN:
        print(f"  and {report.unreadable - _SHOWN} more")
    print(f"{report.added} events are new, {report.newly_suppressed} addresses are newly suppressed.")
    if is_trial:
        print("Nothing was changed: import without --dry-run does it.")
