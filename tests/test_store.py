"""The store as a file: its schema, and what may open it."""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from campaignctl.errors import StoreError
from campaignctl.store.database import open_sqlite, sqlite_module
from campaignctl.store.migrations import known_migrations
from campaignctl.store.tables import metadata

NOW = datetime(2026, 12, 1, tzinfo=UTC)


def schema(path: Path) -> dict[str, set[tuple[object, ...]]]:
    """What SQLite says of every table and index: names, types, keys, conditions."""
    with sqlite_module().connect(path) as connection:
        names = connection.execute(
            "SELECT name, type, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
        ).fetchall()
        found = {}
        for name, kind, sql in names:
            if kind == "table":
                found[name] = set(connection.execute(f"PRAGMA table_xinfo({name})").fetchall())
                found[name] |= {row[2:] for row in connection.execute(f"PRAGMA foreign_key_list({name})")}
            else:
                condition = " ".join(sql.partition(" WHERE ")[2].split())
                found[name] = {*connection.execute(f"PRAGMA index_xinfo({name})").fetchall(), (condition,)}
    return found


def test_a_migrated_store_has_the_tables_that_the_program_thinks_it_has(tmp_path: Path) -> None:
    open_sqlite(tmp_path / "migrated.db", NOW).close()
    fresh = create_engine(f"sqlite:///{tmp_path / 'fresh.db'}", module=sqlite_module())
    metadata.create_all(fresh)
    fresh.dispose()
    migrated, made = schema(tmp_path / "migrated.db"), schema(tmp_path / "fresh.db")
    assert migrated.keys() == made.keys()
    for name, facts in made.items():
        assert migrated[name] == facts, name


def test_an_older_program_refuses_a_newer_store(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    database = open_sqlite(path, NOW)
    newest = known_migrations("sqlite")[-1].number
    with database.writing() as connection:
        connection.execute(text(f"INSERT INTO migrations VALUES ({newest + 1}, 'future', 0)"))
    database.close()
    with pytest.raises(StoreError) as refused:
        open_sqlite(path, NOW)
    assert refused.value.code == "S102"


def test_a_store_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    before = os.umask(0)
    try:
        open_sqlite(path, NOW).close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough to be looked at" * 10, b"SQLite format 3\0" + b"\xff" * 200]
)
def test_a_file_that_is_no_store_is_refused_and_left_as_it_was(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(content)
    with pytest.raises(StoreError) as refused:
        open_sqlite(path, NOW)
    assert refused.value.code == "S103"
    assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite_module().connect(path) as connection:
        connection.execute("CREATE TABLE invoices (id INTEGER)")
    connection.close()
    with pytest.raises(StoreError) as refused:
        open_sqlite(path, NOW)
    assert refused.value.code == "S103"
    with sqlite_module().connect(path) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("invoices",)]
    connection.close()


def test_everybody_who_asks_gets_a_connection(tmp_path: Path) -> None:
    database = open_sqlite(tmp_path / "store.db", NOW)
    with ExitStack() as readers:
        for _ in range(40):  # as many as the service has threads
            connection = readers.enter_context(database.reading())
            assert connection.scalar(text("SELECT count(*) FROM campaigns")) == 0
    database.close()
