"""A full disk and a locked store pass: nothing more leaves meanwhile, and nothing is lost or doubled."""

from __future__ import annotations

import resource
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from faults.builds import IMPATIENT
from faults.doomed import ended, started
from faults.invariants import broken_at_the_end, ledger_of
from faults.relay import Relay
from faults.shop import Shop

from campaignctl.store.database import sqlite_module

_SQLITE: type[sqlite3] = sqlite_module()  # type: ignore[valid-type,assignment] # the same module by another name
_WAITS = "nothing leaves until it works again"


def said(daemon: subprocess.Popen[str], words: str) -> str:
    """The line in which the daemon says so."""
    assert daemon.stderr is not None
    return next(line for line in daemon.stderr if words in line)


def test_a_daemon_that_may_not_write_more_goes_on_when_it_may(tmp_path: Path) -> None:
    """A limit for the size of files stops the write-ahead log from growing while messages are under way."""
    with Relay(tmp_path, slowest_answer=0.02) as relay:
        shop = Shop.opened(tmp_path / "shop", relay.port, contacts=150, connections=8)
        daemon = shop.daemon("--until-idle")
        relay.wait_for(20)
        largest = max(file.stat().st_size for file in shop.folder.iterdir())
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
        said(daemon, _WAITS)
        before = len(relay.accepted())
        said(daemon, _WAITS)
        assert len(relay.accepted()) == before < 150
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        daemon.communicate(timeout=120)
        assert daemon.returncode == 0
        assert broken_at_the_end(shop, relay, crashes=0) == []


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """A file system of 2 MB in memory."""
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", place], capture_output=True)
    if done.returncode != 0:
        pytest.skip("only root may mount a file system, and not in every container")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


def fill(file: Path) -> None:
    """Leave not one free block on the disk of *file*."""
    with file.open("wb", buffering=0) as filler:
        try:
            while filler.write(bytes(4096)):
                pass
        except OSError:
            return


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_full_disk_loses_and_doubles_nothing(tmp_path: Path, is_killed: bool) -> None:
    """What was known when the disk was full is in the spill file, so that even a kill then costs nothing."""
    with small_disk(tmp_path / "disk") as disk, Relay(tmp_path, slowest_answer=0.02) as relay:
        shop = Shop.opened(disk / "shop", relay.port, contacts=150, connections=8)
        daemon = shop.daemon("--until-idle")
        relay.wait_for(20)
        fill(disk / "filler")
        said(daemon, _WAITS)
        before = len(relay.accepted())
        said(daemon, _WAITS)
        assert len(relay.accepted()) == before < 150
        if is_killed:
            daemon.kill()
            daemon.communicate()
        (disk / "filler").unlink()
        if is_killed:
            daemon = shop.daemon("--until-idle")
        daemon.communicate(timeout=120)
        assert daemon.returncode == 0
        assert broken_at_the_end(shop, relay, crashes=0) == []


@pytest.mark.parametrize("is_patient", [True, False])
def test_a_store_that_another_process_holds_is_waited_for(tmp_path: Path, is_patient: bool) -> None:
    """Both within the patience of a transaction and, with little of it, beyond."""
    with Relay(tmp_path, slowest_answer=0.02) as relay:
        shop = Shop.opened(tmp_path / "shop", relay.port, contacts=150, connections=8)
        daemon = started(shop) if is_patient else started(shop, IMPATIENT)
        relay.wait_for(20)
        with closing(_SQLITE.connect(shop.store, timeout=60, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE").close()
            under_way = sum(one.state == "sending" for one in ledger_of(shop).values())
            held_at = len(relay.accepted())
            # What has its intent may still go; longer than any answer takes, nothing else does.
            assert relay.wait_for(150, seconds=1.0) <= held_at + under_way
            other.execute("ROLLBACK").close()
        assert ended(daemon)
        assert broken_at_the_end(shop, relay, crashes=0) == []


def test_no_room_beside_the_store_is_said_at_the_start(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, Relay(tmp_path) as relay:
        shop = Shop.opened(disk / "shop", relay.port, contacts=3)
        fill(disk / "filler")
        assert "error[S106]" in shop.command("run", "--once", expected=78)
        (disk / "filler").unlink()
        shop.command("run", "--until-idle")
        assert broken_at_the_end(shop, relay, crashes=0) == []
