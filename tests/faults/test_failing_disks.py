"""A full disk and a locked store pass: nothing more leaves meanwhile, and nothing is lost or doubled."""

from __future__ import annotations

import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faults.builds import IMPATIENT
from faults.doomed import ended, started
from faults.invariants import broken_at_the_end, ledger_of, looked_into
from faults.relay import Relay
from faults.shop import Shop

_WAITS = "nothing leaves until it works again"


def said(daemon: subprocess.Popen[str], words: str) -> str:
    """The line in which the daemon says so."""
    assert daemon.stderr is not None
    return next(line for line in daemon.stderr if words in line)


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


def meets_a_limit(shop: Shop, relay: Relay) -> None:
    """A limit for the size of files stops the write-ahead log from growing while messages are under way."""
    with shop.daemon("--until-idle") as daemon:
        relay.wait_for_hold()
        largest = max(file.stat().st_size for file in shop.folder.iterdir())
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
        relay.release()
        nothing_leaves(shop, relay, daemon)
        resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        daemon.communicate(timeout=120)
        assert daemon.returncode == 0


def meets_a_full_disk(shop: Shop, relay: Relay, filler: Path, is_killed: bool) -> None:
    """What was known when the disk was full is in the spill file, so that even a kill then costs nothing."""
    with shop.daemon("--until-idle") as daemon:
        relay.wait_for_hold()
        fill(filler)
        relay.release()
        nothing_leaves(shop, relay, daemon)
        if is_killed:
            daemon.kill()
        filler.unlink()
        daemon.communicate(timeout=120)
        assert daemon.returncode == (-signal.SIGKILL if is_killed else 0)
    if is_killed:
        shop.command("run", "--until-idle")


def meets_a_lock(shop: Shop, relay: Relay, is_patient: bool) -> None:
    """Another process holds the store, within the patience of a transaction or, with little of it, beyond."""
    daemon = started(shop) if is_patient else started(shop, IMPATIENT)
    held_at = relay.wait_for_hold()
    with looked_into(shop) as other:
        other.isolation_level = None
        other.execute("BEGIN IMMEDIATE").close()
        under_way = sum(one.state == "sending" for one in ledger_of(shop).values())
        relay.release()
        # What has its intent may still go, and nothing else does.
        assert relay.wait_for(shop.contacts, seconds=1.0) <= held_at + under_way
        other.execute("ROLLBACK").close()
    assert ended(daemon)


def nothing_leaves(shop: Shop, relay: Relay, daemon: subprocess.Popen[str]) -> None:
    """Between the first and the second time that the daemon says so."""
    said(daemon, _WAITS)
    before = len(relay.accepted())
    said(daemon, _WAITS)
    assert len(relay.accepted()) == before < shop.contacts


def test_a_daemon_that_may_not_write_more_goes_on_when_it_may(tmp_path: Path) -> None:
    with Relay(tmp_path, holds_after=20) as relay:
        # Enough for a log that is longer than anything else in the folder.
        shop = Shop.opened(tmp_path / "shop", relay.port, contacts=400, connections=8)
        meets_a_limit(shop, relay)
        assert broken_at_the_end(shop, relay, crashes=0) == []


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_full_disk_loses_and_doubles_nothing(tmp_path: Path, is_killed: bool) -> None:
    with small_disk(tmp_path / "disk") as disk, Relay(tmp_path, holds_after=20) as relay:
        shop = Shop.opened(disk / "shop", relay.port, contacts=150, connections=8)
        meets_a_full_disk(shop, relay, disk / "filler", is_killed)
        assert broken_at_the_end(shop, relay, crashes=0) == []


@pytest.mark.parametrize("is_patient", [True, False])
def test_a_store_that_another_process_holds_is_waited_for(tmp_path: Path, is_patient: bool) -> None:
    with Relay(tmp_path, holds_after=20) as relay:
        shop = Shop.opened(tmp_path / "shop", relay.port, contacts=150, connections=8)
        meets_a_lock(shop, relay, is_patient)
        assert broken_at_the_end(shop, relay, crashes=0) == []


def test_no_room_beside_the_store_is_said_at_the_start(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk, Relay(tmp_path) as relay:
        shop = Shop.opened(disk / "shop", relay.port, contacts=3)
        fill(disk / "filler")
        assert "error[S106]" in shop.command("run", "--once", expected=78)
        (disk / "filler").unlink()
        shop.command("run", "--until-idle")
        assert broken_at_the_end(shop, relay, crashes=0) == []
