"""Statements of an import that the database breaks off, each at its worst moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from world import World

from campaignctl.errors import StoreError
from campaignctl.store.lists import known_list

# A key that comes twice has the first merge taken back, and another one made.
TWICE = "id,email\nc-1,ada@example.org\nc-1,ada@example.org\n"
ONCE = "id,email\nc-1,ada@example.org\n"


@contextmanager
def broken_off(world: World, beginning: str) -> Iterator[list[str]]:
    """The database breaks off the first statement that begins so; which one that was."""
    met: list[str] = []
    is_met = False

    def see(statement: str) -> None:
        nonlocal is_met
        is_met = not met and statement.startswith(beginning)
        if is_met:
            met.append(statement)

    held = world.store.database.engine.raw_connection()
    driver = held.driver_connection
    assert driver is not None
    driver.set_trace_callback(see)
    driver.set_progress_handler(lambda: is_met, 1)
    held.close()
    try:
        yield met
    finally:
        driver.set_trace_callback(None)
        driver.set_progress_handler(None, 1)


@pytest.mark.parametrize(
    ("beginning", "file"),
    [
        ("SAVEPOINT", ONCE),
        ("INSERT INTO contacts_", ONCE),
        ("RELEASE", ONCE),
        ("ROLLBACK TO", TWICE),
        ("INSERT INTO journal", TWICE),
        ("COMMIT", TWICE),
    ],
)
def test_an_import_that_the_database_breaks_off_says_so_and_can_be_made_again(
    world: World, beginning: str, file: str
) -> None:
    """SQLite takes a whole transaction back by itself where it breaks off a statement that writes."""
    with broken_off(world, beginning) as met, pytest.raises(StoreError, match="interrupted"):
        world.contacts(file)
    assert met
    assert world.contacts(file).added == 1
    with world.store.reading() as ledger:
        assert known_list(ledger.connection, "customers").attributes.keys() == {"id", "email"}
