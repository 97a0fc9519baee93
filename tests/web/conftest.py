"""What several tests of the service start from."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from campaigns.test_triggering import THANKS
from web.serving import served, token_for
from world import World


@pytest.fixture
def thanks(world: World) -> World:
    """A campaign that waits for its request."""
    world.at("2026-11-20 10:00")
    world.publish(THANKS)
    return world


@pytest.fixture
def client(thanks: World) -> Iterator[httpx.Client]:
    """A client that may start it."""
    with served(thanks) as client:
        client.headers.update(token_for(thanks, "trigger:thanks"))
        yield client
