"""Crashes at every commit of a campaign, one trial for each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from faults.builds import TRUE, Build
from faults.doomed import Doom, ended, started
from faults.invariants import Figures, broken_at_the_end, broken_in_between, figures
from faults.relay import Relay
from faults.shop import Shop


@dataclass(frozen=True)
class Crash:
    """What came of a crash at one commit, and of the daemon that went on."""

    commit: int
    problems: list[str]
    figures: Figures


def at_every_commit(fresh: Shop, relay: Relay, is_before: bool, build: Build = TRUE) -> Iterator[Crash]:
    """
    Crashes right before, or right after, the first commit of a daemon, the second, and so on.

    The last trial is that of a daemon which had no such commit any more, and got through.
    """
    for commit in itertools.count(1):
        relay.forget()
        shop = fresh.copied(fresh.folder.with_name(f"{'before' if is_before else 'after'}-{commit}"))
        problems: list[str] = []
        survived = ended(started(shop, build, Doom(commit, is_before)))
        if not survived:
            problems += broken_in_between(shop, relay)
            assert ended(started(shop, build))
        problems += broken_at_the_end(shop, relay, crashes=int(not survived))
        yield Crash(commit, problems, figures(shop, relay, int(not survived)))
        if survived:
            return
