"""`kill -9` while messages are under way: none is lost, and no more are doubled than were in the air."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults.killing import Start, as_a_command, forked, killed_again_and_again
from faults.relay import Relay
from faults.shop import Shop


@pytest.mark.parametrize(
    ("start", "connections", "may_repeat", "seed"),
    [(forked, 1, True, 1), (forked, 1, False, 2), (forked, 8, False, 3), (as_a_command, 8, True, 4)],
)
def test_a_daemon_that_is_killed_again_and_again_keeps_the_promise(
    tmp_path: Path, start: Start, connections: int, may_repeat: bool, seed: int
) -> None:
    with Relay(tmp_path, seed=seed, slowest_answer=0.004 * connections) as relay:
        shop = Shop.opened(tmp_path / "shop", relay.port, contacts=150, connections=connections, may_repeat=may_repeat)
        assert killed_again_and_again(shop, relay, start, kills=3, seed=seed) == []
