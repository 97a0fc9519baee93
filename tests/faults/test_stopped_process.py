"""A daemon that is stopped for a while (SIGSTOP, a machine that sleeps) keeps its store, and goes on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from faults.invariants import broken_at_the_end
from faults.relay import Relay
from faults.shop import Shop


def sleeps_for_a_while(shop: Shop, relay: Relay) -> None:
    with shop.daemon("--until-idle") as daemon:
        held_at = relay.wait_for_hold()
        daemon.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, daemon.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        relay.release()
        assert "error[D110]" in shop.command("run", "--once", expected=3)
        # What was under way when it fell asleep arrives, and nothing else
        assert relay.wait_for(shop.contacts, seconds=0.5) <= held_at + shop.connections
        daemon.send_signal(signal.SIGCONT)
        daemon.communicate(timeout=120)
        assert daemon.returncode == 0


def test_nobody_takes_over_from_a_daemon_that_only_sleeps(tmp_path: Path) -> None:
    with Relay(tmp_path, holds_after=10) as relay:
        shop = Shop.opened(tmp_path / "shop", relay.port, contacts=100, connections=8)
        sleeps_for_a_while(shop, relay)
        assert broken_at_the_end(shop, relay, crashes=0) == []
