"""What tests of send gates may ask for."""

from collections.abc import Iterator

import pytest
from gates.compliance import Gated
from gates.compliance import gated as made
from world import World

from campaignctl.store.checks.check import check_store


@pytest.fixture
def gated(world: World) -> Iterator[Gated]:
    """A world with a compliance system beside it; at the end of the test the store has to be sound."""
    yield made(world)
    with world.store.reading() as ledger:
        assert [each for each in check_store(ledger) if not each.ok] == []
