"""Hooks are told in a thread of their own, which outlives a store that fails for a while."""

from __future__ import annotations

from contextlib import AbstractContextManager
from threading import Event

from hooks.told import ToldWorld
from processes.test_run import wait_for

from campaignctl.channels.hook_posts import HookPosts
from campaignctl.engine.hooks import HookTeller, TellingThread
from campaignctl.errors import StoreError
from campaignctl.ports import Ledger, Store


class FullStore:
    """A store that takes nothing until there is room again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.has_room = Event()

    def reading(self) -> AbstractContextManager[Ledger]:
        return self._store.reading()

    def writing(self) -> AbstractContextManager[Ledger]:
        if not self.has_room.is_set():
            raise StoreError("S106", "the disk is full", "make room")
        return self._store.writing()


def test_what_was_told_while_the_disk_was_full_is_written_down_later_and_not_told_again(told: ToldWorld) -> None:
    told.hooked("message.sent")
    told.publish()
    told.world.run_until("2026-12-01 10:10")
    store, heard, project = FullStore(told.world.store), list[str](), told.world.project.project
    posts = HookPosts(project.endpoints, project.hooks, 4)
    teller = HookTeller(store, posts, project.hooks, told.world.clock.now)
    thread = TellingThread(teller, heard.extend)
    wait_for(lambda: heard)
    assert thread.wake_at() is not None
    store.has_room.set()
    wait_for(lambda: thread.wake_at() is None)
    thread.close()
    posts.close()
    assert set(heard) == {"hooks: the disk is full"}
    assert [each.short for each in told.receiver.heard] == [
        ("message.sent", "c-1"), ("message.sent", "c-2"), ("message.sent", "c-3"),
    ]  # fmt: skip


def test_a_thread_that_ends_says_what_it_could_not_write_down(told: ToldWorld) -> None:
    told.hooked("message.sent")
    told.publish()
    told.world.run_until("2026-12-01 10:10")
    store, heard, project = FullStore(told.world.store), list[str](), told.world.project.project
    posts = HookPosts(project.endpoints, project.hooks, 4)
    thread = TellingThread(HookTeller(store, posts, project.hooks, told.world.clock.now), heard.extend)
    wait_for(lambda: told.receiver.taken)
    thread.close()
    posts.close()
    assert heard[-1] == "hooks: the disk is full; what was told since is told again"
