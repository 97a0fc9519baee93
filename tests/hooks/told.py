"""A world whose hooks are told over HTTP, by a teller that works when a test says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from hooks.receiver import SECRET, Receiver
from world import PROJECT, World

from campaignctl.channels.hook_posts import HookPosts
from campaignctl.engine.hooks import HookTeller
from campaignctl.hook_settings import EVENT_TYPES
from campaignctl.ports import HookEndpoints
from campaignctl.project import PROJECT_FILE

ALL = ", ".join(EVENT_TYPES)
SALE = """
campaign: sale
list: customers
starter: {segment: {attribute: email, exists: true}}
steps:
  - {id: first, at: 2026-12-01 10:05, email: {subject: Hi, body: hello.md}}
  - {id: mark, at: 2026-12-01 10:05, set: {engaged: true}}
"""


class ToldWorld:
    """A world, what listens to its hook `crm`, and what tells it."""

    def __init__(self, world: World, receiver: Receiver) -> None:
        self.world = world
        self.receiver = receiver
        self.troubles: list[str] = []

    def hooked(self, events: str = ALL, more: str = "", also: str = "") -> None:
        """The project has the hook `crm` from now on; *also* are further hooks."""
        self.world.write(
            PROJECT_FILE,
            PROJECT
            + f"endpoints: {{crm: {{url: '{self.receiver.url}', secret: {SECRET}, allow_private: true}}}}\n"
            + f"hooks:\n  crm: {{endpoint: crm, events: [{events}]{more}}}\n{also}",
        )

    def publish(self, text: str = SALE) -> None:
        self.world.at("2026-12-01 09:00")
        self.world.contacts()
        self.world.publish(text)

    def start_daemon(self) -> None:
        """What a daemon does with the hooks of the project when it starts."""
        with self.world.store.writing() as ledger:
            ledger.keep_hooks(self.world.project.project.hooks, self.world.clock.now())

    def tell(self, endpoints: HookEndpoints | None = None) -> None:
        """Let a teller work until nothing is due."""
        with self.teller(endpoints) as teller:
            self.finish(teller)

    def finish(self, teller: HookTeller) -> None:
        while True:
            self.troubles += teller.proceed()
            wake_at = teller.wake_at()
            if not teller.is_busy and (wake_at is None or wake_at > self.world.clock.now()):
                return

    @contextmanager
    def teller(self, endpoints: HookEndpoints | None = None) -> Iterator[HookTeller]:
        project = self.world.project.project
        posts = HookPosts(project.endpoints, project.hooks, 4)
        teller = HookTeller(self.world.store, endpoints or posts, project.hooks, self.world.clock.now)
        try:
            yield teller
        finally:
            teller.close()
            posts.close()

    def wake_at(self) -> datetime | None:
        with self.teller() as teller:
            return teller.wake_at()

    @property
    def taken(self) -> list[tuple[str, str | None]]:
        return [each.short for each in self.receiver.taken]
