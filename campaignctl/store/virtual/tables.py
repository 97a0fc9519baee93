"""Tables that only the copy of a store has on which a simulation works."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, ColumnElement, Integer, MetaData, PrimaryKeyConstraint, Table, Text

metadata = MetaData()

# Contacts whose message cannot be made, and why, where it was tried.
unmade = Table(
    "simulated_unmade",
    metadata,
    Column("step_id", Integer),
    Column("contact_id", Integer),
    Column("error", Text),
    Column("reason", Text),
    PrimaryKeyConstraint("step_id", "contact_id"),
    sqlite_with_rowid=False,
)
# Contacts whose address is none.
unusable = Table("simulated_unusable", metadata, Column("contact_id", Integer, primary_key=True))
# What each member drew: all chance of the simulation is made from it.
draws = Table(
    "simulated_draws",
    metadata,
    Column("contact_id", Integer, primary_key=True),
    Column("draw", Integer, nullable=False),
)
# Events that are to come, as the staging table of events has them.
coming = Table(
    "simulated_coming",
    metadata,
    Column("line", Integer, primary_key=True),
    Column("campaign", Text),
    Column("step", Text),
    Column("contact_key", Text),
    Column("kind", Text),
    Column("at", BigInteger, index=True),
    Column("url", Text),
    Column("is_machine", Integer),
    Column("is_hard", Integer),
)

PRIME: Final = 2**31 - 1

Mixed = tuple[int, int]


def place_of_draw(mixed: Mixed) -> ColumnElement[int]:
    """
    Where a member stands in an order of their own for one step, from 0 to `PRIME`.

    A hash of every key for every step would cost more than all the rest; one
    for each member, mixed by two numbers that the step decides, is as good.
    """
    factor, offset = mixed
    return (draws.c.draw * factor + offset) % PRIME
