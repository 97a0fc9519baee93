"""The one module that names the real store, channels and clock."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

from campaignctl.channels.exports import ExportFolder
from campaignctl.channels.outbox import OutboxChannel
from campaignctl.channels.smtp.settings import SmtpSettings
from campaignctl.channels.unusable import UnusableChannel
from campaignctl.clock import Clock
from campaignctl.contacts.event_line import EventReader
from campaignctl.dkim_key import signature_of
from campaignctl.engine.carry_out import Outside
from campaignctl.engine.daemon import Daemon
from campaignctl.engine.dispatch import Dispatcher
from campaignctl.engine.hooks import HookTeller, TellingThread, lanes_at_once
from campaignctl.engine.rules import SendingRules, sms_rules
from campaignctl.engine.tick import Engine, TickReport
from campaignctl.errors import ChannelError, RefusedError, StoreError, WorkFailedError
from campaignctl.message.links import KeyRing, Purpose, Signer
from campaignctl.message.marks import Callbacks, Marks
from campaignctl.message.return_path import ReturnPath, ReturnPaths
from campaignctl.ports import Channel
from campaignctl.project import ProjectFile, unset_variable
from campaignctl.stopping import finish_stops
from campaignctl.store.database import open_sqlite, open_to_look
from campaignctl.store.ledger import SqlStore
from campaignctl.store.returned import DeliveryNames, NamedDelivery
from campaignctl.store.spill import SpillFile

if TYPE_CHECKING:
    from campaignctl.channels.gate_posts import GatePosts
    from campaignctl.channels.http.endpoint import EndpointSettings
    from campaignctl.channels.http.exchange import HttpClient

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


def gate_endpoints(project: ProjectFile) -> GatePosts:
    """What asks the other systems of the project that decide at send gates."""
    from campaignctl.channels.gate_posts import GatePosts

    return GatePosts(project.project.endpoints)


def all_channels(project: ProjectFile, clock: Clock) -> dict[str, Channel]:
    """
    Everything that carries messages, by the names that steps have for it.

    Where an endpoint cannot be used, only what would go there waits.

    Raises:
        ChannelError: e-mail cannot be sent.
    """
    found = {"email": email_channel(project), "sms": _or_unusable(partial(sms_channel, project, clock))}
    for name in project.project.endpoints:
        found[f"webhook/{name}"] = _or_unusable(partial(webhook_channel, project, name, clock))
        found[f"export/{name}"] = _or_unusable(partial(export_channel, project, name, clock))
    return found


def _or_unusable(make: Callable[[], Channel]) -> Channel:
    try:
        return make()
    except ChannelError as why:
        return UnusableChannel(why)


def sms_channel(project: ProjectFile, clock: Clock) -> Channel:
    """
    What carries text messages: the endpoint of the project, or the outbox where it names none.

    Raises:
        ChannelError: the endpoint cannot be used.
    """
    settings = project.project.channels.sms
    if settings is None:
        return OutboxChannel(project.folder / OUTBOX, ending="json")
    from campaignctl.channels.http.channel import HttpChannel
    from campaignctl.channels.http.presets import MESSAGE_IDS, WITHOUT_KEYS, own_request, text_request, text_verdict

    endpoint = endpoint_settings(project, settings.endpoint)
    named = project.project.endpoints[settings.endpoint]
    request = named.request
    return HttpChannel(
        http_client_for(endpoint),
        text_request(endpoint, settings.preset) if request is None else own_request(endpoint, request.content_type),
        clock,
        # Nobody knows whether a provider without a preset looks at the key of a request of our own form.
        is_idempotent=request is None and settings.preset not in WITHOUT_KEYS,
        judge=text_verdict(named.message_id or MESSAGE_IDS.get(settings.preset)),
    )


def webhook_channel(project: ProjectFile, name: str, clock: Clock) -> Channel:
    """
    What carries the requests of `webhook` steps to one endpoint.

    Raises:
        ChannelError: it cannot be used.
    """
    from campaignctl.channels.http.channel import HttpChannel
    from campaignctl.channels.http.presets import webhook_request

    endpoint = endpoint_settings(project, name)
    return HttpChannel(http_client_for(endpoint), webhook_request(endpoint), clock, is_idempotent=True)


def export_channel(project: ProjectFile, name: str, clock: Clock) -> Channel:
    """
    What hands people to an ad network by one endpoint.

    Raises:
        ChannelError: it cannot be used.
    """
    from campaignctl.channels.http.channel import HttpChannel
    from campaignctl.channels.http.networks import network_request, network_verdict

    endpoint = endpoint_settings(project, name)
    return HttpChannel(
        http_client_for(endpoint), network_request(endpoint), clock, is_idempotent=True, judge=network_verdict
    )


def endpoint_settings(project: ProjectFile, name: str) -> EndpointSettings:
    """
    A named address of the project.

    Raises:
        ChannelError: there is none of this name, or a variable that it needs is not set.
    """
    from campaignctl.channels.http.endpoint import EndpointSettings

    endpoint = project.project.endpoints.get(name)
    if endpoint is None:
        raise ChannelError(
            "D121", f"the project has no endpoint `{name}`", "declare it below `endpoints:` in campaignctl.yaml"
        )
    needed = [endpoint.url, endpoint.secret or "", *endpoint.headers.values()]
    if (missing := next(filter(None, map(unset_variable, needed)), None)) is not None:
        raise ChannelError(
            "D122", f"the endpoint `{name}` needs the environment variable `{missing}`, which is not set",
            "set it where the daemon runs",
        )  # fmt: skip
    return EndpointSettings(name, endpoint.url, endpoint.secret, endpoint.headers, endpoint.allow_private)


def trouble_with_endpoint(endpoint: EndpointSettings) -> str | None:
    """Why no request may go to an endpoint; None where one may. Its name is resolved, and nothing is asked of it."""
    from campaignctl.channels.http.guard import NotAllowedError, allowed, system_addresses, target_of

    try:
        target = target_of(endpoint.url, allow_private=endpoint.allow_private)
        allowed(system_addresses(target.host, target.port), allow_private=endpoint.allow_private)
    except NotAllowedError as failure:
        return str(failure)
    except OSError as failure:
        return f"its name does not resolve: {failure.strerror}"
    return None


def http_client_for(endpoint: EndpointSettings) -> Callable[[], HttpClient]:
    """Opens a client for requests to this endpoint, when the first is made."""

    def opened() -> HttpClient:
        from campaignctl.channels.http.exchange import HttpClient

        return HttpClient(allow_private=endpoint.allow_private)

    return opened


def where_messages_go(project: ProjectFile) -> str:
    """The channel of e-mail, for people."""
    settings = mail_server(project)
    if settings is None:
        return f"the outbox, {project.folder / OUTBOX}"
    return f"the mail server {settings.host}:{settings.port}"


def where_texts_go(project: ProjectFile) -> str:
    """The channel of text messages, for people."""
    sms = project.project.channels.sms
    return f"the outbox, {project.folder / OUTBOX}" if sms is None else f"the endpoint `{sms.endpoint}`"


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


def event_reader(project: ProjectFile, store: SqlStore, keys: KeyRing) -> EventReader:
    """What reads events of the project: tokens and ids of its messages lead to their deliveries."""
    names = DeliveryNames()

    def delivery_of(purpose: Purpose, token: str) -> NamedDelivery | None:
        found = keys.opened(purpose, token)
        if found is None:
            return None
        with store.reading() as ledger:
            return names.of(ledger.connection, *found)

    def delivery_called(message_id: str) -> NamedDelivery | None:
        with store.reading() as ledger:
            found = ledger.delivery_called(message_id)
            return None if found is None else names.of(ledger.connection, *found)

    lists = project.project.lists
    only_list = next(iter(lists)) if len(lists) == 1 else None
    country = sms_rules(project.project).country
    return EventReader(project.project.conversions.window, only_list, country, delivery_of, delivery_called)


def return_path_of(project: ProjectFile, signer: Signer) -> ReturnPath | None:
    """Where reports about messages go, signed by the store; None where the project names no bounce mailbox."""
    mailbox = project.project.bounces
    return None if mailbox is None else ReturnPath(mailbox, signer)


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


def sending_rules(project: ProjectFile, signer: Signer) -> SendingRules:
    """
    What the project says about sending, with what its store signs by *signer*.

    Raises:
        ChannelError: the key that signs messages cannot be had.
    """
    providers = project.project.providers.names
    marks = Marks(providers, signer) if providers else None
    return_path = return_path_of(project, signer)
    return SendingRules.of(project.project, return_path, marks, signature_of(project), _callbacks(project, signer))


def _callbacks(project: ProjectFile, signer: Signer) -> Callbacks | None:
    """Where the provider of text messages tells what became of them, where it is one that we listen to."""
    public_url = project.project.public_url
    if public_url is None or "twilio" not in project.project.providers.names:
        return None
    from campaignctl.providers.twilio import callback_url

    return Callbacks(callback_url(public_url, ""), signer)


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
        channels, endpoints = all_channels(project, clock), gate_endpoints(project)
        signer = signer_of(store, clock)
        with store.writing() as ledger:
            ledger.keep_hooks(project.project.hooks, clock.now())
        rules = sending_rules(project, signer)
        epoch = store.begin_epoch(socket.gethostname(), os.getpid(), clock.now())
        spill = SpillFile(path.with_name(path.name + ".spill"))
        take_over(store, spill, epoch, rules.may_repeat, clock)
        try:
            dispatcher = Dispatcher(store, channels, epoch, rules, spill)
            outside = Outside(ExportFolder(project.folder), rules.sms.country)
            engine = Engine(store, dispatcher, signer, endpoints, outside)
            with telling(store, project, clock, lambda troubles: show(TickReport(troubles=troubles))) as hooks:
                yield Daemon(engine, clock, show, hooks)
        finally:
            endpoints.close()
            for channel in channels.values():
                channel.close()
            store.end_epoch(epoch, clock.now())


@contextmanager
def telling(
    store: SqlStore, project: ProjectFile, clock: Clock, show: Callable[[list[str]], None]
) -> Iterator[TellingThread | None]:
    """What tells the hooks of a project, in a thread of its own until the end of the block; None where it has none."""
    hooks = project.project.hooks
    if not hooks:
        yield None
        return
    from campaignctl.channels.hook_posts import HookPosts

    posts = HookPosts(project.project.endpoints, hooks, lanes_at_once(hooks))
    thread = TellingThread(HookTeller(store, posts, hooks, clock.now), show)
    try:
        yield thread
    finally:
        thread.close()
        posts.close()


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
