"""A table of an SQLite database as a source of contacts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import sqlite_utils

from campaignctl.contacts.batch import Batch
from campaignctl.contacts.records import Record, RecordColumns
from campaignctl.contacts.source import Source
from campaignctl.errors import UsageError, WorkFailedError
from campaignctl.store.database import sqlite_module


class TableReader:
    """Reads a table row by row. The "line" of a contact is the number of its row, from 1."""

    is_for_spreadsheets = False

    def __init__(self, source: Source) -> None:
        self._source = source
        self._size = source.size()
        self._taken = self._rows = 0
        self._columns = RecordColumns()
        self.headers = self._columns.headers
        self.text_columns = self._columns.text_columns
        with self._opened() as database:
            self._table = self._chosen(database)
            self._rows = database.table(self._table).count

    @property
    def done(self) -> int:
        return self._size * self._taken // max(1, self._rows)

    def batches(self) -> Iterator[Batch]:
        with self._opened() as database:
            yield from self._columns.batches(self._records(database))

    def _records(self, database: Any) -> Iterator[Record]:
        for self._taken, row in enumerate(database.table(self._table).rows, 1):  # noqa: B020 - `done` tells it
            yield self._taken, row

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        sqlite = sqlite_module()
        try:
            address = f"{self._source.path.resolve().as_uri()}?mode=ro"
            with closing(sqlite.connect(address, uri=True)) as connection:
                # The file may be anybody's: its views and triggers get no say.
                connection.execute("PRAGMA trusted_schema = OFF")
                yield sqlite_utils.Database(connection)
        except sqlite.Error as failure:
            raise WorkFailedError(
                "S305",
                f"`{self._source.path}` is no readable SQLite database",
                "check the file, or say `--input-format`",
            ) from failure

    def _chosen(self, database: Any) -> str:
        # SQLite numbers rows and counts them in tables of its own.
        names: list[str] = [name for name in database.table_names() if not name.startswith("sqlite_")]
        wanted = self._source.table
        if wanted is not None and wanted in names:
            return wanted
        if wanted is None and len(names) == 1:
            return names[0]
        if not names:
            raise WorkFailedError("S305", f"`{self._source.path}` has no table", "name another file")
        what = "has several tables" if wanted is None else f"has no table `{wanted}`"
        raise UsageError("S306", f"`{self._source.path}` {what}", f"write `--table {'|'.join(sorted(names)[:10])}`")
