"""What tests of hooks may ask for."""

from collections.abc import Iterator

import pytest
from hooks.receiver import Receiver
from hooks.told import ToldWorld
from world import World

from campaignctl.store.checks.check import check_store


@pytest.fixture
def told(world: World) -> Iterator[ToldWorld]:
    """A world with a system that is told; at the end of the test the store has to be sound."""
    with Receiver() as receiver:
        yield ToldWorld(world, receiver)
    with world.store.reading() as ledger:
        assert [each for each in check_store(ledger) if not each.ok] == []
