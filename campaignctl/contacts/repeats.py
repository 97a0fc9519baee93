"""Which values occur more than once among millions, found in little memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import Connection

_BITS = 2**25
_VALUES_AT_ONCE = 5000


class Repeats:
    """
    Looks at values as they pass, and remembers of each only one bit of where it hashes to.

    A value that finds its bit set is a suspect: often a stranger, but every
    value that comes again is among the suspects. Those are few (of a million
    different values about fifteen thousand), so the database can be asked about
    them exactly. An index of all values, or a sort, takes five times as long.
    """

    def __init__(self, connection: Connection, table: str) -> None:
        """Suspects are kept in a new *table*."""
        self._bits = bytearray(_BITS // 8)
        self._table = table
        connection.exec_driver_sql(f"CREATE TABLE {table} (value TEXT PRIMARY KEY) WITHOUT ROWID")

    def look_at(self, connection: Connection, values: Iterable[str | None]) -> None:
        """Take the next *values* into account; empty ones do not count."""
        suspects = list(self._suspects(values))
        if suspects:
            connection.exec_driver_sql(
                f"INSERT OR IGNORE INTO {self._table} (value) VALUES (?)",  # noqa: S608 - our own name
                suspects,
            )

    def look_at_all(self, connection: Connection, table: str, column: str) -> None:
        """Take all values of a column into account."""
        values = connection.exec_driver_sql(f"SELECT {column} FROM {table}")  # noqa: S608 - names made by the store
        for rows in values.partitions(_VALUES_AT_ONCE):
            self.look_at(connection, [row[0] for row in rows])

    def _suspects(self, values: Iterable[str | None]) -> Iterator[tuple[str]]:
        bits = self._bits
        for value in values:
            if value:
                place = hash(value) % _BITS
                byte, bit = place >> 3, 1 << (place & 7)
                before = bits[byte]
                if before & bit:
                    yield (value,)
                else:
                    bits[byte] = before | bit

    def found(self, connection: Connection, table: str, column: str, number: str) -> Iterator[tuple[str, int]]:
        """Every value that *table* has more than once in *column*, with the least *number* of its rows."""
        if connection.exec_driver_sql(f"SELECT EXISTS (SELECT 1 FROM {self._table})").scalar_one():  # noqa: S608
            yield from connection.exec_driver_sql(
                f"SELECT {column}, MIN({number}) FROM {table}"  # noqa: S608 - names that the store or staging made
                f" WHERE {column} IN {self._table} GROUP BY {column} HAVING COUNT(*) > 1"
            )
