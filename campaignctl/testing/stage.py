"""Where a scenario plays: a store of its own, an in-memory channel, and a clock that is set."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from sqlalchemy import select

from campaignctl.answering import answer
from campaignctl.campaign.version import Version
from campaignctl.clock import SetClock
from campaignctl.contacts.event_file import import_events
from campaignctl.contacts.event_line import EventReader
from campaignctl.contacts.importing import import_contacts
from campaignctl.contacts.source import Source
from campaignctl.engine.dispatch import Dispatcher
from campaignctl.engine.rules import SendingRules, sms_rules
from campaignctl.engine.tick import Engine
from campaignctl.errors import RefusedError
from campaignctl.gating import known_gate
from campaignctl.message.address import normal_address
from campaignctl.message.gate_values import assumed_values
from campaignctl.message.links import Signer
from campaignctl.pausing import pause, resume
from campaignctl.ports import LiveCampaign, Outcome, Outgoing, Verdict
from campaignctl.project import Project
from campaignctl.publishing import publish
from campaignctl.stopping import stop
from campaignctl.store.database import open_sqlite
from campaignctl.store.events import EventKind
from campaignctl.store.instants import instant
from campaignctl.store.ledger import SqlStore
from campaignctl.store.lists import KEY_COLUMN, contact_by_key, contact_values, known_list
from campaignctl.store.spill import SpillFile
from campaignctl.store.suppressions import EMAIL, suppress
from campaignctl.store.tables import deliveries

LONGEST: Final = timedelta(days=3653)
_CAPACITY: Final = 64
_KINDS: Final = {
    "opened": EventKind.OPEN,
    "clicked": EventKind.CLICK,
    "bounced": EventKind.BOUNCE,
    "complained": EventKind.COMPLAINT,
    "unsubscribed": EventKind.UNSUBSCRIBE,
    "converted": EventKind.CONVERSION,
}
_ACTOR: Final = "scenario"


@dataclass
class MemoryChannel:
    """Takes every message, and remembers it by its key."""

    messages: dict[str, Outgoing] = field(default_factory=dict)
    capacity: int = _CAPACITY
    in_flight: int = 0

    def exchange(self, messages: Sequence[Outgoing], patience: timedelta | None = None) -> Sequence[Outcome]:  # noqa: ARG002 # nothing takes time here
        self.messages |= {message.key: message for message in messages}
        return [Outcome(message.key, Verdict.SENT) for message in messages]

    def abandon(self, grace: timedelta = timedelta(0)) -> Sequence[Outcome]:  # noqa: ARG002 # nothing needs it
        return []

    def close(self) -> None:
        """Nothing is held open."""


@dataclass(frozen=True)
class Delivered:
    """What became of one message: whose it was, its state and reason, and when that was."""

    contact: str
    state: str
    reason: str | None
    at: datetime


@dataclass
class Stage:
    """One scenario's world. What a person does here is done as the commands do it."""

    project: Project
    folder: Path
    store: SqlStore
    clock: SetClock
    channel: MemoryChannel
    engine: Engine
    seed: str
    answered: Collection[str] = ()  # the steps whose gates the scenario answers

    def import_contacts(self, list_name: str, contacts: Path | Iterable[Mapping[str, object]]) -> None:
        """Bring in contacts, from a file or as rows."""
        if not isinstance(contacts, Path):
            rows = contacts
            contacts = self.folder / "rows.ndjson"
            contacts.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        settings = self.project.lists[list_name]
        import_contacts(
            self.store.database,
            Source(contacts),
            list_name=list_name,
            key=settings.key,
            email=settings.email,
            phone=settings.phone,
            normal_address=normal_address,
            topics=self.project.topic_attributes,
            now=self.clock.now(),
            is_strict=True,
            actor=_ACTOR,
        )

    def publish(self, version: Version) -> None:
        publish(self.store, version, self.project, seed=self.seed, actor=_ACTOR, now=self.clock.now())

    def run(self, command: str, campaign: str) -> None:
        """Pause, resume or stop the campaign."""
        {"pause": pause, "resume": resume, "stop": stop}[command](  # type: ignore[operator] # their reports differ
            self.store, campaign, actor=_ACTOR, now=self.clock.now()
        )

    def suppress(self, addresses: Iterable[str]) -> None:
        with self.store.writing() as ledger:
            for address in addresses:
                suppress(ledger.connection, EMAIL, address, "unsubscribed", self.clock.now())

    def leave_topic(self, version: Version, topic: str, keys: Iterable[str]) -> None:
        """
        Contacts leave a topic on the page to unsubscribe on.

        Raises:
            RefusedError: there is no such contact.
        """
        list_name, email = version.campaign.list_name, version.content.contacts.email
        attributes = {topic: self.project.topic_attributes[topic]}
        with self.store.writing() as ledger:
            for key in keys:
                contacts = known_list(ledger.connection, list_name)
                row = contact_by_key(ledger.connection, contacts, key)
                if row is None:
                    raise RefusedError("P111", f"the list `{list_name}` has no contact `{key}`", "check its key")
                address = contact_values(contacts, row).get(email or "")
                ledger.leave_topics(contacts, row.id, str(address or ""), attributes, self.clock.now())

    def answer_gate(
        self, campaign: str, step: str, reject: Iterable[str], properties: Mapping[str, Mapping[str, object]]
    ) -> None:
        """The other system answers at the gate of a step."""
        with self.store.reading() as ledger:
            gate = known_gate(ledger, campaign, step)
        rejected = set(reject)
        lines = [
            json.dumps({"id": key, "reject": key in rejected, "properties": properties.get(key)}).encode() + b"\n"
            for key in sorted(rejected | properties.keys())
        ]
        body = b"".join(lines)
        answer(self.store, gate.id, io.BytesIO(body), hashlib.sha256(body).hexdigest(), self.clock.now())

    def _pass_gates(self) -> bool:
        """Let everybody go on at the gates that the scenario does not speak of; whether there was one."""
        with self.store.reading() as ledger:
            found = [gate for gate in ledger.open_gates() if gate.step not in self.answered]
            versions = {gate.id: ledger.gate_cohort(gate).version for gate in found}
            keys = {gate.id: [each.contact for each in ledger.gate_members(gate)] for gate in found}
        for gate in found:
            assumed = assumed_values(versions[gate.id])
            self.answer_gate(gate.campaign, gate.step, (), dict.fromkeys(keys[gate.id], assumed) if assumed else {})
        return bool(found)

    def bring_events(self, campaign: str, what: str, step: str, contacts: Iterable[str], **more: object) -> None:
        """Let contacts do something with a message."""
        at = self.clock.now().isoformat()
        same = {"campaign": campaign, "step": step, "event": _KINDS[what], "at": at, **more}
        file = self.folder / "events.ndjson"
        rows = ({**same, "contact": each, "id": f"{step}/{each}/{at}"} for each in contacts)
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        reader = EventReader(country=sms_rules(self.project).country)
        import_events(self.store, Source(file), self.clock.now(), reader)

    def pass_time(self, end: datetime | None) -> None:
        """Let time pass to *end*, or until nothing is to come, from one thing that is due to the next."""
        latest = end or self.clock.now() + LONGEST
        while True:
            report = self.engine.tick(self.clock.now)
            if self._pass_gates() or report.did_something:
                continue
            if report.wake_at is None or report.wake_at > latest:
                break
            # A pass that only skipped messages ends at once, and goes on where it was.
            self.clock.set_to(report.wake_at)
        if end is not None:
            self.clock.set_to(end)

    def campaign(self, name: str) -> LiveCampaign | None:
        with self.store.reading() as ledger:
            return ledger.campaign_named(name)

    def delivered(self, campaign: LiveCampaign, step: str) -> list[Delivered]:
        """What became of the messages of a step, by contact."""
        with self.store.reading() as ledger:
            contacts = known_list(ledger.connection, campaign.list_name)
            rows = ledger.connection.execute(
                select(contacts.table.c[KEY_COLUMN], deliveries.c.state, deliveries.c.reason, deliveries.c.changed_at)
                .join(contacts.table, contacts.table.c.id == deliveries.c.contact_id)
                .where(deliveries.c.step_id == campaign.step(step).id)
                .order_by(contacts.table.c.id)
            )
            return [Delivered(key, state, reason, instant(at)) for key, state, reason, at in rows]

    def converted(self, campaign: LiveCampaign, step: str) -> int:
        """How many contacts converted after the message of a step."""
        number = campaign.step(step).id
        with self.store.reading() as ledger:
            return ledger.engagement([number])[number].converted

    def message(self, campaign: LiveCampaign, step: str, contact: str) -> bytes:
        """The message of a step that a contact got."""
        return self.channel.messages[f"{campaign.name}/{step}/{contact}/{campaign.seed}"].content

    def texts(self, campaign: LiveCampaign, step: str, contact: str) -> list[str]:
        """What a contact can read of a step's text message, or what the requests say that may be about them."""
        if campaign.step(step).verb == "sms":
            return [json.loads(self.message(campaign, step, contact))["text"]]
        start = f"{campaign.name}/{step}/"
        return [each.content.decode() for key, each in self.channel.messages.items() if key.startswith(start)]


@contextmanager
def staged(project: Project, now: datetime, seed: str, answered: Collection[str] = ()) -> Iterator[Stage]:
    """A world that begins at *now* and holds nothing yet; thrown away at the end."""
    with TemporaryDirectory(prefix="campaignctl-test-") as name:
        folder = Path(name)
        store = SqlStore(open_sqlite(folder / "store.db", now))
        try:
            spill = SpillFile(folder / "store.db.spill")
            spill.prepare()
            channel: Any = MemoryChannel()
            by_endpoint = (f"{verb}/{each}" for verb in ("webhook", "export") for each in project.endpoints)
            channels = dict.fromkeys(("email", "sms", *by_endpoint), channel)
            epoch = store.begin_epoch("test", 1, now)
            dispatcher = Dispatcher(store, channels, epoch, SendingRules.of(project), spill)
            with store.writing() as ledger:
                ledger.ensure_signing_key(now)
                signer = Signer(*ledger.signing_keys()[0])
            yield Stage(
                project.without_approval(),
                folder,
                store,
                SetClock(now),
                channel,
                Engine(store, dispatcher, signer),
                seed,
                answered,
            )
        finally:
            store.close()
