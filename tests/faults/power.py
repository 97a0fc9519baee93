"""Daemons whose power is cut, and the store that is found when it is back."""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path

from faults import apsw_driver
from faults.builds import TRUE, Build
from faults.disk import Disk
from faults.doomed import IMMORTAL, ended, in_a_process, started, work
from faults.invariants import Delivery, Figures, broken_at_the_end, broken_in_between, figures, ledger_of, looked_into
from faults.relay import Relay
from faults.shop import Shop

from campaignctl.engine.daemon import Until
from campaignctl.store.database import sqlite_module

# With an older SQLite the store keeps a rollback journal in place of a write-ahead log.
_WITHOUT_WAL = (3, 45, 0)


@dataclass(frozen=True)
class Supply:
    """When the power is cut, what a disk makes of it, and how the store keeps its journal."""

    cut: int = 0
    seed: int = 0
    has_wal: bool = True


def work_on_disk(shop: Shop, build: Build, supply: Supply) -> None:
    """Be a daemon whose store is on a disk that may lose its power."""
    disk = Disk(apsw_driver.VFS, supply.cut, supply.seed)
    if not supply.has_wal:
        apsw_driver.sqlite_version_info = _WITHOUT_WAL
    # The store asks for the driver by this name, in this process as in any other.
    sys.modules["pysqlite3"] = apsw_driver
    work(shop, build, IMMORTAL, timedelta(0), Until.IDLE)
    _operations(shop).write_text(str(disk.operations))


def on_disk(shop: Shop, build: Build = TRUE, supply: Supply = Supply()) -> BaseProcess:
    """A daemon that has been started so."""
    return in_a_process(work_on_disk, shop, build, supply)


def operations(fresh: Shop, has_wal: bool) -> int:
    """How often the whole campaign of a shop asks something of its disk."""
    shop = fresh.copied(fresh.folder.with_name(f"uncut-{has_wal}"))
    assert ended(on_disk(shop, supply=Supply(has_wal=has_wal)))
    return int(_operations(shop).read_text())


@dataclass(frozen=True)
class Outage:
    """What is found when the power has failed once or twice, and at last one daemon could work in peace."""

    problems: list[str]
    figures: Figures | None = None


def outage(shop: Shop, relay: Relay, seed: int, most: int, has_wal: bool, build: Build = TRUE) -> Outage:
    """Cut the power where the seed says, among the first *most* things that are asked of a disk."""
    chance = random.Random(seed)
    cuts = 0
    before: dict[str, Delivery] = {}
    for _ in range(chance.choice([1, 1, 2])):
        if ended(on_disk(shop, build, Supply(chance.randint(1, most), chance.getrandbits(32), has_wal))):
            break
        cuts += 1
        problems = _damage(shop) or broken_in_between(shop, relay, before)
        if problems:
            return Outage(problems)
        before = ledger_of(shop)
    assert ended(started(shop))
    return Outage(broken_at_the_end(shop, relay, cuts), figures(shop, relay, cuts))


def _damage(shop: Shop) -> list[str]:
    """What SQLite itself finds wrong with the store."""
    with looked_into(shop) as connection:
        try:
            return [said for (said,) in connection.execute("PRAGMA integrity_check") if said != "ok"]
        except sqlite_module().DatabaseError as failure:
            return [str(failure)]


def _operations(shop: Shop) -> Path:
    return shop.folder / "operations"
