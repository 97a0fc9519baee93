"""The one module that names the real store, channels and clock."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from campaignctl.channels.outbox import OutboxChannel
from campaignctl.channels.smtp.settings import SmtpSettings
from campaignctl.clock import Clock
from campaignctl.dkim_key import signature_of
from campaignctl.engine.daemon import Daemon
from campaignctl.engine.dispatch import Dispatcher
from campaignctl.engine.rules import SendingRules
from campaignctl.engine.tick import Engine, TickReport
from campaignctl.errors import ChannelError, RefusedError, StoreError, WorkFailedError
from campaignctl.message.links import KeyRing, Signer
from campaignctl.message.marks import Marks
from campaignctl.message.return_path import ReturnPath, ReturnPaths
from campaignctl.ports import Channel
from campaignctl.project import ProjectFile, unset_variable
from campaignctl.stopping import finish_stops
from campaignctl.store.database import open_sqlite, open_to_look
from campaignctl.store.ledger import SqlStore
from campaignctl.store.spill import SpillFile

OUTBOX = "outbox"


def store_path(project: ProjectFile, wanted: str | None) -> Path:
    """The file of the store: as asked for, or as the project says."""
    named = wanted or project.project.store
    if named.startswith(("postgres://", "postgresql://", "postgresql+")):
        raise StoreError(
            "S107", "PostgreSQL is not among the stores of this version", "name a file: `store: campaignctl.db`"
        )
    path = Path(named.removeprefix("sqlite:///")).expanduser()
    return path if path.is_absolute() or wanted else project.folder / path


@contextmanager
def opened_store(path: Path, clock: Clock) -> Iterator[SqlStore]:
    """The store in the file *path*, closed at the end."""
    store = SqlStore(open_sqlite(path, clock.now()))
    try:
        yield store
    finally:
        store.close()


@contextmanager
def store_to_look_at(path: Path) -> Iterator[SqlStore]:
    """The store in the file *path*, which has to be there, and is not changed; closed at the end."""
    store = SqlStore(open_to_look(path))
    try:
        yield store
    finally:
        store.close()


def email_channel(project: ProjectFile) -> Channel:
    """
    What carries e-mail: the mail server of the project, or the outbox where it names none.

    Raises:
        ChannelError: the server's address cannot be used.
    """
    settings = mail_server(project)
    if settings is None:
        return OutboxChannel(project.folder / OUTBOX)
    from campaignctl.channels.smtp.channel import SmtpChannel

    return SmtpChannel(settings)


def where_messages_go(project: ProjectFile) -> str:
    """The channel of e-mail, for people."""
    settings = mail_server(project)
    if settings is None:
        return f"the outbox, {project.folder / OUTBOX}"
    return f"the mail server {settings.host}:{settings.port}"


def mail_server(project: ProjectFile) -> SmtpSettings | None:
    """
    Where the project's mail server is, and how to talk to it; None where messages go to the outbox.

    Raises:
        ChannelError: its address cannot be used.
    """
    settings = project.project.channels.email
    if settings is None or settings.smtp is None:
        return None
    if (name := unset_variable(settings.smtp)) is not None:
        raise ChannelError("D101", f"the environment variable `{name}` is not set", "set it, or leave the channel out")
    try:
        return SmtpSettings.from_url(settings.smtp, tls=settings.tls, connections=settings.connections)
    except ValueError as failure:
        raise ChannelError("D102", str(failure), "write it like `smtp://user:password@host:587`") from failure


def return_path_of(project: ProjectFile, store: SqlStore, clock: Clock) -> ReturnPath | None:
    """Where reports about messages go, signed by the store; None where the project names no bounce mailbox."""
    mailbox = project.project.bounces
    return None if mailbox is None else ReturnPath(mailbox, signer_of(store, clock))


def return_paths_of(project: ProjectFile, store: SqlStore) -> ReturnPaths:
    """
    What finds the return paths of a project in reports.

    Raises:
        WorkFailedError: the project names no bounce mailbox.
    """
    if project.project.bounces is None:
        raise WorkFailedError(
            "S231", "the project names no bounce mailbox", "write it into campaignctl.yaml: `bounces: ADDRESS`"
        )
    return ReturnPaths(project.project.bounces, keys_of(store))


def sending_rules(project: ProjectFile, store: SqlStore, clock: Clock) -> SendingRules:
    """
    What the project says about sending, with what its store signs.

    Raises:
        ChannelError: the key that signs messages cannot be had.
    """
    providers = project.project.providers.names
    marks = Marks(providers, signer_of(store, clock)) if providers else None
    return_path = return_path_of(project, store, clock)
    return SendingRules.of(project.project, return_path, marks, signature_of(project))


@contextmanager
def daemon_for(
    store: SqlStore, path: Path, project: ProjectFile, clock: Clock, show: Callable[[TickReport], None]
) -> Iterator[Daemon]:
    """
    A daemon on this store, alone until the end of the block.

    Raises:
        RefusedError: another daemon runs on the store.
        StoreError: there is no room to keep results beside it.
    """
    with alone_on(path):
        channel = email_channel(project)
        rules = sending_rules(project, store, clock)
        epoch = store.begin_epoch(socket.gethostname(), os.getpid(), clock.now())
        spill = SpillFile(path.with_name(path.name + ".spill"))
        take_over(store, spill, epoch, rules.may_repeat, clock)
        try:
            dispatcher = Dispatcher(store, channel, epoch, rules, spill)
            yield Daemon(Engine(store, dispatcher, signer_of(store, clock)), clock, show)
        finally:
            channel.close()
            store.end_epoch(epoch, clock.now())


def keys_of(store: SqlStore) -> KeyRing:
    """What opens everything that this store has ever signed."""
    with store.reading() as ledger:
        return KeyRing(Signer(number, secret) for number, secret in ledger.signing_keys())


def signer_of(store: SqlStore, clock: Clock) -> Signer:
    """What signs the links of messages: the newest key of the store, which has one from now on."""
    with store.writing() as ledger:
        ledger.ensure_signing_key(clock.now())
        return Signer(*ledger.signing_keys()[0])


def take_over(store: SqlStore, spill: SpillFile, epoch: int, may_repeat: bool, clock: Clock) -> None:
    """
    Go on where others died: first what daemons knew, then what nobody knows, then what was to be stopped.

    Raises:
        StoreError: there is no room to keep results beside the store.
    """
    with store.writing() as ledger:
        ledger.record(spill.kept())
        ledger.recover(epoch, may_repeat, clock.now())
    finish_stops(store, actor="campaignctl", now=clock.now())
    try:
        spill.prepare()
        spill.keep([])
    except OSError as failure:
        raise StoreError(
            "S106", f"there is no room beside the store: {failure.strerror}", "make room and start again"
        ) from failure


@contextmanager
def alone_on(path: Path) -> Iterator[None]:
    """
    Hold the daemon's lock on a store for as long as the block lasts; a process that dies lets go of it.

    Raises:
        RefusedError: a daemon holds it.
    """
    with _lock_file(path) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as failure:
            raise RefusedError(
                "D110", f"another daemon runs on the store `{path.name}`", "end it first: one daemon works a store"
            ) from failure
        yield


def has_daemon(path: Path) -> bool:
    """Whether a daemon runs on the store: nobody else can share its lock."""
    try:
        with _lock_path(path).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # the first daemon makes the file
    return False


def _lock_file(path: Path) -> IO[str]:
    try:
        return _lock_path(path).open("a")
    except OSError as failure:
        raise StoreError(
            "S101",
            f"the lock `{_lock_path(path)}` cannot be made: {failure.strerror}",
            "check the folder and its permissions",
        ) from failure


def _lock_path(path: Path) -> Path:
    return path.with_name(path.name + ".lock")
