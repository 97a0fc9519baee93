"""
Builds of the program: the true one, and those that were sabotaged to see whether the harness notices.

Each is put together from the parts of `campaignctl`, with one of them in another form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import event, update

from campaignctl.flow.rates import FrequencyCap
from campaignctl.flow.states import DeliveryState
from campaignctl.ports import Candidate, Channel, Claim, Cohort, Finished, Outcome, Outgoing, Result, Verdict
from campaignctl.store.database import Database
from campaignctl.store.instants import stored
from campaignctl.store.ledger import SqlLedger, SqlStore
from campaignctl.store.tables import deliveries


class CursorAtFetch(SqlLedger):
    """Sabotaged: a delivery counts as sent as soon as it was fetched, as with a cursor over the contacts."""

    def claim(
        self,
        cohort: Cohort,
        candidates: Sequence[Candidate],
        epoch: int,
        now: Any,
        cap: FrequencyCap | None = None,
        addresses: Sequence[str] | None = None,
    ) -> list[Claim]:
        claims = super().claim(cohort, candidates, epoch, now, cap, addresses)
        fetched = [one for one, claim in zip(candidates, claims, strict=True) if claim is Claim.GRANTED]
        sent = Result(DeliveryState.SENT)
        super().record([Finished(cohort.step.id, one.contact_id, "", epoch, sent, now) for one in fetched])
        return claims


class NoEpoch(SqlLedger):
    """Sabotaged: a result is written down, whoever holds the delivery by now."""

    def record(self, finished: Sequence[Finished]) -> list[Finished]:
        for each in finished:
            self.connection.execute(
                update(deliveries)
                .where(deliveries.c.step_id == each.step_id, deliveries.c.contact_id == each.contact_id)
                .values(
                    state=each.result.state.value,
                    next_attempt_at=stored(each.result.next_attempt_at),
                    changed_at=stored(each.at),
                    epoch=None,
                )
            )
        return []


class RecordBeforeReply:
    """Sabotaged: a message counts as sent when it was handed over; what the server says comes too late."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._handed_over: list[Outgoing] = []

    @property
    def capacity(self) -> int:
        return self._channel.capacity

    @property
    def in_flight(self) -> int:
        return 0

    def exchange(self, messages: Sequence[Outgoing], patience: timedelta | None = None) -> Sequence[Outcome]:
        before, self._handed_over = self._handed_over, list(messages)
        self._talk(before)
        return [Outcome(message.key, Verdict.SENT) for message in messages]

    def _talk(self, messages: Sequence[Outgoing]) -> None:
        self._channel.exchange(messages)
        while self._channel.in_flight:
            self._channel.exchange([])

    def abandon(self, grace: timedelta = timedelta(0)) -> Sequence[Outcome]:
        return self._channel.abandon(grace)

    def close(self) -> None:
        self._talk(self._handed_over)
        self._channel.close()


def _itself(channel: Channel) -> Channel:
    return channel


@dataclass(frozen=True)
class Build:
    """Which form each part has. `pragma` is a setting of the store that is not as usual."""

    ledger: type[SqlLedger] = SqlLedger
    channel: Callable[[Channel], Channel] = _itself
    pragma: str | None = None


TRUE = Build()
IMPATIENT = replace(TRUE, pragma="busy_timeout = 50")
SABOTAGED = {
    "synchronous off": replace(TRUE, pragma="synchronous = OFF"),
    "cursor at fetch": replace(TRUE, ledger=CursorAtFetch),
    "record before the reply": replace(TRUE, channel=RecordBeforeReply),
    "no epoch": replace(TRUE, ledger=NoEpoch),
}


class BuiltStore(SqlStore):
    """A store with the ledger of a build."""

    def __init__(self, database: Database, build: Build) -> None:
        super().__init__(database)
        self._build = build
        if build.pragma is not None:
            database.engine.dispose()
            event.listen(
                database.engine,
                "connect",
                lambda connection, _record: connection.execute(f"PRAGMA {build.pragma}").close(),
            )

    @contextmanager
    def reading(self) -> Iterator[SqlLedger]:
        with self.database.reading() as connection:
            yield self._build.ledger(connection, self._prepared)

    @contextmanager
    def writing(self) -> Iterator[SqlLedger]:
        with self.database.writing() as connection:
            yield self._build.ledger(connection, self._prepared)
