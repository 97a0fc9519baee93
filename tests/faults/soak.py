"""
The long form of the harness: `make soak`. Prints the figures that docs/reliability.md shows.

Run as `python -m faults.soak [ROUNDS]` in tests/; every round has other seeds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

from faults.doomed import Doom, ended, started
from faults.invariants import Figures, broken_at_the_end, broken_in_between, figures
from faults.killing import Command, killed_again_and_again
from faults.relay import Relay
from faults.shop import Shop
from faults.test_any_history import AnyHistory, AnyHistoryAtMostOnce
from faults.test_wire_faults import AROUND_THE_DOT, EVERYWHERE, worked_off
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

_MESSAGES = 2000
_KILLS = 20
_HISTORIES = 100


def main(rounds: int) -> int:
    """Run everything; the exit code."""
    began, problems = monotonic(), []
    print("| trial | guarantee | connections | messages | kills | breaks | accepts | lost | doubled | uncertain |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for seed in range(rounds):
        for may_repeat in (True, False):
            for connections in (1, 8, 32):
                problems += _kills(seed, connections, may_repeat)
            problems += _wire_faults(seed, may_repeat)
            problems += _commit_points(may_repeat)
    for machine in (AnyHistory, AnyHistoryAtMostOnce):
        run_state_machine_as_test(machine, settings=_bounds(_HISTORIES * rounds))
    print(
        f"\n{_HISTORIES * rounds} histories for each guarantee; {timedelta(seconds=round(monotonic() - began))} in all"
    )
    for problem in problems:
        print(f"BROKEN: {problem}")
    return 1 if problems else 0


def _kills(seed: int, connections: int, may_repeat: bool) -> list[str]:
    with TemporaryDirectory() as name, Relay(Path(name), seed=seed, slowest_answer=0.004 * connections) as relay:
        shop = Shop.opened(
            Path(name) / "shop", relay.port, contacts=_MESSAGES, connections=connections, may_repeat=may_repeat
        )
        found = killed_again_and_again(shop, relay, Command, _KILLS, seed)
        _show("kill -9", shop, figures(shop, relay, found.kills))
    return found.problems


def _wire_faults(seed: int, may_repeat: bool) -> list[str]:
    with TemporaryDirectory() as name, Relay(Path(name), seed=seed, **EVERYWHERE, **AROUND_THE_DOT) as relay:
        shop = Shop.opened(Path(name) / "shop", relay.port, contacts=500, connections=8, may_repeat=may_repeat)
        worked_off(shop, relay)
        _show("faults on the wire", shop, figures(shop, relay, 0))
        return broken_at_the_end(shop, relay, crashes=0)


def _commit_points(may_repeat: bool) -> Iterator[str]:
    """Before and after every commit of a campaign of twenty messages."""
    with TemporaryDirectory() as name, Relay(Path(name)) as relay:
        fresh = Shop.opened(Path(name) / "shop", relay.port, contacts=20, connections=4, may_repeat=may_repeat)
        total = Figures(0, 0, 0, 0, 0, 0, 0)
        for is_before in (True, False):
            survived, commit = False, 0
            while not survived:
                commit += 1
                relay.forget()
                shop = fresh.copied(Path(name) / f"{is_before}-{commit}")
                survived = ended(started(shop, doom=Doom(commit, is_before)))
                if not survived:
                    yield from broken_in_between(shop, relay)
                    ended(started(shop))
                yield from broken_at_the_end(shop, relay, crashes=int(not survived))
                total += figures(shop, relay, int(not survived))
        _show("each commit", fresh, total)


def _show(trial: str, shop: Shop, found: Figures) -> None:
    guarantee = "at least once" if shop.may_repeat else "at most once"
    print(
        f"| {trial} | {guarantee} | {shop.connections} | {found.messages} | {found.crashes} | {found.breaks}"
        f" | {found.accepts} | {found.lost} | {found.doubled} | {found.uncertain} |",
        flush=True,
    )


def _bounds(examples: int) -> settings:
    return settings(
        max_examples=examples, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
    )


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1))
