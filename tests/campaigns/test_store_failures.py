"""The store fails while messages are under way: nothing is lost, nothing more leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
from sqlalchemy import select
from world import World

from campaignctl.errors import StoreError
from campaignctl.ports import Ledger, Outcome, Outgoing
from campaignctl.store.ledger import SqlStore
from campaignctl.store.tables import orphan_outcomes

ONE = (
    "campaign: sale\nlist: customers\nstarter: {segment: {attribute: email, exists: true}}\nsteps:\n"
    "  - {id: first, at: 2026-12-01 10:05, email: {subject: Hi, body: hello.md}}\n"
)


@dataclass
class FullDisk:
    """A store on whose disk no commit finds room while `is_full`."""

    store: SqlStore
    is_full: bool = False

    @contextmanager
    def reading(self) -> Iterator[Ledger]:
        with self.store.reading() as ledger:
            yield ledger

    @contextmanager
    def writing(self) -> Iterator[Ledger]:
        with self.store.writing() as ledger:
            yield ledger
            if self.is_full:
                raise StoreError("S106", "the disk is full", "make room")


def full_after(world: World, disk: FullDisk, messages: int) -> None:
    """The disk is full as soon as the mail server has taken so many messages."""
    taken = world.email.exchange

    def exchange(outgoing: Sequence[Outgoing], _patience: timedelta | None = None) -> Sequence[Outcome]:
        outcomes = taken(outgoing)
        if len(world.email.sent) >= messages:
            disk.is_full = True
        return outcomes

    world.email.exchange = exchange  # type: ignore[method-assign] # a mail server that watches


def test_results_wait_for_room_on_the_disk_and_nothing_more_leaves(world: World) -> None:
    world.contacts()
    world.publish(ONE)
    world.email.capacity = 1
    disk = FullDisk(world.store)
    full_after(world, disk, 2)
    daemon = world.daemon(store=disk)
    with pytest.raises(StoreError):
        world.run_until("2026-12-01 10:06", daemon)
    assert len(world.email.sent) == 2
    assert world.deliveries("first") == {"queued": 1, "sending": 1, "sent": 1}
    assert [kept.result.state for kept in world.spill.kept()] == ["sent"]

    # When there is room again
    disk.is_full = False
    world.email.sent.clear()
    world.run_until("2026-12-01 10:10", daemon)
    assert world.deliveries("first") == {"sent": 3}
    assert len(world.email.sent) == 1
    assert world.spill.kept() == []


def test_a_daemon_that_dies_on_a_full_disk_leaves_its_results_to_the_next(world: World) -> None:
    """Without them the message would be uncertain, and sent a second time."""
    world.contacts()
    world.publish(ONE)
    world.email.capacity = 1
    disk = FullDisk(world.store)
    full_after(world, disk, 1)
    with pytest.raises(StoreError):
        world.run_until("2026-12-01 10:06", world.daemon(store=disk))
    assert world.deliveries("first") == {"queued": 2, "sending": 1}
    world.run_until("2026-12-01 10:10", world.daemon())
    assert world.deliveries("first") == {"sent": 3}
    assert sorted(world.addresses) == ["ada@example.org", "alan@example.org", "grace@example.org"]


def test_a_result_that_comes_when_another_daemon_has_taken_over_is_kept_and_decides_nothing(world: World) -> None:
    """
    A daemon that was stopped for a while (SIGSTOP) wakes up with an outcome:

    * it writes the intent and hands the message over
    * it sleeps; a second one takes over, calls the delivery uncertain
    * it wakes up and says "sent"
    """
    world.contacts("id,email,name\nc-1,ada@example.org,Ada\n")
    world.publish(ONE)
    taken = world.email.exchange

    def exchange(outgoing: Sequence[Outgoing], _patience: timedelta | None = None) -> Sequence[Outcome]:
        outcomes = taken(outgoing)
        if outcomes:
            world.daemon(may_repeat=False)
        return outcomes

    world.email.exchange = exchange  # type: ignore[method-assign] # time passes while it talks
    world.run_until("2026-12-01 10:06", world.daemon(may_repeat=False))
    assert world.deliveries("first") == {"uncertain": 1}
    with world.store.reading() as ledger:
        kept = ledger.connection.execute(select(orphan_outcomes.c.state, orphan_outcomes.c.epoch)).all()
    assert [tuple(row) for row in kept] == [("sent", 1)]


def test_a_spill_that_was_cut_off_gives_what_is_whole(world: World) -> None:
    world.contacts()
    world.publish(ONE)
    disk = FullDisk(world.store)
    full_after(world, disk, 1)
    with pytest.raises(StoreError):
        world.run_until("2026-12-01 10:06", world.daemon(store=disk))
    path = world.folder / "campaignctl.db.spill"
    content = path.read_bytes()
    size = len(content)
    whole = content.rstrip(b"\0")
    path.write_bytes(whole[:-20] + bytes(size - len(whole) + 20))
    assert len(world.spill.kept()) == 2
