"""A world in which time passes as a test says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from campaignctl.campaign.when import When, zone_named
from campaignctl.channels.exports import ExportFolder
from campaignctl.clock import SetClock
from campaignctl.contacts.event_file import import_events
from campaignctl.contacts.importing import ImportReport
from campaignctl.contacts.source import Source
from campaignctl.demo import FastTime
from campaignctl.engine.carry_out import Outside
from campaignctl.engine.daemon import Daemon, Until
from campaignctl.engine.dispatch import Dispatcher
from campaignctl.engine.tick import Engine, TickReport
from campaignctl.message.links import Signer
from campaignctl.ports import Channel, Exports, GateEndpoints, LiveCampaign, Outcome, Outgoing, Store, Verdict
from campaignctl.project import PROJECT_FILE, ProjectFile, load_project
from campaignctl.publishing import Publication
from campaignctl.stopping import StopReport, stop
from campaignctl.store.database import open_sqlite
from campaignctl.store.events import EventOutcome
from campaignctl.store.ledger import SqlStore
from campaignctl.store.spill import SpillFile
from campaignctl.validation import CheckedFile, check_file
from campaignctl.wiring import event_reader, keys_of, sending_rules, signer_of, take_over

PROJECT = """
project: shop
timezone: Europe/Paris
sender: Shop <news@shop.example>
postal_address: 1 rue de la Paix, Paris
lists: {customers: {key: id, email: email}}
segments: {french: {attribute: country, eq: FR}}
"""
CONTACTS = (
    "id,email,name,country\nc-1,ada@example.org,Ada,FR\nc-2,grace@example.org,Grace,BE\nc-3,alan@example.org,Alan,FR\n"
)


class WrittenChannel:
    """Stands in for a mail server: takes every message, unless a test gives another outcome for an address."""

    def __init__(self, clock: SetClock, capacity: int = 4) -> None:
        self.clock = clock
        self.capacity = capacity
        self.in_flight = 0
        self.sent: list[Outgoing] = []
        self.answers: dict[str, list[Outcome]] = {}
        self.seen: list[str] = []
        self.left_at: list[datetime] = []

    def exchange(self, messages: Sequence[Outgoing], patience: timedelta | None = None) -> Sequence[Outcome]:
        assert len(messages) <= self.capacity
        return [self._outcome(message) for message in messages]

    def _outcome(self, message: Outgoing) -> Outcome:
        self.seen.append(message.recipient)
        answers = self.answers.get(message.recipient)
        if answers:
            planned = answers.pop(0)
            return planned._replace(key=message.key)
        self.sent.append(message)
        self.left_at.append(self.clock.now())
        return Outcome(message.key, Verdict.SENT)

    def answer(self, address: str, verdict: Verdict, reason: str = "refused", **more: bool) -> None:
        """The next message to this address meets this."""
        self.answers.setdefault(address, []).append(Outcome("", verdict, reason, **more))

    def abandon(self, grace: timedelta = timedelta(0)) -> Sequence[Outcome]:
        return []

    def close(self) -> None:
        """Nothing is held open."""


class World:
    """A project in a folder, its store, a channel that remembers, and a clock that is set."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = SetClock(datetime(2026, 11, 1, tzinfo=UTC))
        self.store = SqlStore(open_sqlite(folder / "campaignctl.db", self.clock.now()))
        self.email = WrittenChannel(clock=self.clock)
        self.channels: dict[str, Channel] = {}  # beside e-mail
        self.spill = SpillFile(folder / "campaignctl.db.spill")
        self.reports: list[TickReport] = []
        self.endpoints: GateEndpoints | None = None  # those that are asked at send gates
        self.exports: Exports = ExportFolder(folder)
        self.write(PROJECT_FILE, PROJECT)
        self.write("hello.md", "Hello {{ contact.name }} {{ unsubscribe_url }} {{ postal_address }}")

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    @property
    def project(self) -> ProjectFile:
        loaded = load_project(self.folder, {})
        assert isinstance(loaded, ProjectFile), loaded
        return loaded

    def at(self, wall: str) -> None:
        """It is now this time in Paris."""
        self.clock.set_to(self.instant(wall))

    @staticmethod
    def instant(wall: str) -> datetime:
        return When.parse(wall).at(zone_named("Europe/Paris"))

    def contacts(self, text: str = CONTACTS) -> ImportReport:
        """Bring contacts in, as CSV."""
        return self.import_file(self.write("contacts.csv", text))

    def import_file(self, file: Path) -> ImportReport:
        return self.fast.import_list("customers", file)

    def bring_events(self, file: Path) -> None:
        self.fast.bring_events(file)

    @property
    def fast(self) -> FastTime:
        return FastTime(self.project, self.store, self.folder / "campaignctl.db", self.clock)

    def check(self, text: str, name: str = "campaign.yaml") -> CheckedFile:
        return check_file(self.write(name, text), self.project, {})

    def publish(self, text: str, *, starts_now: bool = False, is_live: bool = False) -> Publication:
        return self.publish_file(self.write("campaign.yaml", text), starts_now=starts_now, is_live=is_live)

    def publish_file(self, file: Path, *, starts_now: bool = False, is_live: bool = False) -> Publication:
        return self.fast.publish(file, starts_now=starts_now, is_live=is_live)

    def extend(self, text: str) -> Publication:
        return self.fast.publish(self.write("campaign.yaml", text), extends=True)

    def stop(self, name: str) -> StopReport:
        return stop(self.store, name, actor="tester", now=self.clock.now())

    def daemon(self, *, may_repeat: bool = True, store: Store | None = None, signer: Signer | None = None) -> Daemon:
        """A daemon that has just been started; on *store* where the test watches it."""
        return Daemon(self.engine(may_repeat=may_repeat, store=store, signer=signer), self.clock, self.reports.append)

    def engine(self, *, may_repeat: bool = True, store: Store | None = None, signer: Signer | None = None) -> Engine:
        """What a daemon runs."""
        epoch = self.store.begin_epoch("test", 1, self.clock.now())
        take_over(self.store, self.spill, epoch, may_repeat, self.clock)
        ours = signer_of(self.store, self.clock)
        rules = replace(sending_rules(self.project, ours), may_repeat=may_repeat)
        used = store or self.store
        if self.endpoints is not None:
            signer = signer or ours
        dispatcher = Dispatcher(used, {"email": self.email, **self.channels}, epoch, rules, self.spill)
        outside = Outside(self.exports, rules.sms.country)
        return Engine(used, dispatcher, signer, self.endpoints, outside)

    def run_until(self, wall: str, daemon: Daemon | None = None) -> None:
        """Let time pass to this moment, with a daemon at work."""
        daemon, end = daemon or self.daemon(), self.instant(wall)
        while True:
            daemon.run(Until.DONE_FOR_NOW)
            if daemon.wake_at is None or daemon.wake_at > end:
                break
            self.clock.set_to(daemon.wake_at)
        self.clock.set_to(end)

    def event(self, step: str, contact: str, kind: str, campaign: str = "sale", **more: object) -> EventOutcome:
        line = {
            "campaign": campaign,
            "step": step,
            "contact": contact,
            "event": kind,
            "at": self.clock.now().isoformat(),
        }
        file = self.write("event.ndjson", json.dumps(line | more))
        reader = event_reader(self.project, self.store, keys_of(self.store))
        (outcome,) = import_events(self.store, Source(file), self.clock.now(), reader).outcomes.elements()
        return outcome

    def campaign(self, name: str = "sale") -> LiveCampaign:
        with self.store.reading() as ledger:
            return ledger.known_campaign(name)

    def deliveries(self, step: str, name: str = "sale") -> dict[str, int]:
        campaign = self.campaign(name)
        with self.store.reading() as ledger:
            counts = ledger.deliveries_by_state([campaign.step(step).id])
        return {str(state): number for state, number in counts[campaign.step(step).id].items()}

    @property
    def left_at(self) -> list[datetime]:
        """When each message left."""
        return self.email.left_at

    @property
    def addresses(self) -> list[str]:
        return [message.recipient for message in self.email.sent]
