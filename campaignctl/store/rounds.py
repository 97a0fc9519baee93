"""Statements that run in every round of the delivery loop, compiled once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam
from sqlalchemy.sql.elements import ClauseElement

# A statement's text, the names of its values in their order, and those values that are its own.
_Written = tuple[str, Sequence[str], Mapping[str, Any]]


class RoundStatement:
    """
    A statement about some contacts of a step.

    SQLAlchemy writes it, once for each number of contacts, and the driver runs
    it: going through the whole library for every round costs several times
    what the database does.
    """

    def __init__(self, column: ColumnElement[int], make: Callable[[ColumnElement[bool]], ClauseElement]) -> None:
        """*make* gives the statement for the condition that *column* is one of the contacts."""
        self._column = column
        self._make = make
        self._compiled: dict[int, _Written] = {}

    def run(self, connection: Connection, contacts: Sequence[int], values: Mapping[str, Any]) -> Any:
        """The driver's cursor: its rows, or how many it changed."""
        given = {**values, **{f"contact_{place}": contact for place, contact in enumerate(contacts)}}
        known = self._compiled.get(len(contacts))
        if known is None:
            known = self._compiled[len(contacts)] = self._written(connection, given)
        text, names, fixed = known
        driver: Any = connection.connection.driver_connection
        return driver.execute(text, [given[name] if name in given else fixed[name] for name in names])

    def _written(
        self, connection: Connection, given: Mapping[str, Any]
    ) -> tuple[str, Sequence[str], Mapping[str, Any]]:
        one_of = self._column.in_([bindparam(name) for name in given if name.startswith("contact_")])
        compiled: Any = self._make(one_of).compile(dialect=connection.dialect)
        state = compiled.construct_expanded_state(given)
        return state.statement, state.positiontup, state.parameters
