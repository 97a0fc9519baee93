"""`kill -9` while messages are under way: none is lost, and no more are doubled than were in the air."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from faults.killing import Command, Forked, Victim, killed_again_and_again
from faults.relay import Relay
from faults.shop import Shop


@pytest.mark.parametrize(
    ("start", "connections", "may_repeat", "seed"),
    [(Forked, 1, True, 1), (Forked, 1, False, 2), (Forked, 8, False, 3), (Command, 8, True, 4)],
)
def test_a_daemon_that_is_killed_again_and_again_keeps_the_promise(
    tmp_path: Path, start: Callable[[Shop], Victim], connections: int, may_repeat: bool, seed: int
) -> None:
    with Relay(tmp_path, seed=seed, slowest_answer=0.004 * connections) as relay:
        shop = Shop.opened(tmp_path / "shop", relay.port, contacts=150, connections=connections, may_repeat=may_repeat)
        assert killed_again_and_again(shop, relay, start, kills=3, seed=seed).problems == []
