"""Copying a store while it is at work, and proving that the copy is good."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from campaignctl.errors import RefusedError, StoreError, WorkFailedError
from campaignctl.store.checks.check import check_store
from campaignctl.store.database import Database, open_as_it_is, open_to_look, sqlite_module, store_failure
from campaignctl.store.ledger import SqlStore


@dataclass(frozen=True)
class Copy:
    """A copy of a store that was opened and checked."""

    path: Path
    size: int


def back_up(store: Database, file: Path, *, may_replace: bool = False) -> Copy:
    """
    Copy *store* into *file*, under its name only when the copy was checked.

    All pages are copied in one go: a copy in steps would begin anew whenever a
    daemon has written something, and might never end. In a write-ahead log
    nobody has to wait for it.

    Raises:
        RefusedError: the file is there and must not be replaced, or is the store.
        WorkFailedError: the copy cannot be written, or is not good.
    """
    _refuse_present(store, file, may_replace=may_replace)
    with _unfinished(file) as copy:
        copy_pages(store, copy)
        _prove(open_to_look(copy))
        _finish(copy, file)
        return Copy(file, file.stat().st_size)


def back_up_as_it_is(store: Database, file: Path) -> Copy:
    """
    Copy a store of another schema: its pages and rows are proven whole, and not what they say.

    Raises:
        RefusedError: the file is there.
        WorkFailedError: the copy cannot be written, or is not good.
    """
    _refuse_present(store, file, may_replace=False)
    with _unfinished(file) as copy:
        copy_pages(store, copy)
        with closing(open_as_it_is(copy)) as database, database.reading() as connection:
            found = [said for said in connection.exec_driver_sql("PRAGMA integrity_check").scalars() if said != "ok"]
            found += [f"a row of `{row.table}`" for row in connection.exec_driver_sql("PRAGMA foreign_key_check")]
        _refuse_bad(found)
        _finish(copy, file)
        return Copy(file, file.stat().st_size)


def _refuse_present(store: Database, file: Path, *, may_replace: bool) -> None:
    if store.path is not None and file.exists() and file.samefile(store.path):
        raise RefusedError("S111", f"`{file}` is the store itself", "name another file")
    if file.exists() and not file.is_file():
        raise RefusedError("S111", f"`{file}` is there, and no file", "name another file")
    if file.exists() and not may_replace:
        raise RefusedError("S111", f"`{file}` is there already", "name another file, or add `--force` to replace it")


@contextmanager
def _unfinished(file: Path) -> Iterator[Path]:
    """A file beside *file*, for its owner alone, of which nothing is left behind."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", suffix=".unfinished", dir=file.parent)
    except OSError as failure:
        raise _unwritable(file, failure.strerror or "it cannot be made") from failure
    os.close(descriptor)
    copy = Path(name)
    try:
        yield copy
    except OSError as failure:
        raise _unwritable(file, failure.strerror or "it cannot be written") from failure
    finally:
        for ending in ("", "-journal", "-wal", "-shm"):
            with suppress(OSError):
                copy.with_name(copy.name + ending).unlink(missing_ok=True)


def _unwritable(file: Path, why: str) -> WorkFailedError:
    return WorkFailedError("S110", f"`{file}` cannot be written: {why}", "check the folder and the room on its disk")


def copy_pages(store: Database, copy: Path) -> None:
    """Copy *store* into the empty file *copy*, as it is at this moment."""
    driver = sqlite_module()
    held = store.engine.raw_connection()
    source: Any = held.driver_connection
    try:
        with closing(driver.connect(copy)) as target:
            source.backup(target, pages=-1, progress=_end_when_locked)
            # The copy brings the mode of the store; of itself it is one file.
            target.execute("PRAGMA journal_mode = DELETE").close()
    except (driver.DatabaseError, sqlite3.DatabaseError) as failure:
        known = store_failure(failure)
        if known.code in ("S103", "S105"):
            raise known from failure
        why = "the disk is full" if known.code == "S106" else "the disk does not take it"
        raise _unwritable(copy, why) from failure
    finally:
        held.close()


def _end_when_locked(status: int, _remaining: int, _total: int) -> None:
    """The driver would ask for a locked store for ever; SQLite has waited for as long as it may."""
    if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        raise StoreError("S105", "the store is locked by another process", "try again when it is done")


def _prove(database: Database) -> None:
    store = SqlStore(database)
    with closing(store), store.reading() as ledger:
        _refuse_bad([sentence for check in check_store(ledger) for sentence in check.found])


def _refuse_bad(found: list[str]) -> None:
    if found:
        raise WorkFailedError(
            "S112", f"the copy is not good: {found[0]}", "run `campaignctl store check`: the store has the same trouble"
        )


def _finish(copy: Path, file: Path) -> None:
    """Give the copy its name, so that a crash leaves the old file or the new one."""
    _sync(copy)
    copy.replace(file)
    _sync(file.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
