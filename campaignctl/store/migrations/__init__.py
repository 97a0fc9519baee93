"""
The store's schema, one numbered step after the other.

A migration is an SQL file, `NNNN_name.sqlite.sql`. It is never changed once it
was released. Each runs in one transaction together with its record.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from sqlalchemy import Connection, insert, inspect, select

from campaignctl.errors import StoreError
from campaignctl.store.tables import migrations


@dataclass(frozen=True)
class Migration:
    """One step from a schema to the next."""

    number: int
    name: str
    statements: tuple[str, ...]


@cache
def known_migrations(dialect: str) -> tuple[Migration, ...]:
    """Every migration for *dialect* that this program brings, in order."""
    suffix = f".{dialect}.sql"
    found = []
    for entry in files("campaignctl.store.migrations").iterdir():
        if entry.name.endswith(suffix):
            number, _, name = entry.name.removesuffix(suffix).partition("_")
            found.append(Migration(int(number), name, tuple(_statements(entry.read_text("utf-8")))))
    return tuple(sorted(found, key=lambda migration: migration.number))


def _statements(script: str) -> Iterator[str]:
    """The statements of a script: each ends with a semicolon at the end of a line."""
    lines: list[str] = []
    for line in script.splitlines():
        if line.startswith("--"):
            continue
        lines.append(line)
        if line.endswith(";"):
            yield "\n".join(lines).strip()
            lines = []


def applied_number(connection: Connection) -> int:
    """
    The number of the last migration that was applied; 0 for an empty store.

    Raises:
        StoreError: the database belongs to another program.
    """
    tables = inspect(connection).get_table_names()
    if migrations.name not in tables:
        if tables:
            raise StoreError(
                "S103", f"the database holds the tables of another program: `{tables[0]}`", "name another file"
            )
        return 0
    return max(connection.scalars(select(migrations.c.number)), default=0)


def pending(connection: Connection, known: Sequence[Migration]) -> list[Migration]:
    """
    The migrations that the store has yet to see.

    Raises:
        StoreError: the store was written by a newer program.
    """
    number = applied_number(connection)
    newest = known[-1].number
    if number > newest:
        raise StoreError(
            "S102",
            f"the store has schema {number}, and this program knows schemas up to {newest}",
            "install the version of campaignctl that wrote it, or a newer one",
        )
    return [migration for migration in known if migration.number > number]


def to_apply_at_first(connection: Connection, known: Sequence[Migration]) -> list[Migration]:
    """
    All of *known* where the store is empty, and nothing where it is of their schema.

    Raises:
        StoreError: the store was written by a newer or an older program.
    """
    missing = pending(connection, known)
    if missing and applied_number(connection):
        raise StoreError(
            "S108",
            f"the store has schema {applied_number(connection)}, and this program works with schema {known[-1].number}",
            "end its daemon, then run `campaignctl store upgrade`",
        )
    return missing


def refuse_other(connection: Connection, known: Sequence[Migration]) -> None:
    """
    Go on only with a store that has the schema of *known*.

    Raises:
        StoreError: it is empty, or was written by a newer or an older program.
    """
    if to_apply_at_first(connection, known):
        raise StoreError("S109", "the file is empty, and no store yet", "bring contacts in first")


def apply(connection: Connection, migration: Migration, now: int) -> None:
    """Carry *migration* out and record it; the caller's transaction holds both."""
    for statement in migration.statements:
        connection.exec_driver_sql(statement)
    connection.execute(insert(migrations).values(number=migration.number, name=migration.name, applied_at=now))
