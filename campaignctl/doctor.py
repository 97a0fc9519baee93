"""What would go wrong: the machine, the project, the store, the channels, the clock. Nothing of it changes anything."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Final
from zoneinfo import TZPATH

from campaignctl.clock import utc_text
from campaignctl.diagnostics import Problem, Severity, listed
from campaignctl.dkim_key import signature_of
from campaignctl.errors import CampaignctlError
from campaignctl.flow.states import CampaignState, DeliveryState, GateState, StepState
from campaignctl.ports import FOR_GATE, LiveCampaign
from campaignctl.project import ProjectFile, load_project, unset_variables
from campaignctl.project_rules import contacts_can_leave_at_once
from campaignctl.store.database import file_system_of, is_wal_safe, sqlite_module
from campaignctl.store.ledger import SqlLedger
from campaignctl.store.overview import newest_entry_at, planned_times
from campaignctl.validation import check_project
from campaignctl.wiring import (
    OUTBOX,
    endpoint_settings,
    has_daemon,
    mail_server,
    store_path,
    store_to_look_at,
    trouble_with_endpoint,
)

_LEAST_ROOM: Final = 2**30
# Two machines' clocks, or one that is being set, may differ by so much.
_CLOCK_TOLERANCE: Final = timedelta(seconds=5)
_MAY_BE_LATE: Final = timedelta(minutes=1)


class Result(StrEnum):
    """How one thing stands."""

    OK = "ok"
    WARN = "warn"  # works, and somebody should look
    FAIL = "fail"  # does not work


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what is so, and what to do."""

    name: str
    result: Result
    what: str
    hint: str = ""


def examine(
    folder: Path, environment: Mapping[str, str], store: str | None, now: datetime, name: str
) -> Iterator[Finding]:
    """Everything, one after the other; *name* is what messages call the project file."""
    yield from _machine()
    project = load_project(folder, environment, name)
    if not isinstance(project, ProjectFile):
        yield from _problems(project, name)
        return
    yield from _problems([*check_project(project).problems, *contacts_can_leave_at_once(project)], name)
    yield from _variables(project)
    yield from _channel(project)
    yield from _endpoints(project)
    yield from _signature(project)
    yield from _providers(project)
    try:
        path = store_path(project, store)
    except CampaignctlError as failure:
        yield _failed("store", failure)
        return
    yield from _store(path, now)


def _failed(name: str, failure: CampaignctlError) -> Finding:
    return Finding(name, Result.FAIL, f"{failure.code}: {failure.message}", failure.hint)


# --- the machine ---


def _machine() -> Iterator[Finding]:
    yield Finding("python", Result.OK, f"Python {sys.version.split()[0]}")
    yield sqlite(sqlite_module().sqlite_version_info, sqlite_module().__name__)
    yield Finding("timezones", Result.OK, f"zone database {_zones_version()}")


def sqlite(number: tuple[int, ...], brought_by: str) -> Finding:
    """What the store's SQLite, of this version, may be used for."""
    named = f"SQLite {'.'.join(map(str, number))} of `{brought_by}`"
    if is_wal_safe(number):
        return Finding("sqlite", Result.OK, f"{named}: a write-ahead log is safe")
    return Finding(
        "sqlite",
        Result.WARN,
        f"{named}: too old for a write-ahead log, so a rollback journal is kept, and writers wait for readers",
        "install `pysqlite3`, or SQLite 3.51.3 or newer",
    )


def _zones_version() -> str:
    """The version of the zone database in use: the system's, or else the one of the package."""
    for folder in map(Path, TZPATH):
        if (folder / "Europe").is_dir():
            for name, skipped in (("+VERSION", ""), ("tzdata.zi", "# version ")):
                try:
                    first = (folder / name).read_text("utf-8").partition("\n")[0]
                except OSError:
                    continue
                return f"{first.removeprefix(skipped).strip()} of the system"
            return "of the system"
    return f"{version('tzdata')} of the package `tzdata`"


# --- the project ---


def _problems(problems: list[Problem], name: str) -> Iterator[Finding]:
    for problem in problems:
        result = Result.FAIL if problem.severity is Severity.ERROR else Result.WARN
        yield Finding("project", result, f"{name}:{problem.span.line}: {problem.code}: {problem.message}", problem.hint)
    if not problems:
        yield Finding("project", Result.OK, f"{name} has no problems")


def _variables(project: ProjectFile) -> Iterator[Finding]:
    missing = unset_variables(project.project.model_dump(mode="json"))
    for name in missing:
        yield Finding("environment", Result.FAIL, f"the variable `{name}` is not set", "set it where the daemon runs")
    if not missing:
        yield Finding("environment", Result.OK, "every variable that the project needs is set")


def _channel(project: ProjectFile) -> Iterator[Finding]:
    try:
        server = mail_server(project)
        if server is None:
            yield _outbox(project.folder / OUTBOX)
            return
        from campaignctl.channels.smtp.probe import trouble_with

        trouble = trouble_with(server)
    except CampaignctlError as failure:
        yield _failed("channel", failure)
        return
    where = f"the mail server {server.host}:{server.port}"
    if trouble is None:
        yield Finding("channel", Result.OK, f"{where} is ready for messages")
    else:
        yield Finding(
            "channel",
            Result.FAIL,
            f"{where}: {trouble.reason}: {trouble.detail}",
            _HINTS.get(trouble.reason, "see what it said"),
        )


def _endpoints(project: ProjectFile) -> Iterator[Finding]:
    """Whether each endpoint has what it needs, and leads where requests may go; nothing is asked of it."""
    for name in project.project.endpoints:
        try:
            trouble = trouble_with_endpoint(endpoint_settings(project, name))
        except CampaignctlError as failure:
            yield _failed("endpoint", failure)
            continue
        if trouble is None:
            yield Finding("endpoint", Result.OK, f"`{name}` leads where requests may go")
        else:
            yield Finding("endpoint", Result.FAIL, f"`{name}`: {trouble}", "mend it in campaignctl.yaml")


def _signature(project: ProjectFile) -> Iterator[Finding]:
    try:
        if signature_of(project) is not None:
            yield Finding("dkim", Result.OK, "the key that signs messages can be read")
    except CampaignctlError as failure:
        yield _failed("dkim", failure)


def _providers(project: ProjectFile) -> Iterator[Finding]:
    names = project.project.providers.names
    if not names:
        return
    try:
        from campaignctl.providers.configured import provider_of
    except ImportError:
        yield Finding("providers", Result.FAIL, "providers need the HTTP service", "install `campaignctl[serve]`")
        return
    for name in names:
        try:
            provider_of(name, project.project, fetch=lambda _: None)
        except CampaignctlError as failure:
            yield _failed("providers", failure)
        else:
            where = f"{(project.project.public_url or '').rstrip('/')}/hooks/{name}"
            yield Finding("providers", Result.OK, f"{name} tells what happened at {where}")


_HINTS: Final = {
    "relay_down": "check host and port, and whether a firewall is in between",
    "tls_required": "check the certificate and `tls:`; nothing is sent in the clear",
    "auth_refused": "check user and password",
}


def _outbox(folder: Path) -> Finding:
    nearest = next(place for place in (folder, *folder.parents) if place.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return Finding("channel", Result.OK, f"messages go to the outbox, {folder}")
    return Finding("channel", Result.FAIL, f"nothing can be written into the outbox, {folder}", "check its permissions")


# --- the store ---


def _store(path: Path, now: datetime) -> Iterator[Finding]:
    if not path.exists():
        hint = "bring contacts in with `campaignctl contacts import`"
        yield Finding("store", Result.WARN, f"there is no store at {path} yet", hint)
        return
    try:
        with store_to_look_at(path) as store, store.reading() as ledger:
            where = file_system_of(path.resolve().parent) or "a disk"
            yield Finding("store", Result.OK, f"{path} opens, on {where}")
            yield from _file(path)
            yield from _clock(ledger, now)
            yield from _work(path, ledger, now)
    except CampaignctlError as failure:
        yield _failed("store", failure)


def _file(path: Path) -> Iterator[Finding]:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        yield Finding("permissions", Result.WARN, f"others may read {path} ({mode:04o})", f"run `chmod 600 {path}`")
    else:
        yield Finding("permissions", Result.OK, f"the store is for its owner alone ({mode:04o})")
    folder = path.resolve().parent
    may_delete = folder.stat().st_mode & (stat.S_IWOTH | stat.S_ISVTX)
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Finding("folder", Result.FAIL, f"nothing can be written into {folder}", "check its permissions")
    elif may_delete == stat.S_IWOTH:
        yield Finding("folder", Result.WARN, f"anybody may delete the store in {folder}", f"run `chmod o-w {folder}`")
    else:
        yield Finding("folder", Result.OK, f"{folder} can be written")
    yield room(shutil.disk_usage(folder).free, path.stat().st_size)


def room(free: int, size: int) -> Finding:
    """Whether *free* bytes are enough for a store of *size* bytes: it may grow, and be copied."""
    needed = max(_LEAST_ROOM, 2 * size)
    what = f"{free / 2**30:.1f} GiB free for a store of {size / 2**30:.1f} GiB"
    if free < needed:
        return Finding("room", Result.WARN, what, f"make room: {needed / 2**30:.1f} GiB should be free")
    return Finding("room", Result.OK, what)


def _clock(ledger: SqlLedger, now: datetime) -> Iterator[Finding]:
    newest = newest_entry_at(ledger.connection)
    if newest is not None and newest > now + _CLOCK_TOLERANCE:
        yield Finding(
            "clock",
            Result.FAIL,
            f"it is {utc_text(now)} here, and the journal has an entry of {utc_text(newest)}",
            "set the clock: until then steps are late, and rates stand still",
        )
    else:
        yield Finding("clock", Result.OK, f"it is {utc_text(now)}, and nothing in the journal is later")
    moved = [planned for planned in planned_times(ledger.connection) if not planned.means_the_same]
    for planned in moved:
        yield Finding(
            "zones",
            Result.WARN,
            f"`{planned.campaign}/{planned.step}` runs at {utc_text(planned.at)}, which is no longer"
            f" {planned.wall_time:%Y-%m-%d %H:%M} in {planned.timezone}",
            "the rules of the zone have changed: plan the step anew if the local time matters",
        )
    if not moved:
        yield Finding("zones", Result.OK, "all steps to come are at their local times")


# --- the work ---


def _work(path: Path, ledger: SqlLedger, now: datetime) -> Iterator[Finding]:
    campaigns = ledger.every_campaign()
    is_waiting = any(campaign.state is CampaignState.ACTIVE for campaign in campaigns)
    if has_daemon(path):
        yield Finding("daemon", Result.OK, "a daemon runs on the store")
    elif is_waiting:
        yield Finding("daemon", Result.WARN, "no daemon runs, and campaigns are active", "start `campaignctl run`")
    else:
        yield Finding("daemon", Result.OK, "no daemon runs, and no campaign needs one")
    yield from _hooks(ledger)
    waiting = [finding for campaign in campaigns for finding in _waiting(campaign, ledger, now)]
    yield from waiting or [Finding("campaigns", Result.OK, "nothing waits for a person")]


def _waiting(campaign: LiveCampaign, ledger: SqlLedger, now: datetime) -> Iterator[Finding]:
    """What of a campaign waits for a person, or should have happened."""
    if campaign.state is CampaignState.PAUSED:
        hint = f"see `campaignctl history {campaign.name}`, then `campaignctl resume {campaign.name}`"
        yield Finding("campaigns", Result.WARN, f"`{campaign.name}` is paused", hint)
    yield from _gates(campaign, ledger)
    by_person = [step for step in campaign.steps if step.state is StepState.HELD and step.reason != FOR_GATE]
    if held := [f"`{step.name}` ({step.reason})" for step in by_person]:
        what = f"of `{campaign.name}` a person has to decide about {', '.join(held)}"
        yield Finding("campaigns", Result.WARN, what, f"let it go on with `campaignctl resume {campaign.name}`")
    if late := _overdue(campaign, now):
        what = f"of `{campaign.name}` {listed(late, 'and')} should have begun"
        yield Finding("campaigns", Result.WARN, what, "start `campaignctl run`; `if_late` then decides")
    counts = ledger.deliveries_by_state([step.id for step in campaign.steps])
    if uncertain := sum(of.get(DeliveryState.UNCERTAIN, 0) for of in counts.values()):
        what = f"{uncertain} deliveries of `{campaign.name}` have no verdict"
        yield Finding("campaigns", Result.WARN, what, f"see `campaignctl uncertain list {campaign.name}`")


def _gates(campaign: LiveCampaign, ledger: SqlLedger) -> Iterator[Finding]:
    """Gates whose endpoint cannot be asked, or at which nothing is decided without an answer."""
    for gate in ledger.open_gates(campaign):
        here = f"the gate of `{campaign.name}/{gate.step}`"
        if gate.needs_person:
            what = f"{here} cannot be asked: `{gate.endpoint}` said {gate.said}"
            yield Finding("gates", Result.WARN, what, f"mend it, then `campaignctl resume {campaign.name}`")
        elif gate.state is GateState.REQUESTED and gate.attempts:
            what = f"{here} could not be asked yet: {gate.said or 'no answer'} (attempts: {gate.attempts})"
            yield Finding("gates", Result.WARN, what, f"see whether `{gate.endpoint}` answers")
        elif gate.is_holding:
            hint = f"or decide with `campaignctl gate release {campaign.name} {gate.step}`"
            yield Finding(
                "gates", Result.OK, f"{here} waits for `{gate.endpoint}` since {utc_text(gate.opened_at)}", hint
            )


def _hooks(ledger: SqlLedger) -> Iterator[Finding]:
    """Hooks that do not take what they are told; nothing where the store knows none."""
    for hook in ledger.hook_standings():
        here = f"the hook `{hook.hook}`"
        if hook.dead:
            what = f"{here} could not be told of {hook.dead} events"
            yield Finding("hooks", Result.WARN, what, f"see `campaignctl hooks dead {hook.hook}`")
        if hook.off_since is not None:
            what = f"{here} is off since {utc_text(hook.off_since)}: it answered {hook.said}"
            yield Finding("hooks", Result.WARN, what, f"mend it, then `campaignctl hooks enable {hook.hook}`")
        elif hook.is_stuck:
            what = f"{here} does not take what it is told: {hook.said} ({hook.waiting} events wait)"
            yield Finding("hooks", Result.WARN, what, "see whether its endpoint answers")
        elif not hook.dead:
            yield Finding("hooks", Result.OK, f"{here} is told of everything ({hook.waiting} events wait)")


def _overdue(campaign: LiveCampaign, now: datetime) -> list[str]:
    """The steps whose time is past and which no other step of the campaign keeps waiting."""
    if campaign.state is not CampaignState.ACTIVE:
        return []
    if any(step.state in (StepState.RUNNING, StepState.HELD) for step in campaign.steps):
        return []
    return [
        step.name
        for step in campaign.steps
        if step.state is StepState.SCHEDULED
        and step.effective_at is not None
        and step.effective_at < now - _MAY_BE_LATE
    ]
