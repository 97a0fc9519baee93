"""The power fails: what was promised to be on the disk is there, and what was sent is known."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults.builds import SABOTAGED
from faults.power import operations, outage
from faults.relay import Relay
from faults.shop import Shop

SEEDS = 10


@pytest.mark.parametrize(("has_wal", "may_repeat"), [(True, True), (False, False)])
def test_a_store_outlives_power_cuts_at_any_moment(tmp_path: Path, has_wal: bool, may_repeat: bool) -> None:
    with Relay(tmp_path) as relay:
        fresh = Shop.opened(tmp_path / "shop", relay.port, contacts=12, connections=3, may_repeat=may_repeat)
        most = operations(fresh, has_wal)
        for seed in range(SEEDS):
            relay.forget()
            shop = fresh.copied(tmp_path / f"seed-{seed}")
            assert outage(shop, relay, seed, most, has_wal).problems == [], seed


@pytest.mark.parametrize("has_wal", [True, False])
def test_a_store_that_does_not_wait_for_the_disk_is_noticed(tmp_path: Path, has_wal: bool) -> None:
    with Relay(tmp_path) as relay:
        fresh = Shop.opened(tmp_path / "shop", relay.port, contacts=12, connections=3)
        most = operations(fresh, has_wal)
        for seed in range(SEEDS):
            relay.forget()
            shop = fresh.copied(tmp_path / f"seed-{seed}")
            if outage(shop, relay, seed, most, has_wal, SABOTAGED["synchronous off"]).problems:
                return
    pytest.fail("no cut was noticed")
