"""Bringing a store to the schema of this program."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path

from campaignctl.backing_up import back_up_as_it_is
from campaignctl.store.database import open_as_it_is
from campaignctl.store.instants import stored
from campaignctl.store.ledger import SqlLedger
from campaignctl.store.migrations import Migration, applied_number, apply, known_migrations, pending
from campaignctl.wiring import alone_on


@dataclass(frozen=True)
class Upgrade:
    """From which schema to which; what was applied, and where the store as it was before is kept."""

    before: int
    after: int
    applied: tuple[str, ...]
    backup: Path | None


def upgrade(path: Path, *, actor: str, now: datetime, known: Sequence[Migration] | None = None) -> Upgrade:
    """
    Apply the migrations that the store in the file *path* has yet to see, all or none, and keep it as it was.

    The store is locked for writing from before the copy to the end, so that
    nothing is written in between that only one of the two has.

    Raises:
        RefusedError: a daemon runs on the store.
        StoreError: it is missing, no store, or a newer one.
        WorkFailedError: the copy cannot be made.
    """
    with closing(open_as_it_is(path)) as database, alone_on(path):
        known = known or known_migrations(database.engine.dialect.name)
        with database.writing() as connection:
            before = applied_number(connection)
            missing = pending(connection, known)
            if not missing:
                return Upgrade(before, before, (), None)
            backup = back_up_as_it_is(database, _free_name(path)).path if before else None
            for migration in missing:
                apply(connection, migration, stored(now))
            after = missing[-1].number
            names = tuple(f"{migration.number:04} {migration.name}" for migration in missing)
            SqlLedger(connection).note("store_upgraded", None, {"from": before, "to": after}, now, actor)
    return Upgrade(before, after, names, backup)


def _free_name(path: Path) -> Path:
    """Where the store as it was is kept: the first name of its kind that is free."""
    names = (path.with_name(f"{path.name}.backup-{number}") for number in count(1))
    return next(name for name in names if not name.exists())
