"""The store as a simulation sees it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, delete, func, select, update

from campaignctl.campaign.fields import Literal
from campaignctl.campaign.steps.base import Gate
from campaignctl.campaign.steps.union import SENDING_VERBS
from campaignctl.flow.states import CampaignState, DeliveryState, StepState
from campaignctl.message.gate_values import assumed_values
from campaignctl.ports import FOR_GATE, Cohort, LiveCampaign, LiveStep
from campaignctl.store.claims import Prepared
from campaignctl.store.database import Database
from campaignctl.store.hook_triggers import set_triggers
from campaignctl.store.instants import instant
from campaignctl.store.ledger import SqlStore
from campaignctl.store.lists import KEY_COLUMN, ContactList
from campaignctl.store.members import in_cohort
from campaignctl.store.tables import campaigns, deliveries, gates, members, steps
from campaignctl.store.virtual.leaving import LeavingStatements
from campaignctl.store.virtual.reactions import ReactionStatements
from campaignctl.store.virtual.tables import metadata, unmade
from campaignctl.store.virtual.unmade import UnmadeStatements

_HOUR: Final = 3_600_000_000
_LEFT: Final = (DeliveryState.SENT.value, DeliveryState.UNCERTAIN.value)


@dataclass
class Progress:
    """What is going on: the steps whose messages are leaving, each with the instant at which it goes on."""

    next_at: dict[int, datetime] = field(default_factory=dict)
    knows_addresses: str = ""  # of which verb; until a step may change them


@dataclass
class StepOutcome:
    """How many messages of a step left in which hour, and how many did not for which reason."""

    by_hour: Counter[datetime] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)


class VirtualLedger(UnmadeStatements, ReactionStatements, LeavingStatements):
    """All statements of the store, and those by which a simulation sends and reacts."""

    def __init__(self, connection: Connection, prepared: dict[tuple[int, int], Prepared], progress: Progress) -> None:
        super().__init__(connection, prepared)
        self.progress = progress
        self._list: ContactList | None = None

    def contact_list(self, campaign: LiveCampaign) -> ContactList:
        """The campaign's list: the same for all parts of a statement."""
        self._list = self._list or super().contact_list(campaign)
        return self._list

    def isolate(self, campaign: LiveCampaign) -> None:
        """Let *campaign* be the only one that runs, from where it stands; what has not left yet waits without a row."""
        metadata.create_all(self.connection, checkfirst=False)
        set_triggers(self.connection, frozenset())  # nobody is told of a simulation
        self.connection.execute(
            update(campaigns)
            .where(campaigns.c.id != campaign.id, campaigns.c.state == CampaignState.ACTIVE.value)
            .values(state=CampaignState.PAUSED.value)
        )
        self._pass_gates(campaign)
        waiting = (DeliveryState.QUEUED, DeliveryState.HELD, DeliveryState.DEFERRED, DeliveryState.SENDING)
        self.connection.execute(
            delete(deliveries).where(
                deliveries.c.step_id.in_([step.id for step in campaign.steps if _is_at_work(step)]),
                deliveries.c.state.in_([state.value for state in waiting]),
            )
        )

    def _pass_gates(self, campaign: LiveCampaign) -> None:
        """What a gate holds goes on at once, as everybody does at the gates to come."""
        for gate in self.open_gates(campaign):
            self._assume_answer(self.gate_cohort(gate))
        self.connection.execute(delete(gates))
        held = [step.id for step in campaign.steps if step.state is StepState.HELD and step.reason == FOR_GATE]
        self.connection.execute(
            update(steps).where(steps.c.id.in_(held)).values(state=StepState.RUNNING.value, reason=None)
        )

    def steps_at_work(self, name: str) -> list[LiveStep]:
        """The steps of a campaign that had begun to send, and have not ended."""
        return [
            step
            for step in self.known_campaign(name).steps
            if step.state is StepState.RUNNING and step.verb in SENDING_VERBS
        ]

    # what the engine asks

    def queue_deliveries(self, cohort: Cohort, now: datetime, batch: int | None = None) -> None:  # noqa: ARG002 # who shares a request makes no difference here
        """The step's messages leave from now on."""
        self.progress.next_at[cohort.step.id] = now

    def hold_deliveries(self, cohort: Cohort, now: datetime) -> None:
        """A gate lets everybody go on at once."""
        self.queue_deliveries(cohort, now)

    def open_gate(self, cohort: Cohort, gate: Gate, now: datetime) -> bool:  # noqa: ARG002 # nobody is asked
        """Nobody is asked in a simulation: everybody goes on."""
        self._assume_answer(cohort)
        return False

    def _assume_answer(self, cohort: Cohort) -> None:
        """Every member has something for all that templates take of answers."""
        assumed = assumed_values(cohort.version)
        if assumed:
            merged = func.json_patch(json.dumps(assumed), func.coalesce(members.c.gate, "{}"))
            self.connection.execute(update(members).where(*in_cohort(cohort)).values(gate=merged))

    def next_attempts(self) -> dict[int, datetime]:
        """The steps whose messages are leaving, and when each goes on."""
        return dict(self.progress.next_at)

    def is_drained(self, step: LiveStep) -> bool:
        """Whether all messages of the step have left."""
        return step.id not in self.progress.next_at

    def set_attributes(self, cohort: Cohort, attributes: Mapping[str, Literal]) -> None:
        super().set_attributes(cohort, attributes)
        self._attributes_changed(cohort, attributes)

    def write_attributes(self, cohort: Cohort, rows: Iterable[tuple[int, Mapping[str, Literal]]]) -> None:
        names: set[str] = set()

        def noted() -> Iterator[tuple[int, Mapping[str, Literal]]]:
            for contact, given in rows:
                names.update(given)
                yield contact, given

        super().write_attributes(cohort, noted())
        self._attributes_changed(cohort, names)

    def _attributes_changed(self, cohort: Cohort, names: Iterable[str]) -> None:
        self._list = None
        contacts = cohort.version.content.contacts
        addresses = {(each or "").lower() for each in (contacts.email, contacts.phone)}
        if addresses & {name.lower() for name in names}:
            self.progress.knows_addresses = ""

    # what came of it

    def outcome(self, step: LiveStep) -> StepOutcome:
        """What became of the messages of a step."""
        hour = deliveries.c.changed_at - deliveries.c.changed_at % _HOUR
        cursor: Any = self.connection.execute(
            select(deliveries.c.state, deliveries.c.reason, hour).where(deliveries.c.step_id == step.id)
        ).cursor
        # The database would sort a million rows to group them, and keep many of them in memory for it.
        counted: Counter[tuple[str, str, int]] = Counter(cursor)
        found = StepOutcome()
        for (state, reason, at), number in counted.items():
            if state in _LEFT:
                found.by_hour[instant(at)] += number
            elif state == DeliveryState.SKIPPED:
                found.skipped[reason] += number
        return found

    def first_skipped(self, campaign: LiveCampaign, step: LiveStep, reason: str, most: int) -> list[tuple[str, str]]:
        """Keys of the first contacts that were skipped for this reason, and the error where there is one."""
        contacts = self.contact_list(campaign)
        rows = self.connection.execute(
            select(contacts.table.c[KEY_COLUMN], unmade.c.error)
            .select_from(deliveries)
            .join(contacts.table, contacts.table.c.id == deliveries.c.contact_id)
            .outerjoin(
                unmade,
                (unmade.c.step_id == deliveries.c.step_id) & (unmade.c.contact_id == deliveries.c.contact_id),
            )
            .where(deliveries.c.step_id == step.id, deliveries.c.reason == reason)
            .order_by(deliveries.c.contact_id)
            .limit(most)
        )
        return [(key, error or "") for key, error in rows]


def _is_at_work(step: LiveStep) -> bool:
    return step.state is StepState.RUNNING or (step.state is StepState.HELD and step.reason == FOR_GATE)


class VirtualStore(SqlStore):
    """A copy of a store in which time passes as a simulation says."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.progress = Progress()

    @contextmanager
    def reading(self) -> Iterator[VirtualLedger]:
        with self.database.reading() as connection:
            yield VirtualLedger(connection, self._prepared, self.progress)

    @contextmanager
    def writing(self) -> Iterator[VirtualLedger]:
        with self.database.writing() as connection:
            yield VirtualLedger(connection, self._prepared, self.progress)
