"""
APSW as Python's other drivers of SQLite are: as much of the DB-API as the store uses.

In a process where `pysqlite3` is this module, the store runs its own statements
and settings on a SQLite whose files can be interposed from Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

import apsw

apilevel, paramstyle, threadsafety = "2.0", "qmark", 1
sqlite_version = apsw.sqlite_lib_version()
sqlite_version_info = tuple(map(int, sqlite_version.split(".")))
Binary = bytes

VFS = "disk"  # the virtual file system that connections use


class Error(Exception): ...


class DatabaseError(Error): ...


class OperationalError(DatabaseError): ...


class IntegrityError(DatabaseError): ...


class ProgrammingError(DatabaseError): ...


class NotSupportedError(DatabaseError): ...


class InterfaceError(Error): ...


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except apsw.ConstraintError as failure:
        raise IntegrityError(str(failure)) from failure
    except apsw.BindingsError as failure:
        raise ProgrammingError(str(failure)) from failure
    except (apsw.NotADBError, apsw.CorruptError) as failure:
        raise DatabaseError(str(failure)) from failure
    except apsw.Error as failure:
        raise OperationalError(str(failure)) from failure


class Cursor:
    """A statement and its rows."""

    arraysize = 1

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.description: Sequence[tuple[Any, ...]] | None = None
        self.rowcount = -1
        self._cursor = connection.apsw.cursor()
        # Asked later it does not tell the columns of a statement that found no rows.
        self._cursor.exec_trace = self._describe

    def _describe(self, cursor: apsw.Cursor, _sql: str, _bindings: object) -> bool:
        columns = cursor.get_description()
        self.description = [(name, *[None] * 6) for name, _ in columns] or None
        return True

    @property
    def lastrowid(self) -> int:
        return self.connection.apsw.last_insert_rowid()

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Self:
        with _translated():
            before = self.connection.apsw.total_changes()
            self._cursor.execute(sql, tuple(parameters))
            has_changed = self.connection.apsw.total_changes() != before
            # The total has what triggers changed as well.
            self.rowcount = self.connection.apsw.changes() if has_changed else 0
        return self

    def executemany(self, sql: str, all_parameters: Iterable[Sequence[Any]]) -> Self:
        self.rowcount = sum(self.execute(sql, parameters).rowcount for parameters in all_parameters)
        return self

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        with _translated():
            yield from self._cursor

    def fetchone(self) -> tuple[Any, ...] | None:
        with _translated():
            return self._cursor.fetchone()

    def fetchall(self) -> list[tuple[Any, ...]]:
        with _translated():
            return self._cursor.fetchall()

    def fetchmany(self, size: int = 1) -> list[tuple[Any, ...]]:
        rows = (self.fetchone() for _ in range(size))
        return [row for row in rows if row is not None]

    def close(self) -> None:
        self._cursor.close(True)


class Connection:
    """Begins no transaction on its own, as the store wants it."""

    isolation_level: str | None = None

    def __init__(self, path: str) -> None:
        with _translated():
            self.apsw = apsw.Connection(path, vfs=VFS)

    def cursor(self) -> Cursor:
        return Cursor(self)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Cursor:
        return self.cursor().execute(sql, parameters)

    def executemany(self, sql: str, all_parameters: Iterable[Sequence[Any]]) -> Cursor:
        return self.cursor().executemany(sql, all_parameters)

    def commit(self) -> None:
        if self.apsw.in_transaction:
            self.execute("COMMIT").close()

    def rollback(self) -> None:
        if self.apsw.in_transaction:
            self.execute("ROLLBACK").close()

    def create_function(
        self, name: str, arguments: int, function: Callable[..., Any], *, deterministic: bool = False
    ) -> None:
        self.apsw.create_scalar_function(name, function, arguments, deterministic=deterministic)

    def close(self) -> None:
        with _translated():
            self.apsw.close(True)


def connect(path: str, **_settings: object) -> Connection:
    """A connection to the database in the file *path*."""
    return Connection(path)
