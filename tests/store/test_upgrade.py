"""`store upgrade`: an older store is left alone until somebody asks, and kept as it was."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from campaignctl.errors import CampaignctlError, RefusedError, StoreError
from campaignctl.store.database import open_sqlite, open_to_look
from campaignctl.store.migrations import Migration, known_migrations
from campaignctl.upgrading import upgrade
from campaignctl.wiring import alone_on

NOW = datetime(2026, 12, 1, tzinfo=UTC)
KNOWN = known_migrations("sqlite")
NEXT = KNOWN[-1].number + 1
LATER = (*KNOWN, Migration(NEXT, "colours", ("CREATE TABLE colours (name TEXT)", "INSERT INTO colours VALUES ('red')")))
BROKEN = (
    *LATER,
    Migration(NEXT + 1, "nonsense", ("CREATE TABLE shapes (name TEXT)", "INSERT INTO nowhere VALUES (1)")),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store of this program's schema: an older one for a program that knows LATER."""
    path = tmp_path / "store.db"
    open_sqlite(path, NOW).close()
    return path


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_an_older_store_is_refused_and_left_as_it_is(path: Path) -> None:
    before = path.read_bytes()
    for attempt in (lambda: open_sqlite(path, NOW, LATER), lambda: open_to_look(path, LATER)):
        with pytest.raises(StoreError) as refused:
            attempt()
        assert refused.value.code == "S108"
        assert "campaignctl store upgrade" in refused.value.hint
    assert path.read_bytes() == before


def test_a_new_store_gets_every_migration_at_once(tmp_path: Path) -> None:
    open_sqlite(tmp_path / "new.db", NOW, LATER).close()
    assert "colours" in tables(tmp_path / "new.db")


def test_an_upgrade_applies_what_is_missing_and_keeps_the_store_as_it_was(path: Path) -> None:
    done = upgrade(path, actor="ada", now=NOW, known=LATER)
    assert (done.before, done.after, done.applied) == (NEXT - 1, NEXT, (f"{NEXT:04} colours",))
    assert done.backup == path.with_name("store.db.backup-1")
    assert "colours" not in tables(done.backup)
    open_to_look(done.backup, KNOWN).close()
    with closing(open_sqlite(path, NOW, LATER)) as database, database.reading() as connection:
        assert connection.exec_driver_sql("SELECT name FROM colours").scalars().all() == ["red"]
        noted = connection.exec_driver_sql("SELECT actor, action, detail FROM journal").all()
    assert [tuple(row) for row in noted] == [("ada", "store_upgraded", f'{{"from": {NEXT - 1}, "to": {NEXT}}}')]


def test_upgrading_twice_changes_nothing(path: Path) -> None:
    upgrade(path, actor="ada", now=NOW, known=LATER)
    again = upgrade(path, actor="ada", now=NOW, known=LATER)
    assert (again.before, again.after, again.applied, again.backup) == (NEXT, NEXT, (), None)
    assert not path.with_name("store.db.backup-2").exists()


def test_a_migration_that_fails_changes_nothing_and_the_next_upgrade_keeps_its_own_copy(path: Path) -> None:
    with pytest.raises(CampaignctlError):
        upgrade(path, actor="ada", now=NOW, known=BROKEN)
    assert not {"colours", "shapes"} & tables(path)
    done = upgrade(path, actor="ada", now=NOW, known=LATER)
    assert done.backup == path.with_name("store.db.backup-2")


def test_nothing_is_upgraded_under_a_daemon(path: Path) -> None:
    with alone_on(path), pytest.raises(RefusedError) as refused:
        upgrade(path, actor="ada", now=NOW, known=LATER)
    assert (refused.value.code, refused.value.exit_code) == ("D110", 3)
    assert "colours" not in tables(path)
    assert not list(path.parent.glob("*.backup-*"))


def test_nothing_is_upgraded_without_a_copy(path: Path) -> None:
    """The store may not be damaged further, and what is damaged gives no copy."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("INSERT INTO version_files VALUES (7, 1, 'gone.md', 'nothing')")
        connection.commit()
    with pytest.raises(CampaignctlError) as refused:
        upgrade(path, actor="ada", now=NOW, known=LATER)
    assert refused.value.code == "S112"
    assert "colours" not in tables(path)


def test_a_newer_store_is_not_upgraded(path: Path) -> None:
    upgrade(path, actor="ada", now=NOW, known=LATER)
    with pytest.raises(StoreError) as refused:
        upgrade(path, actor="ada", now=NOW)
    assert refused.value.code == "S102"


def test_who_only_looks_makes_no_store_and_changes_none(tmp_path: Path, path: Path) -> None:
    for missing in (tmp_path / "missing.db", tmp_path / "empty.db"):
        if missing.name == "empty.db":
            missing.touch()
        with pytest.raises(StoreError) as refused:
            open_to_look(missing)
        assert refused.value.code == "S109"
    assert not (tmp_path / "missing.db").exists()
    assert (tmp_path / "empty.db").read_bytes() == b""
    with (
        closing(open_to_look(path)) as database,
        pytest.raises(StoreError),
        database.writing() as connection,
    ):
        connection.exec_driver_sql("DELETE FROM migrations")
    open_to_look(path).close()
