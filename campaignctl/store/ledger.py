"""The store as the engine and the commands see it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection, insert, update

from campaignctl.store.approvals import ApprovalStatements
from campaignctl.store.claims import Prepared
from campaignctl.store.conversions import ConversionStatements
from campaignctl.store.database import Database
from campaignctl.store.events import EventStatements
from campaignctl.store.gate_decisions import GateDecisionStatements
from campaignctl.store.hits import HitStatements
from campaignctl.store.hook_letters import HookLetterStatements
from campaignctl.store.instants import stored
from campaignctl.store.keys import KeyStatements
from campaignctl.store.series import SeriesStatements
from campaignctl.store.tables import daemons
from campaignctl.store.told import ToldStatements
from campaignctl.store.topics import TopicStatements
from campaignctl.store.triggers import TriggerStatements
from campaignctl.store.uncertain import UncertainStatements
from campaignctl.store.uploads import UploadStatements


class SqlLedger(
    GateDecisionStatements,
    TriggerStatements,
    EventStatements,
    HitStatements,
    ToldStatements,
    TopicStatements,
    ConversionStatements,
    UncertainStatements,
    KeyStatements,
    ApprovalStatements,
    SeriesStatements,
    HookLetterStatements,
    UploadStatements,
):
    """All statements of the store, inside one transaction."""

    def __init__(self, connection: Connection, prepared: dict[tuple[int, int], Prepared] | None = None) -> None:
        """*prepared* are statements that outlive the transaction."""
        self.connection = connection
        self.prepared = {} if prepared is None else prepared


class SqlStore:
    """A store in a database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._prepared: dict[tuple[int, int], Prepared] = {}

    @contextmanager
    def reading(self) -> Iterator[SqlLedger]:
        with self.database.reading() as connection:
            yield SqlLedger(connection, self._prepared)

    @contextmanager
    def writing(self) -> Iterator[SqlLedger]:
        with self.database.writing() as connection:
            yield SqlLedger(connection, self._prepared)

    def begin_epoch(self, host: str, process_id: int, now: datetime) -> int:
        """A new daemon works from now on; the number that its intents carry."""
        with self.database.writing() as connection:
            row = connection.execute(insert(daemons).values(host=host, process_id=process_id, started_at=stored(now)))
            epoch: int = row.inserted_primary_key[0]  # type: ignore[index] # an insert of one row has a key
            return epoch

    def end_epoch(self, epoch: int, now: datetime) -> None:
        """The daemon is done and left nothing behind."""
        with self.database.writing() as connection:
            connection.execute(update(daemons).where(daemons.c.epoch == epoch).values(ended_at=stored(now)))

    def close(self) -> None:
        self.database.close()
