"""What every handler of the service works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Final, ParamSpec, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from campaignctl.clock import Clock
from campaignctl.message.landing import Landing
from campaignctl.message.links import KeyRing, Signer
from campaignctl.project import ProjectFile
from campaignctl.store.ledger import SqlStore
from campaignctl.web.downloads import Downloads
from campaignctl.web.writing import Writer

P = ParamSpec("P")
T = TypeVar("T")
# So many requests of many contacts are worked on at once: readers who unsubscribe need threads too.
_AT_LENGTH: Final = 2


@dataclass(frozen=True)
class Service:
    """The project and its store, the time, and the keys of links."""

    project: ProjectFile
    store: SqlStore
    clock: Clock
    signer: Signer
    keys: KeyRing
    known_links: dict[tuple[int, int], str] = field(default_factory=dict)  # they never change once they were sent

    @cached_property
    def landing(self) -> Landing:
        """What counted links lead to."""
        conversions = self.project.project.conversions
        return Landing(conversions.parameter, conversions.hosts)

    @cached_property
    def writer(self) -> Writer:
        """What writes opens and clicks."""
        return Writer(self.store, self.clock)

    @cached_property
    def _long_work(self) -> CapacityLimiter:
        return CapacityLimiter(_AT_LENGTH)

    @cached_property
    def downloads(self) -> Downloads:
        """What fetches requests that are somewhere else."""
        return Downloads(self.project.project)

    def close(self) -> None:
        """Write what waits to be written."""
        if "writer" in vars(self):
            self.writer.close()

    async def in_thread(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Do what waits for the store or a disk beside the event loop, which goes on answering others."""
        return await run_sync(partial(function, *arguments, **named))

    async def at_length(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """The same for what may take a minute: it waits until nobody else does much of that."""
        return await run_sync(partial(function, *arguments, **named), limiter=self._long_work)
