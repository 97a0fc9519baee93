"""Lines that break, servers that refuse or close at every stage, and kills in between."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from faults.doomed import ended, started
from faults.invariants import broken_at_the_end, ledger_of
from faults.relay import Relay
from faults.shop import Shop

from campaignctl.engine.daemon import Until

STAGES = ("banner", "mail", "rcpt", "data")
EVERYWHERE = {f"{fault}_at_{stage}": 0.03 for fault in ("drop", "refuse", "close") for stage in STAGES}
AROUND_THE_DOT = dict.fromkeys(("drop_before_dot", "refuse_after_dot", "lose_before_accepting", "drop_after_dot"), 0.1)


def worked_off(shop: Shop, relay: Relay, longest: int = 40) -> None:
    """One daemon after the other, each two hours later, until nothing is to be tried any more."""
    waiting = {"queued", "sending", "deferred"} | ({"uncertain"} if shop.may_repeat else set())
    for hours in range(0, 2 * longest, 2):
        assert ended(started(shop, ahead=timedelta(hours=hours), until=Until.DONE_FOR_NOW))
        ledger = ledger_of(shop)
        if ledger and not waiting & {one.state for one in ledger.values()}:
            return


@pytest.mark.parametrize(("connections", "may_repeat", "seed"), [(8, True, 11), (3, False, 12)])
def test_faults_at_every_stage_lose_nothing_and_double_only_what_broke_after_the_dot(
    tmp_path: Path, connections: int, may_repeat: bool, seed: int
) -> None:
    with Relay(tmp_path, seed=seed, **EVERYWHERE, **AROUND_THE_DOT) as relay:
        shop = Shop.opened(tmp_path / "shop", relay.port, contacts=100, connections=connections, may_repeat=may_repeat)
        worked_off(shop, relay)
        assert relay.breaks() > 10
        assert broken_at_the_end(shop, relay, crashes=0) == []
