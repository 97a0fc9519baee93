"""
Where rows wait until the whole file was read: a database beside the store that only this process sees.

Reading a file takes a while and can be interrupted; the list must show nothing
of it, and the store's write lock must stay free. So the rows wait in a file of
their own, attached to the connection. Its name is removed as soon as it is
open: a killed process leaves no contacts behind. SQLite's own temporary tables
will not do, because many builds keep them in memory whatever they are told.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import StaticPool

from campaignctl.campaign.attribute import AttributeType
from campaignctl.contacts.batch import Cell
from campaignctl.contacts.column import FileColumn
from campaignctl.contacts.detection import stored_instant
from campaignctl.contacts.rejection import Reason, RejectedRow
from campaignctl.contacts.repeats import Repeats
from campaignctl.errors import StoreError
from campaignctl.store.database import Database, sqlite_module, store_failure
from campaignctl.store.lists import KEY_COLUMN, ContactList

# Cells wait as the text that the file has, which is never empty here. This is what becomes of them.
_CONVERSIONS = {
    AttributeType.TEXT: "{0}",
    AttributeType.INTEGER: "CAST({0} AS INTEGER)",
    AttributeType.NUMBER: "CAST({0} AS REAL)",
    AttributeType.BOOLEAN: "({0} = 'true' OR {0} = '1' OR {0} = 'True' OR {0} = 'TRUE')",
    AttributeType.DATE: "{0}",
    AttributeType.INSTANT: "stored_instant({0})",
}
_VALUES_AT_ONCE = 5000


@dataclass(frozen=True)
class Merged:
    """What became of the waiting rows, and how many contacts the list has now."""

    added: int
    changed: int
    unchanged: int
    contacts: int


@contextmanager
def with_staging(database: Database) -> Iterator[Database]:
    """
    The same store, pinned to one connection that has an empty database `staging` beside it.

    Raises:
        StoreError: there is no room for it.
    """
    held = database.engine.raw_connection()
    driver: Any = held.driver_connection
    engine = create_engine("sqlite://", creator=lambda: driver, module=sqlite_module(), poolclass=StaticPool)
    pinned = Database(engine, database.path)
    try:
        driver.create_function("stored_instant", 1, stored_instant, deterministic=True)
        _attach(engine, None if database.path is None else database.path.parent)
        yield pinned
    finally:
        with suppress(DatabaseError), engine.connect() as connection:
            connection.exec_driver_sql("DETACH staging")
        held.close()


def _attach(engine: Engine, folder: Path | None) -> None:
    try:
        # On the disk of the store there has to be room for the contacts anyway.
        with (
            tempfile.NamedTemporaryFile(prefix=".campaignctl-import-", dir=folder) as file,
            engine.connect() as connection,
        ):
            connection.exec_driver_sql("ATTACH ? AS staging", (file.name,))
            # Nobody else will open it, and nobody will look at it after a crash.
            for setting in ("locking_mode = EXCLUSIVE", "journal_mode = OFF", "synchronous = OFF"):
                connection.exec_driver_sql(f"PRAGMA staging.{setting}")
    except DatabaseError as failure:
        raise store_failure(failure) from failure
    except OSError as failure:
        raise StoreError(
            "S101",
            f"no file can be made beside the store: {failure.strerror}",
            "check the folder, its permissions and the room on its disk",
        ) from failure


class Staging:
    """The waiting rows: the line each begins on, and its cells."""

    def __init__(self, database: Database, *, watches_keys: bool) -> None:
        """Without *watches_keys* duplicates are looked for only when there turn out to be some."""
        self._database = database
        self._width = 0
        self.waiting = 0
        with database.reading() as connection:
            connection.exec_driver_sql("CREATE TABLE staging.waiting (line INTEGER PRIMARY KEY)")
            self._keys = Repeats(connection, "staging.suspect_keys") if watches_keys else None
            self.addresses = Repeats(connection, "staging.suspect_addresses")

    def add_columns(self, count: int) -> None:
        """Room for *count* more cells in each row."""
        with self._database.reading() as connection:
            for place in range(self._width, self._width + count):
                connection.exec_driver_sql(f"ALTER TABLE staging.waiting ADD COLUMN c{place}")
        self._width += count

    def add(self, lines: Sequence[int], columns: Sequence[Sequence[Cell]], key: int, address: int | None) -> None:
        """Let these rows wait; *key* and *address* are the places of those columns."""
        if not lines:
            return
        names = ", ".join(["line", *(f"c{place}" for place in range(len(columns)))])
        marks = ", ".join("?" * (len(columns) + 1))
        with self._database.reading() as connection:
            if self._keys is not None:
                self._keys.look_at(connection, columns[key])
            if address is not None:
                self.addresses.look_at(connection, columns[address])
            connection.exec_driver_sql(
                f"INSERT INTO staging.waiting ({names}) VALUES ({marks})",  # noqa: S608 - names made above
                list(zip(lines, *columns, strict=True)),
            )
        self.waiting += len(lines)

    def take_out_duplicates(self, connection: Connection, key: int, reject: Callable[[RejectedRow], None]) -> None:
        """Keep the first row of each key, and *reject* the others."""
        keys = self._keys or self._watched_keys(connection, f"c{key}")
        connection.exec_driver_sql(
            "CREATE TABLE staging.repeated (value TEXT PRIMARY KEY, first INTEGER NOT NULL) WITHOUT ROWID"
        )
        repeated = keys.found(connection, "staging.waiting", f"c{key}", "line")
        some = [tuple(row) for row in islice(repeated, _VALUES_AT_ONCE)]
        if not some:
            return
        while some:
            connection.exec_driver_sql("INSERT INTO staging.repeated (value, first) VALUES (?, ?)", some)
            some = [tuple(row) for row in islice(repeated, _VALUES_AT_ONCE)]
        self.waiting -= _without_repeated(connection, f"c{key}", reject)

    @staticmethod
    def _watched_keys(connection: Connection, key: str) -> Repeats:
        keys = Repeats(connection, "staging.suspect_keys")
        keys.look_at_all(connection, "staging.waiting", key)
        return keys


def _without_repeated(connection: Connection, key: str, reject: Callable[[RejectedRow], None]) -> int:
    later = (
        "FROM staging.waiting CROSS JOIN staging.repeated"
        f" ON repeated.value = waiting.{key} WHERE waiting.line > repeated.first"
    )
    for line, name, first in connection.exec_driver_sql(f"SELECT line, value, first {later} ORDER BY line"):
        reject(RejectedRow(line, name[:80], Reason.DUPLICATE, f"as on line {first}"))
    removed = connection.exec_driver_sql(
        f"DELETE FROM staging.waiting WHERE line IN (SELECT line {later})"  # noqa: S608 - a column's number
    )
    return removed.rowcount


def merge(connection: Connection, staging: Staging, contact_list: ContactList, columns: Sequence[FileColumn]) -> Merged:
    """Bring the waiting rows into the list, by key, in one statement. No two of them may have the same key."""
    before = contact_count(connection, contact_list)
    touched = connection.exec_driver_sql(_upsert(contact_list, columns)).rowcount if staging.waiting else 0
    contacts = contact_count(connection, contact_list)
    added = contacts - before
    return Merged(added, touched - added, staging.waiting - touched, contacts)


def _upsert(contact_list: ContactList, columns: Sequence[FileColumn]) -> str:
    table = contact_list.table.name
    key = next(f"waiting.c{place}" for place, column in enumerate(columns) if column.is_key)
    targets = {KEY_COLUMN: key}
    for place, column in enumerate(columns):
        if column.is_key:
            continue
        target = contact_list.attributes[column.name.lower()].column
        targets[target] = _value(column, f"waiting.c{place}", f"known.{target}")
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
        f" SELECT {', '.join(targets.values())} FROM staging.waiting{known} WHERE true"
        f" ON CONFLICT ({KEY_COLUMN}) DO {change}"
    )


def _value(column: FileColumn, cell: str, known: str) -> str:
    """What the contact gets for *cell*: nothing for an empty one, and what was *known* where there is none."""
    # A call of NULLIF for each of millions of cells is worth sparing.
    value = _CONVERSIONS[column.type].format(f"NULLIF({cell}, '')" if column.has_empty_cells else cell)
    return f"CASE WHEN {cell} IS NULL THEN {known} ELSE {value} END" if column.has_gaps else value


def shared_addresses(
    connection: Connection, staging: Staging, contact_list: ContactList, name: str, *, are_all_new: bool
) -> int:
    """How many addresses several contacts of the list have in common."""
    table, column = contact_list.table.name, contact_list.attributes[name.lower()].column
    seen = staging.addresses
    if not are_all_new:
        seen = Repeats(connection, "staging.suspects_in_list")
        seen.look_at_all(connection, table, column)
    return sum(1 for _ in seen.found(connection, table, column, "id"))


def contact_count(connection: Connection, contact_list: ContactList) -> int:
    """How many contacts the list has."""
    count = connection.exec_driver_sql(f"SELECT COUNT(*) FROM {contact_list.table.name}")  # noqa: S608 - our table
    return int(count.scalar_one())


def has_long_integers(connection: Connection, table: str, column: str) -> bool:
    """Whether *table* holds integers that a number does not keep all digits of."""
    longest = f"SELECT 1 FROM {table} WHERE ABS(CAST({column} AS INTEGER)) > {2**53}"  # noqa: S608 - our names
    return bool(connection.exec_driver_sql(f"SELECT EXISTS ({longest})").scalar_one())
