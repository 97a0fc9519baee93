"""`kill -9` at moments that a seed decides, and what came of it."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from faults.builds import TRUE, Build
from faults.doomed import exit_code, started
from faults.invariants import Delivery, broken_at_the_end, broken_in_between, ledger_of
from faults.relay import Relay
from faults.shop import Shop


class Victim(Protocol):
    """A daemon at work. Its descriptor can be read when it has ended."""

    @property
    def has_ended(self) -> int: ...

    def kill(self) -> None: ...

    def exit_code(self) -> int | None:
        """Wait for its end; None where it does not come."""


class Command:
    """`campaignctl run`, as a person starts it."""

    def __init__(self, shop: Shop) -> None:
        self._process = shop.started("--until-idle")
        self.has_ended = os.pidfd_open(self._process.pid)

    def kill(self) -> None:
        self._process.kill()

    def exit_code(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self._process.communicate(timeout=600)
        os.close(self.has_ended)
        return self._process.returncode


class Forked:
    """The same parts in a process that is forked, which starts twenty times as fast."""

    def __init__(self, shop: Shop, build: Build = TRUE) -> None:
        self._process = started(shop, build)
        self.has_ended = self._process.sentinel

    def kill(self) -> None:
        self._process.kill()

    def exit_code(self) -> int | None:
        return exit_code(self._process)


@dataclass
class Killing:
    """What came of it: how many daemons were killed at work, and everything that did not hold."""

    kills: int = 0
    problems: list[str] = field(default_factory=list)


def killed_again_and_again(shop: Shop, relay: Relay, start: Callable[[Shop], Victim], kills: int, seed: int) -> Killing:
    """
    Kill daemons so many times while they send, then let one finish.

    A daemon is killed when the relay has taken a number of messages that the
    seed decides, and up to 20 ms later: in the middle of an answer, a commit or
    a claim. One that is quicker than that is not killed, and does not count.
    """
    moments = random.Random(seed)
    # The last kill comes while there is still work, whatever is under way.
    targets = sorted(moments.sample(range(1, shop.contacts - shop.connections), kills))
    found = Killing()
    before: dict[str, Delivery] = {}
    for target in targets:
        victim = start(shop)
        relay.wait_for(max(target, len(relay.accepted()) + 1), unless=victim.has_ended)
        # Not to wait for something, but to be at any place of the loop.
        threading.Event().wait(moments.uniform(0, 0.02))
        victim.kill()
        code = victim.exit_code()
        found.kills += code == -signal.SIGKILL
        if code not in (0, -signal.SIGKILL):
            found.problems.append(f"a daemon ended with {code}")
        found.problems += broken_in_between(shop, relay, before)
        if found.problems:
            return found
        before = ledger_of(shop)
    if (code := start(shop).exit_code()) != 0:
        found.problems.append(f"the last daemon ended with {code}")
    found.problems += broken_at_the_end(shop, relay, found.kills)
    return found
