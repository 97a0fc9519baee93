"""What every handler of the service works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

from anyio.to_thread import run_sync

from campaignctl.clock import Clock
from campaignctl.message.links import KeyRing, Signer
from campaignctl.project import ProjectFile
from campaignctl.store.ledger import SqlStore

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Service:
    """The project and its store, the time, and the keys of links."""

    project: ProjectFile
    store: SqlStore
    clock: Clock
    signer: Signer
    keys: KeyRing

    async def in_thread(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Do what waits for the store or a disk beside the event loop, which goes on answering others."""
        return await run_sync(partial(function, *arguments, **named))
