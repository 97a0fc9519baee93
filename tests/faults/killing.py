"""`kill -9` at moments that a seed decides, and what came of it."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from faults.builds import TRUE, Build
from faults.doomed import ended, started
from faults.invariants import Delivery, broken_at_the_end, broken_in_between, ledger_of
from faults.relay import Relay
from faults.shop import Shop

# Starts a daemon; what came back kills it, or with False waits for its end, and says whether that was in order.
Start = Callable[[Shop], Callable[[bool], bool]]


def as_a_command(shop: Shop) -> Callable[[bool], bool]:
    """`campaignctl run`, as a person starts it."""
    daemon = shop.daemon("--until-idle")

    def end(is_kill: bool) -> bool:
        if is_kill:
            daemon.kill()
        _, said = daemon.communicate(timeout=600)
        return "Traceback" not in said and daemon.returncode in (0, -signal.SIGKILL)

    return end


def forked(shop: Shop, build: Build = TRUE) -> Callable[[bool], bool]:
    """The same parts in a process that is forked, which starts twenty times as fast."""
    daemon = started(shop, build)

    def end(is_kill: bool) -> bool:
        if is_kill:
            daemon.kill()
        with suppress(AssertionError):
            ended(daemon)
            return True
        return False

    return end


def forked_of(build: Build) -> Start:
    return partial(forked, build=build)


def killed_again_and_again(shop: Shop, relay: Relay, start: Start, kills: int, seed: int) -> Sequence[str]:
    """
    Kill daemons so many times while they send, then let one finish; everything that did not hold.

    A daemon is killed when the relay has taken a number of messages that the
    seed decides, and up to 20 ms later: in the middle of an answer, a commit or
    a claim.
    """
    moments = random.Random(seed)
    # The last kill comes while there is still work, whatever is under way.
    last = shop.contacts - shop.connections
    targets = sorted(moments.sample(range(1, last), kills))
    problems: list[str] = []
    before: dict[str, Delivery] = {}
    for target in targets:
        end = start(shop)
        relay.wait_for(max(target, len(relay.accepted()) + 1))
        # Not to wait for something, but to be at any place of the loop.
        threading.Event().wait(moments.uniform(0, 0.02))
        if not end(True):
            problems.append("a daemon ended with a traceback")
        problems += broken_in_between(shop, relay, before)
        if problems:
            return problems
        before = ledger_of(shop)
    if not start(shop)(False):
        problems.append("the last daemon ended with a traceback")
    return [*problems, *broken_at_the_end(shop, relay, kills)]
