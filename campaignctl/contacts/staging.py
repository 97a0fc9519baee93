"""
Where rows wait until the whole file was read: a table that only this connection sees.

Reading a file takes a while and can be interrupted; the list must show nothing
of it, and the store's write lock must stay free. The table is on disk, in a
file that SQLite removes from the folder as soon as it has opened it, so that
even a killed process leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import StaticPool

from campaignctl.campaign.attribute import AttributeType
from campaignctl.contacts.batch import Cell
from campaignctl.contacts.column import FileColumn
from campaignctl.contacts.detection import stored_instant
from campaignctl.contacts.rejection import SHOWN, Reason, RejectedRow
from campaignctl.store.database import Database, sqlite_module
from campaignctl.store.lists import KEY_COLUMN, ContactList

# Cells wait as the text that the file has. Here is what becomes of them.
_CONVERSIONS = {
    AttributeType.TEXT: "NULLIF({0}, '')",
    AttributeType.INTEGER: "CAST(NULLIF({0}, '') AS INTEGER)",
    AttributeType.NUMBER: "CAST(NULLIF({0}, '') AS REAL)",
    AttributeType.BOOLEAN: "LOWER(NULLIF({0}, '')) IN ('true', '1')",
    AttributeType.DATE: "NULLIF({0}, '')",
    AttributeType.INSTANT: "stored_instant({0})",
}


@dataclass(frozen=True)
class Merged:
    """What became of the waiting rows."""

    added: int
    changed: int
    unchanged: int


@contextmanager
def on_one_connection(database: Database) -> Iterator[Database]:
    """
    The same store on a connection of its own, whose temporary tables are on disk.

    Every transaction of it sees those tables; in memory they would grow with
    the file.
    """
    held = database.engine.raw_connection()
    driver = held.driver_connection
    assert driver is not None
    try:
        driver.create_function("stored_instant", 1, stored_instant, deterministic=True)
        driver.execute("PRAGMA temp_store = FILE").close()
        engine = create_engine("sqlite://", creator=lambda: driver, module=sqlite_module(), poolclass=StaticPool)
        yield Database(engine, database.path)
    finally:
        # This drops all temporary tables as well, so the connection goes back as it came.
        driver.execute("PRAGMA temp_store = MEMORY").close()
        held.close()


class Staging:
    """The waiting rows: the line each begins on, and its cells."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._width = 0
        with database.reading() as connection:
            connection.exec_driver_sql("CREATE TABLE temp.staged (line INTEGER PRIMARY KEY)")

    def add_columns(self, count: int) -> None:
        """Room for *count* more cells in each row."""
        with self._database.reading() as connection:
            for place in range(self._width, self._width + count):
                connection.exec_driver_sql(f"ALTER TABLE temp.staged ADD COLUMN c{place}")
        self._width += count

    def add(self, lines: Sequence[int], columns: Sequence[Sequence[Cell]]) -> None:
        if not lines:
            return
        names = ", ".join(["line", *(f"c{place}" for place in range(len(columns)))])
        marks = ", ".join("?" * (len(columns) + 1))
        with self._database.reading() as connection:
            connection.exec_driver_sql(
                f"INSERT INTO temp.staged ({names}) VALUES ({marks})",  # noqa: S608 - names made above
                list(zip(lines, *columns, strict=True)),
            )

    def take_out_duplicates(self, key: int) -> tuple[int, list[RejectedRow]]:
        """
        Keep the first row of each key; return how many others there were, and the first of those.

        Nearly every file has none, and then the unique index is all the work.
        """
        with self._database.reading() as connection:
            try:
                connection.exec_driver_sql(f"CREATE UNIQUE INDEX temp.by_key ON staged (c{key})")
            except IntegrityError:
                connection.exec_driver_sql(f"CREATE INDEX temp.by_key ON staged (c{key})")
                return self._take_out(connection, key)
        return 0, []

    @staticmethod
    def _take_out(connection: Connection, key: int) -> tuple[int, list[RejectedRow]]:
        first = f"(SELECT MIN(line) FROM temp.staged AS first WHERE first.c{key} = staged.c{key})"  # noqa: S608 - a number
        shown = connection.exec_driver_sql(
            f"SELECT line, c{key}, {first} FROM temp.staged WHERE line > {first} ORDER BY line LIMIT {SHOWN}"  # noqa: S608
        )
        rows = [RejectedRow(line, name[:80], Reason.DUPLICATE, f"as on line {before}") for line, name, before in shown]
        removed = connection.exec_driver_sql(f"DELETE FROM temp.staged WHERE line > {first}")  # noqa: S608 - as above
        return removed.rowcount, rows


def merge(connection: Connection, contact_list: ContactList, columns: Sequence[FileColumn]) -> Merged:
    """
    Bring the waiting rows into the list, by key, in one statement.

    Contacts come in the order of their keys: the index on them then grows at
    its end instead of everywhere.
    """
    table = contact_list.table.name
    staged, before = _count(connection, "temp.staged"), _count(connection, table)
    touched = connection.exec_driver_sql(_upsert(contact_list, columns)).rowcount if staged else 0
    added = _count(connection, table) - before
    return Merged(added, touched - added, staged - touched)


def _upsert(contact_list: ContactList, columns: Sequence[FileColumn]) -> str:
    table = contact_list.table.name
    key = next(f"staged.c{place}" for place, column in enumerate(columns) if column.is_key)
    targets = {KEY_COLUMN: key}
    for place, column in enumerate(columns):
        if column.is_key:
            continue
        target = contact_list.attributes[column.name.lower()].column
        value = _CONVERSIONS[column.type].format(f"staged.c{place}")
        if column.has_gaps:
            value = f"CASE WHEN staged.c{place} IS NULL THEN known.{target} ELSE {value} END"
        targets[target] = value
    # Only a file with gaps has to know what a contact had before.
    has_gaps = any(column.has_gaps for column in columns)
    known = f" LEFT JOIN {table} AS known ON known.{KEY_COLUMN} = {key}" if has_gaps else ""
    values = [target for target in targets if target != KEY_COLUMN]
    differs = " OR ".join(f"{target} IS NOT excluded.{target}" for target in values)
    change = (
        f"UPDATE SET {', '.join(f'{target} = excluded.{target}' for target in values)} WHERE {differs}"
        if values
        else "NOTHING"
    )
    return (
        f"INSERT INTO {table} ({', '.join(targets)})"  # noqa: S608 - names of columns, which the store checks
        f" SELECT {', '.join(targets.values())} FROM temp.staged{known} WHERE true ORDER BY {key}"
        f" ON CONFLICT ({KEY_COLUMN}) DO {change}"
    )


def shared_addresses(connection: Connection, contact_list: ContactList, name: str) -> int:
    """How many addresses several contacts of the list have in common."""
    column = contact_list.attributes[name.lower()].column
    return int(
        connection.exec_driver_sql(
            f"SELECT COUNT(*) FROM (SELECT 1 FROM {contact_list.table.name} WHERE {column} IS NOT NULL"  # noqa: S608
            f" GROUP BY {column} HAVING COUNT(*) > 1)"
        ).scalar_one()
    )


def _count(connection: Connection, table: str) -> int:
    return int(connection.exec_driver_sql(f"SELECT COUNT(*) FROM {table}").scalar_one())  # noqa: S608 - our table
