"""Running a campaign in virtual time on a copy of the store, and what came of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from campaignctl.approving import approve, waiting_version
from campaignctl.backing_up import copy_pages
from campaignctl.campaign.version import Version
from campaignctl.clock import SetClock
from campaignctl.contacts.event_file import bring_in
from campaignctl.contacts.event_line import Row
from campaignctl.engine.rules import SendingRules
from campaignctl.engine.tick import Engine
from campaignctl.errors import WorkFailedError
from campaignctl.flow.pace import Meter
from campaignctl.flow.states import CampaignState
from campaignctl.message.links import Signer
from campaignctl.permitting import Consent
from campaignctl.ports import LiveCampaign, LiveStep
from campaignctl.project import Project
from campaignctl.proposing import next_occurrence, refuse_without_request
from campaignctl.publishing import publish
from campaignctl.simulation.assumptions import Assumptions
from campaignctl.simulation.rendering import MOST_EXPLAINED, Checked, MessageCheck
from campaignctl.simulation.sending import VirtualSending
from campaignctl.store.database import open_scratch
from campaignctl.store.events import EventKind
from campaignctl.store.ledger import SqlStore
from campaignctl.store.virtual.ledger import VirtualLedger, VirtualStore

# A campaign that has not ended by then never will: its rate, or its hours, do not let it.
LONGEST: Final = timedelta(days=3653)

_ACTOR: Final = "simulation"
_MOVING: Final = ("within", "older_than", "anniversary", "received", "opened", "clicked", "bounced", "unsubscribed")


@dataclass(frozen=True)
class SimulatedStep:
    """What a step did: who it worked on, what left when, and what did not for which reason."""

    step: LiveStep
    by_hour: Sequence[tuple[datetime, int]]
    skipped: Mapping[str, int]
    checked: Checked | None

    @property
    def messages(self) -> int:
        return sum(number for _, number in self.by_hour)

    @property
    def render_errors(self) -> int:
        return self.skipped.get("render_error", 0)


@dataclass(frozen=True)
class Affected:
    """A contact that did not get the message of a step, and why."""

    step: str
    contact: str
    error: str = ""


@dataclass(frozen=True)
class Simulation:
    """A campaign that ran in virtual time; `finished_at` is None where it never ends."""

    campaign: LiveCampaign
    published_at: datetime
    steps: Sequence[SimulatedStep]
    render_errors: Sequence[Affected]
    above_cap: Sequence[Affected]

    @property
    def finished_at(self) -> datetime | None:
        return self.campaign.finished_at if self.campaign.state is CampaignState.COMPLETED else None


@dataclass(frozen=True)
class Settings:
    """How a simulation is to run: from when on, what is assumed, and which events are given."""

    now: datetime
    starts_now: bool = False
    assumed: Assumptions = field(default_factory=Assumptions)
    events: Iterable[Row] = ()
    most_rendered: int = 10_000


@contextmanager
def copied(store: SqlStore) -> Iterator[VirtualStore]:
    """A copy of *store* as it is at this moment, thrown away at the end."""
    with tempfile.TemporaryDirectory(prefix="campaignctl-simulation-") as folder:
        file = Path(folder) / "copy.db"
        copy_pages(store.database, file)
        copy = VirtualStore(open_scratch(file))
        try:
            yield copy
        finally:
            copy.close()


def simulate(store: VirtualStore, version: Version, project: Project, settings: Settings) -> Simulation:
    """
    Publish *version* in this copy of a store, and let time pass to its end.

    A campaign that is published already goes on from where it stands. Other
    campaigns stand still; what they have sent counts for the frequency cap. Of
    a recurring campaign its next occurrence runs, alone.

    Raises:
        RefusedError: it could not be published.
        WorkFailedError: a step cannot be carried out.
    """
    now, assumed, written = settings.now, settings.assumed, version.name
    _refuse_what_waits(store, version)
    version = _once(store, version, now)
    name = version.name
    _publish(store, version, project.without_approval(), settings)
    rules = SendingRules.of(project)
    with store.writing() as ledger:
        ledger.ensure_signing_key(now)
        signer = Signer(*ledger.signing_keys()[0])
        ledger.isolate(ledger.known_campaign(name))
        for step in ledger.steps_at_work(name):
            store.progress.next_at[step.id] = now
        ledger.add_coming(_coming(settings.events, written, name))
        marks = ledger.rate_marks()
        channels = {name: Meter(rules.rate_of(name), marks.get(f"channel/{name}")) for name in ("email", "sms")}
    check = MessageCheck(assumed.seed, settings.most_rendered)
    is_watchful = rules.cap is not None or bool(settings.events) or _moves(version)
    sending = VirtualSending(store, rules, assumed, check, channels, now + LONGEST, is_watchful)
    _let_time_pass(store, Engine(store, sending, signer), rules.sms.country, now)
    with store.reading() as ledger:
        campaign = ledger.known_campaign(name)
        _refuse_what_cannot_be_done(ledger, campaign)
        return _outcome(ledger, campaign, now, check)


def _coming(events: Iterable[Row], written: str, name: str) -> Iterator[Row]:
    """The events that may matter: no step asks for conversions."""
    for row in events:
        if row["kind"] != EventKind.CONVERSION:
            yield {**row, "campaign": name} if row["campaign"] == written else row


def _refuse_what_waits(store: VirtualStore, version: Version) -> None:
    """A campaign whose contacts only a request will bring has nobody to be simulated with."""
    with store.reading() as ledger:
        live = ledger.campaign_named(version.name)
    if live is None or live.started_at is None:
        refuse_without_request(version)


def _once(store: VirtualStore, version: Version, now: datetime) -> Version:
    with store.reading() as ledger:
        live = ledger.campaign_named(version.name)
        return next_occurrence(version, now, ledger.skipped_starts(live) if live is not None else ())


def _refuse_what_cannot_be_done(ledger: VirtualLedger, campaign: LiveCampaign) -> None:
    for entry in ledger.history(campaign):
        if entry.action == "step_held" and entry.detail["reason"] == "render_error":
            raise WorkFailedError(
                "P135",
                f"the step `{entry.detail['step']}` cannot be carried out: {entry.detail['said']}",
                "mend its template: the daemon would hold the step",
            )


def _publish(store: VirtualStore, version: Version, project: Project, settings: Settings) -> None:
    """Publish it as somebody would who agrees to all that it asks for; what waits for an approval has it."""
    name = version.name
    with store.reading() as ledger:
        live = ledger.campaign_named(name)
    consent = Consent(
        is_live=True,
        extends=live is not None and live.state is CampaignState.COMPLETED,
        starts_now=settings.starts_now and live is None,
    )
    seed = settings.assumed.seed
    done = publish(store, version, project, seed=seed, actor=_ACTOR, now=settings.now, consent=consent)
    if done.state is CampaignState.PENDING_APPROVAL:
        fingerprint = waiting_version(store, name).fingerprint
        approve(store, name, fingerprint, project, actor=_ACTOR, now=settings.now, starts_now=settings.starts_now)


def _moves(version: Version) -> bool:
    """Whether the project's own segment, which is asked for every message, depends on the time or on events."""
    own = version.content.project_segment
    text = "" if own is None else own.model_dump_json(by_alias=True, exclude_unset=True)
    return any(f'"{word}":' in text for word in _MOVING)


def _let_time_pass(store: VirtualStore, engine: Engine, country: str | None, now: datetime) -> None:
    """From one thing that is due to the next, until nothing is to come."""
    clock = SetClock(now)
    ends_at = now + LONGEST
    while True:
        _bring_events(store, country, clock.now())
        report = engine.tick(clock.now)
        if report.did_something:
            continue
        if report.wake_at is None or report.wake_at > ends_at:
            return
        clock.set_to(report.wake_at)


def _bring_events(store: VirtualStore, country: str | None, now: datetime) -> None:
    """Take in what has happened since the last time."""

    def rows() -> Iterator[Row]:
        after = -1
        while True:
            with store.reading() as ledger:
                some = ledger.happened(now, after)
            if not some:
                return
            yield from some
            after = some[-1]["line"]

    with store.reading() as ledger:
        if not ledger.happened(now, -1):
            return
    bring_in(store, rows(), now, country=country)
    with store.writing() as ledger:
        ledger.forget_happened(now)


def _outcome(ledger: VirtualLedger, campaign: LiveCampaign, now: datetime, check: MessageCheck) -> Simulation:
    steps = []
    for step in campaign.steps:
        outcome = ledger.outcome(step)
        checked = check.found.get(step.name)
        steps.append(
            SimulatedStep(step, sorted(outcome.by_hour.items()), dict(sorted(outcome.skipped.items())), checked)
        )
    return Simulation(
        campaign,
        now,
        steps,
        _affected(ledger, campaign, steps, "render_error"),
        _affected(ledger, campaign, steps, "frequency_cap"),
    )


def _affected(
    ledger: VirtualLedger, campaign: LiveCampaign, steps: Sequence[SimulatedStep], reason: str
) -> list[Affected]:
    """The first contacts, of all steps together, that were skipped for a reason."""
    found: list[Affected] = []
    for each in steps:
        if reason in each.skipped and len(found) < MOST_EXPLAINED:
            for key, error in ledger.first_skipped(campaign, each.step, reason, MOST_EXPLAINED - len(found)):
                found.append(Affected(each.step.name, key, error))
    return found
