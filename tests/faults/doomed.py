"""
Daemons in processes that are forked from one which has loaded everything: hundreds of them cost little.

Their clock may run ahead, they may be of another build, and they may have been
told at which commit to kill themselves.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing.process import BaseProcess

from faults.builds import TRUE, Build, BuiltStore
from faults.shop import Shop
from sqlalchemy import Connection

from campaignctl.clock import SystemClock
from campaignctl.engine.daemon import Daemon, Until
from campaignctl.engine.dispatch import Dispatcher
from campaignctl.engine.rules import SendingRules
from campaignctl.engine.tick import Engine
from campaignctl.message.links import Signer
from campaignctl.store.database import Database, open_sqlite
from campaignctl.store.spill import SpillFile
from campaignctl.wiring import email_channel

_SAFETY = 120.0
# Installed packages alone: Python 3.11 does not tell this process where tests are.
_LOADED = [
    "campaignctl.demo",
    "campaignctl.channels.smtp.channel",
    "campaignctl.message.email",
    "apsw",
    "markdown_it",
    "pysqlite3",
    "sqlalchemy.dialects.sqlite.pysqlite",
]


@dataclass(frozen=True)
class Doom:
    """The commit, counted from one, before or after which the process dies; none with 0."""

    commit: int = 0
    is_before: bool = True


IMMORTAL = Doom()


class MortalDatabase(Database):
    """A database whose process dies at a commit, as if the power switch of the process were there."""

    def __init__(self, database: Database, doom: Doom) -> None:
        super().__init__(database.engine, database.path)
        self._doom = doom
        self._commits = 0

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        self._commits += 1
        is_last = self._commits == self._doom.commit
        with super().writing() as connection:
            yield connection
            if is_last and self._doom.is_before:
                os.kill(os.getpid(), signal.SIGKILL)
        if is_last:
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class ClockAhead:
    """The system's clock, some time ahead: what is to be tried again later can be tried now."""

    by: timedelta

    def now(self) -> datetime:
        return SystemClock().now() + self.by


def work(shop: Shop, build: Build, doom: Doom, ahead: timedelta, until: Until) -> None:
    """Be a daemon on the shop's store, as `wiring.daemon_for` puts one together."""
    clock = ClockAhead(ahead)
    database = MortalDatabase(open_sqlite(shop.store, clock.now()), doom)
    store = BuiltStore(database, build)
    rules = SendingRules.of(shop.project.project)
    epoch = store.begin_epoch("here", os.getpid(), clock.now())
    with store.writing() as ledger:
        ledger.ensure_signing_key(clock.now())
        signer = Signer(*ledger.signing_keys()[0])
    spill = SpillFile(shop.store.with_name(shop.store.name + ".spill"))
    with store.writing() as ledger:
        ledger.record(spill.kept())
        ledger.recover(epoch, rules.may_repeat, clock.now())
    spill.prepare()
    spill.keep([])
    channel = build.channel(email_channel(shop.project))
    dispatcher = Dispatcher(store, {"email": channel}, epoch, rules, spill)
    Daemon(Engine(store, dispatcher, signer), clock, lambda report: None).run(until)
    channel.close()
    store.end_epoch(epoch, clock.now())
    store.close()


def started(
    shop: Shop,
    build: Build = TRUE,
    doom: Doom = IMMORTAL,
    *,
    ahead: timedelta = timedelta(0),
    until: Until = Until.IDLE,
) -> BaseProcess:
    """A daemon that has been started."""
    return in_a_process(work, shop, build, doom, ahead, until)


def in_a_process(what: Callable[..., None], *arguments: object) -> BaseProcess:
    """Do something in a process of its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(_LOADED)
    process = context.Process(target=what, args=arguments, daemon=True)
    process.start()
    return process


def ended(process: BaseProcess) -> bool:
    """Wait for its end; whether it went well, and not by a kill."""
    code = exit_code(process)
    assert code in (0, -signal.SIGKILL), f"a daemon ended with {code}"
    return code == 0


def exit_code(process: BaseProcess) -> int | None:
    """Wait for its end; None where it does not come."""
    process.join(_SAFETY)
    code = process.exitcode
    if code is not None:
        process.close()
    return code
