"""
The long form of the harness: `make soak`. Prints the figures that docs/reliability.md shows.

Run as `python -m faults.soak [ROUNDS]` in tests/; every round has other seeds.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, fields
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Final

from faults.builds import SABOTAGED
from faults.crashing import at_every_commit
from faults.invariants import NOTHING, Figures, broken_at_the_end, figures
from faults.killing import Command, killed_again_and_again
from faults.power import operations, outage
from faults.relay import Relay
from faults.shop import Shop
from faults.test_any_history import AnyHistory, AnyHistoryAtMostOnce
from faults.test_failing_disks import meets_a_full_disk, meets_a_limit, meets_a_lock, small_disk
from faults.test_jumping_clock import JUMPS, jumps
from faults.test_stopped_process import sleeps_for_a_while
from faults.test_wire_faults import AROUND_THE_DOT, EVERYWHERE, worked_off
from hypothesis import HealthCheck, given, settings
from hypothesis.stateful import run_state_machine_as_test

_MESSAGES: Final = 2000
_KILLS: Final = 50
_TIMES: Final = 10  # how often each trial is made that takes seconds and has no kills
_CUTS: Final = 400
_CUTS_OF_SABOTAGED: Final = 40
_HISTORIES: Final = 100

_COLUMNS: Final = ("trial", "guarantee", "connections", *(field.name for field in fields(Figures)), "per crash")


def main(rounds: int) -> int:
    """Run everything; the exit code."""
    began, broken = monotonic(), 0
    _line(_COLUMNS)
    _line(["---"] * len(_COLUMNS))
    for seed in range(rounds):
        for may_repeat in (True, False):
            broken += _told(_commit_points(may_repeat))
            broken += _told(_wire_faults(seed, may_repeat))
            for connections in (1, 8, 32):
                broken += _told(_kills(seed, connections, may_repeat))
        broken += _told(_disks(random.Random(seed)))
        for has_wal in (True, False):
            for may_repeat in (True, False):
                broken += _told(_power_cuts(seed, has_wal, may_repeat))
    print(flush=True)
    broken += _told(_sabotaged())
    settings(max_examples=_HISTORIES * rounds, deadline=None)(given(**JUMPS)(jumps))()
    print(f"A clock that jumps: {_HISTORIES * rounds} sequences", flush=True)
    for machine in (AnyHistory, AnyHistoryAtMostOnce):
        run_state_machine_as_test(machine, settings=_bounds(_HISTORIES * rounds))
        print(f"{machine.__name__}: {_HISTORIES * rounds} histories of up to 30 acts", flush=True)
    print(f"{timedelta(seconds=round(monotonic() - began))} in all")
    return 1 if broken else 0


def _told(problems: Iterable[str]) -> int:
    """Say what does not hold as soon as it is known; how much that is."""
    told = 0
    for problem in problems:
        print(f"BROKEN: {problem}", flush=True)
        told += 1
    return told


@contextmanager
def _opened(
    messages: int, connections: int, may_repeat: bool = True, place: Path | None = None, **faults: float
) -> Iterator[tuple[Shop, Relay]]:
    """A shop, in a folder of its own unless it has a *place*, and its mail server."""
    with TemporaryDirectory() as name, Relay(Path(name), **faults) as relay:
        folder = (place or Path(name)) / "shop"
        yield Shop.opened(folder, relay.port, contacts=messages, connections=connections, may_repeat=may_repeat), relay


def _kills(seed: int, connections: int, may_repeat: bool) -> Sequence[str]:
    with _opened(_MESSAGES, connections, may_repeat, seed=seed, slowest_answer=0.004 * connections) as (shop, relay):
        found = killed_again_and_again(shop, relay, Command, _KILLS, seed)
        _show("`kill -9`", shop, figures(shop, relay, found.kills))
    return found.problems


def _wire_faults(seed: int, may_repeat: bool) -> Sequence[str]:
    with _opened(500, 8, may_repeat, seed=seed, **EVERYWHERE, **AROUND_THE_DOT) as (shop, relay):
        worked_off(shop, relay)
        _show("faults on the wire", shop, figures(shop, relay, crashes=0))
        return broken_at_the_end(shop, relay, crashes=0)


def _commit_points(may_repeat: bool) -> Sequence[str]:
    """Before and after every commit of a campaign of twenty messages."""
    with _opened(20, 4, may_repeat) as (fresh, relay):
        crashes = [crash for is_before in (True, False) for crash in at_every_commit(fresh, relay, is_before)]
        _show("each commit", fresh, sum((crash.figures for crash in crashes), NOTHING))
    return [problem for crash in crashes for problem in crash.problems]


def _disks(chance: random.Random) -> Iterator[str]:
    """What takes a daemon's store, or its time, away for a while."""
    yield from _repeated("size of files limited", meets_a_limit, chance)
    for is_killed in (False, True):
        yield from _repeated(f"disk full{', then `kill -9`' * is_killed}", _on_a_small_disk(is_killed), chance)
    for is_patient in (True, False):
        name = f"store locked, {'within' if is_patient else 'beyond'} its patience"
        yield from _repeated(name, partial(meets_a_lock, is_patient=is_patient), chance)
    yield from _repeated("stopped and continued", sleeps_for_a_while, chance)


def _on_a_small_disk(is_killed: bool) -> Callable[[Shop, Relay], None]:
    return lambda shop, relay: meets_a_full_disk(shop, relay, shop.folder.with_name("filler"), is_killed)


def _repeated(name: str, meets: Callable[[Shop, Relay], None], chance: random.Random) -> Iterator[str]:
    """Each time it comes after another number of messages."""
    total = NOTHING
    for _ in range(_TIMES):
        with (
            TemporaryDirectory() as folder,
            small_disk(Path(folder) / "disk") as disk,
            _opened(300, 8, place=disk, holds_after=chance.randint(1, 200)) as (shop, relay),
        ):
            meets(shop, relay)
            yield from broken_at_the_end(shop, relay, crashes=0)
            total += figures(shop, relay, crashes=0)
    _show(name, shop, total)


def _power_cuts(seed: int, has_wal: bool, may_repeat: bool) -> Iterator[str]:
    total = NOTHING
    with _opened(12, 3, may_repeat) as (fresh, relay):
        most = operations(fresh, has_wal)
        # Half of the seeds for each guarantee.
        for each in range(seed * _CUTS + may_repeat, (seed + 1) * _CUTS, 2):
            relay.forget()
            found = outage(fresh.copied(fresh.folder.with_name(f"cut-{each}")), relay, each, most, has_wal)
            yield from found.problems
            total += found.figures or NOTHING
        _show(f"power cut, {'write-ahead log' if has_wal else 'rollback journal'}", fresh, total)


def _sabotaged() -> Iterator[str]:
    """In how many trials each build was noticed; what is wrong is one that never was."""
    for name in ("cursor at fetch", "record before the reply"):
        with _opened(20, 4) as (fresh, relay):
            noticed = [bool(each.problems) for each in at_every_commit(fresh, relay, False, SABOTAGED[name])]
        yield from _noticed(name, "crashes after a commit", noticed)
    for has_wal in (True, False):
        with _opened(12, 3) as (fresh, relay):
            most, noticed = operations(fresh, has_wal), []
            for seed in range(_CUTS_OF_SABOTAGED):
                relay.forget()
                shop = fresh.copied(fresh.folder.with_name(f"cut-{seed}"))
                noticed.append(bool(outage(shop, relay, seed, most, has_wal, SABOTAGED["synchronous off"]).problems))
        yield from _noticed("synchronous off", f"power cuts, {'with' if has_wal else 'without'} WAL", noticed)


def _noticed(name: str, trials: str, noticed: Sequence[bool]) -> Iterator[str]:
    print(f"Sabotaged, {name}: noticed in {sum(noticed)} of {len(noticed)} {trials}", flush=True)
    if not any(noticed):
        yield f"the harness does not notice {name}"


def _show(trial: str, shop: Shop, found: Figures) -> None:
    guarantee = "at least once" if shop.may_repeat else "at most once"
    left = found.doubled if shop.may_repeat else found.uncertain
    per_crash = f"{left / found.crashes:.1f}" if found.crashes else ""
    _line([trial, guarantee, shop.connections, *astuple(found), per_crash])


def _line(cells: Sequence[object]) -> None:
    print("|", " | ".join(map(str, cells)), "|", flush=True)


def _bounds(examples: int) -> settings:
    return settings(
        max_examples=examples, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
    )


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1))
