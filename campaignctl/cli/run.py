"""`campaignctl run`."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from campaignctl.cli.options import ProjectOption, StoreOption, command_app, opened_project
from campaignctl.cli.screen import say, tell
from campaignctl.cli.serve import missing_extra, shown_address
from campaignctl.cli.show import utc_text
from campaignctl.clock import SystemClock
from campaignctl.engine.daemon import Until, ends_on_signals
from campaignctl.engine.tick import TickReport
from campaignctl.errors import UsageError
from campaignctl.project import ProjectFile
from campaignctl.wiring import daemon_for, opened_store, store_path, where_messages_go

app = command_app()


class LogFormat(StrEnum):
    """How the daemon tells what it does."""

    TEXT = "text"  # for people
    JSON = "json"  # an object a line, for what collects logs


@app.command()
def run_command(
    once: Annotated[bool, typer.Option("--once", help="Do what is due now, then end.")] = False,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="End when all campaigns are completed.")] = False,
    serve: Annotated[
        str | None, typer.Option("--serve", metavar="HOST:PORT", help="Run the HTTP service beside it.")
    ] = None,
    log_format: Annotated[LogFormat, typer.Option("--log-format", help="How to tell what is done.")] = LogFormat.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Run published campaigns.

    Begins steps at their times and sends their messages, until it is asked to
    end (Ctrl-C, SIGTERM): then what is under way is finished and recorded.

    Example: campaignctl run --until-idle
    """
    if once and until_idle:
        raise UsageError("U101", "`--once` and `--until-idle` exclude each other", "use one of them")
    opened = opened_project(project)
    until = Until.DONE_FOR_NOW if once else Until.IDLE if until_idle else Until.ASKED
    clock = SystemClock()
    path = store_path(opened, store)
    with (
        opened_store(path, clock) as the_store,
        _service(opened, path, serve),
        daemon_for(
            the_store, path, opened, clock, lambda report: show_report(clock.now(), report, log_format)
        ) as daemon,
        ends_on_signals(daemon.end),
    ):
        tell(f"the store is {path}")
        gc.freeze()  # what is there by now stays: it need not be looked through with every message
        say(f"{utc_text(clock.now())} messages go to {where_messages_go(opened)}")
        daemon.run(until)


@contextmanager
def _service(project: ProjectFile, store: Path, listen: str | None) -> Iterator[None]:
    """The HTTP service, where one is wanted."""
    if listen is None:
        yield
        return
    try:
        from campaignctl.web.running import service_beside
        from campaignctl.web.server import host_and_port, listening
    except ModuleNotFoundError as failure:
        raise missing_extra(failure) from failure
    with listening(*host_and_port(listen)) as listener, service_beside(project, store, listener):
        say(f"the service listens on {shown_address(listener)}")
        yield


def show_report(at: datetime, report: TickReport, log_format: LogFormat = LogFormat.TEXT) -> None:
    """What a pass did, one line each, with the instant in UTC."""
    for event, text in _told(report):
        if log_format is LogFormat.TEXT:
            say(f"{utc_text(at)} {text}")
        else:
            level = "warning" if event in ("held", "paused", "trouble") else "info"
            say(json.dumps({"at": utc_text(at), "level": level, "event": event, "message": text}, ensure_ascii=False))


def _told(report: TickReport) -> Iterator[tuple[str, str]]:
    """What happened, in a word and in a sentence."""
    yield from (("started", f"started {name}") for name in report.started)
    yield from (("made", f"made {name}, which starts next") for name in report.made)
    if report.sent:
        yield "sent", f"sent {report.sent} messages"
    yield from (("finished", f"finished {name}") for name in report.finished)
    yield from (("gate", told) for told in report.gates)
    yield from (("held", f"held {name}: a person has to decide, see campaignctl status") for name in report.held)
    yield from (("paused", f"paused {what}") for what in report.paused)
    yield from (("trouble", told) for told in report.troubles)
