"""The database behind the store: how it is opened, and how a transaction begins and ends."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, IntegrityError, ProgrammingError
from sqlalchemy.pool import StaticPool

from campaignctl.errors import StoreError
from campaignctl.store.instants import stored
from campaignctl.store.migrations import Migration, apply, known_migrations, refuse_other, to_apply_at_first
from campaignctl.store.tables import migrations

# WAL is safe from these on: before, several processes that checkpoint at once
# could lose a commit (https://sqlite.org/wal.html#walresetbug).
_FIRST_SAFE_WAL = (3, 51, 3)
_PATCHED_FOR_WAL: dict[tuple[int, ...], int] = {(3, 50): 7, (3, 44): 6}

# File systems on which SQLite's locks do not hold (names as in /proc/self/mounts).
_NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "fuse.sshfs"}
)

_BUSY_TIMEOUT_SECONDS = 30

# What SQLite needs at once beside a store: the index of the write-ahead log grows by so many bytes.
_ROOM_BESIDE = 32 * 1024


def sqlite_module() -> ModuleType:
    """The newest SQLite at hand: the one a package brings, or else the one of Python."""
    try:
        import pysqlite3
    except ImportError:
        import sqlite3

        return sqlite3
    module: ModuleType = pysqlite3
    return module


def is_wal_safe(version: tuple[int, ...]) -> bool:
    """
    Whether several processes may share a write-ahead log with this SQLite.

    >>> is_wal_safe((3, 51, 2)), is_wal_safe((3, 51, 3)), is_wal_safe((3, 44, 6)), is_wal_safe((3, 45, 0))
    (False, True, True, False)
    """
    patched = _PATCHED_FOR_WAL.get(version[:2])
    return version >= _FIRST_SAFE_WAL or (patched is not None and version[2] >= patched)


class Database:
    """One open store. Reading and writing happen in transactions, and nowhere else."""

    def __init__(self, engine: Engine, path: Path | None) -> None:
        self.engine = engine
        self.path = path

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the store and changes nothing."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that holds the store's write lock from its start, so that it cannot fail half-way for that."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def trying(self) -> Iterator[Connection]:
        """The same, and at its end all is taken back."""
        with self._transaction("BEGIN IMMEDIATE", "ROLLBACK") as connection:
            yield connection

    @contextmanager
    def _transaction(self, begin: str, end: str = "COMMIT") -> Iterator[Connection]:
        try:
            with self.engine.connect() as connection:
                connection.exec_driver_sql(begin)
                try:
                    yield connection
                except BaseException:
                    # On a full disk, for example, SQLite takes all of it back by itself, and nothing is left to be.
                    with suppress(DatabaseError):
                        connection.exec_driver_sql("ROLLBACK")
                    raise
                connection.exec_driver_sql(end)
        except (IntegrityError, ProgrammingError):
            raise  # a bug of ours, not the world's doing
        except (DatabaseError, self._drivers_failure) as failure:
            raise store_failure(failure, self.path) from failure

    @property
    def _drivers_failure(self) -> type[Exception]:
        """What the driver raises for the world's doing, where a statement is its own."""
        failure: type[Exception] = self.engine.dialect.loaded_dbapi.OperationalError
        return failure

    def close(self) -> None:
        self.engine.dispose()


def open_sqlite(path: Path, now: datetime, known: Sequence[Migration] | None = None) -> Database:
    """
    Open the store in the file *path*; a missing one is made, readable for its owner alone.

    The schema of a store that holds something is not touched: somebody else,
    perhaps an older daemon, may be at work on it. `store upgrade` changes it.

    Raises:
        StoreError: it is no store, a newer or an older one, or on a network file system.
    """
    _check_place(path)
    try:
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as failure:
        raise StoreError(
            "S101",
            f"the store `{path}` cannot be made: {failure.strerror}",
            "check the folder and its permissions",
        ) from failure
    journal = "WAL" if is_wal_safe(sqlite_module().sqlite_version_info) else "DELETE"
    return _ready(_connected(path, journal=journal), now, known)


def open_to_look(path: Path, known: Sequence[Migration] | None = None) -> Database:
    """
    Open a store that is there, without being able to change anything of it.

    Raises:
        StoreError: it is missing, no store, or not of this program's schema.
    """
    _check_is_there(path)
    database = _connected(path, "query_only = ON")
    with _closed_on_failure(database), database.reading() as connection:
        refuse_other(connection, known or known_migrations(database.engine.dialect.name))
    return database


def open_as_it_is(path: Path) -> Database:
    """Open a store that is there, whatever its schema: to bring it up to date, or to copy it."""
    _check_is_there(path)
    return _connected(path)


def open_scratch(path: Path) -> Database:
    """
    Open a copy of a store that is thrown away afterwards: quickly, and not to be trusted after a failure.

    What its tables say of their rows is not checked again, which takes a third of the time of writing them.
    """
    fast = ("synchronous = OFF", "journal_mode = OFF", "foreign_keys = OFF", "ignore_check_constraints = ON")
    return _connected(path, *fast, "temp_store = FILE", "cache_size = -8192")


def open_in_memory(now: datetime) -> Database:
    """A store that lives as long as this object: for tests and trials."""
    engine = create_engine(
        "sqlite://", module=sqlite_module(), poolclass=StaticPool, connect_args={"check_same_thread": False}
    )
    return _ready(_set_up(Database(engine, None)), now, None)


def _connected(path: Path, *settings: str, journal: str | None = None) -> Database:
    # As many connections as ask: how many that may be is for whoever starts threads.
    engine = create_engine(f"sqlite:///{path}", module=sqlite_module(), max_overflow=-1)
    database = Database(engine, path)
    return _set_up(database, *settings, journal=journal)


def _set_up(database: Database, *settings: str, journal: str | None = None) -> Database:
    event.listen(database.engine, "connect", _settings_for(settings, journal))
    return database


def _ready(database: Database, now: datetime, known: Sequence[Migration] | None) -> Database:
    """The database with its tables, which are made where it is empty."""
    known = known or known_migrations(database.engine.dialect.name)
    with _closed_on_failure(database):
        with database.reading() as connection:
            is_empty = bool(to_apply_at_first(connection, known))
        if is_empty:
            with database.writing() as connection:
                # Asked again under the lock: another process may have been quicker.
                for migration in to_apply_at_first(connection, known):
                    apply(connection, migration, stored(now))
    return database


@contextmanager
def _closed_on_failure(database: Database) -> Iterator[None]:
    try:
        yield
    except BaseException:
        database.close()
        raise


def _settings_for(settings: Sequence[str], journal: str | None) -> Any:
    def set_up(connection: Any, _record: object) -> None:
        # The driver must not begin transactions on its own: `Database` does.
        connection.isolation_level = None
        connection.create_function("member_rank", 3, member_rank, deterministic=True)
        for pragma in (
            f"busy_timeout = {_BUSY_TIMEOUT_SECONDS * 1000}",
            # In a write-ahead log the same as FULL. A rollback journal that was removed comes back
            # after a power cut, and undoes its commit, unless the folder is synced as well.
            "synchronous = EXTRA",
            "foreign_keys = ON",
            "mmap_size = 0",
            "temp_store = MEMORY",
            "cache_size = -12288",
            *settings,
        ):
            connection.execute(f"PRAGMA {pragma}").close()
        # The one setting that is written into the file.
        if journal is not None and not _is_foreign(connection):
            connection.execute(f"PRAGMA journal_mode = {journal}").close()

    return set_up


def _is_foreign(connection: Any) -> bool:
    """Whether the database holds the tables of another program: it will be refused, and is to stay as it is."""
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return bool(names) and migrations.name not in names


def member_rank(seed: str, step: str, key: str) -> int:
    """
    Where a contact stands in a random order that only seed, step and contact decide.

    The first 63 bits of a SHA-256: the same on every machine, and in other
    databases' own SHA-256.
    """
    digest = hashlib.sha256(f"{seed}\0{step}\0{key}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1


def _check_is_there(path: Path) -> None:
    _check_place(path)
    if not path.exists():
        raise StoreError(
            "S109", f"there is no store at `{path}`", "bring contacts in first, or name another file with `--store`"
        )


def _check_place(path: Path) -> None:
    if path.is_dir() or (path.exists() and not stat.S_ISREG(path.stat().st_mode)):
        raise StoreError("S101", f"the store `{path}` is not a file", "name a file with `store:` or `--store`")
    kind = file_system_of(path.resolve().parent)
    if kind in _NETWORK_FILE_SYSTEMS:
        raise StoreError(
            "S104",
            f"the store `{path}` is on a network file system ({kind}), where SQLite's locks do not hold",
            "keep it on a disk of this machine",
        )


def file_system_of(folder: Path) -> str:
    """The kind of file system that *folder* is on, as Linux names it; nothing where that is not told."""
    try:
        mounts = Path("/proc/self/mounts").read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    kinds = {Path(fields[1].replace("\\040", " ")): fields[2] for fields in map(str.split, mounts) if len(fields) > 2}
    return next((kinds[place] for place in (folder, *folder.parents) if place in kinds), "")


def store_failure(failure: Exception, path: Path | None = None) -> StoreError:
    """The failure of a database, in the file *path* where it has one, in our words."""
    said = str(getattr(failure, "orig", failure)).lower()
    if "not a database" in said or "malformed" in said:
        return StoreError("S103", "the store is damaged or no store at all", "restore a backup, or name another file")
    if "locked" in said or "busy" in said:
        return StoreError("S105", "the store is locked by another process", "try again when it is done")
    # Where there is no room for the files beside the store, SQLite speaks of input and output.
    if "full" in said or ("i/o" in said and path is not None and _is_full(path)):
        return StoreError("S106", "the disk is full", "make room and try again: nothing was changed")
    if "readonly" in said or "unable to open" in said:
        return StoreError("S101", "the store cannot be opened for writing", "check the file's permissions")
    return StoreError("S100", f"the database refused: {said}", "run `campaignctl explain S100`")


def _is_full(path: Path) -> bool:
    try:
        room = os.statvfs(path.parent)
    except OSError:
        return False
    return room.f_bavail * room.f_frsize < _ROOM_BESIDE
