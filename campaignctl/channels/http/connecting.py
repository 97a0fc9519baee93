"""Connections of requests: to an address that was checked, within one deadline, knowing whether a byte was written."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from queue import Empty, SimpleQueue
from select import POLLIN, poll
from threading import Thread
from time import monotonic
from typing import Any

import httpcore

from campaignctl.channels.http.guard import Address, NotAllowedError, Resolver, allowed

# Which request the calling thread is about; httpcore hands nothing of ours down to its streams.
CURRENT: ContextVar[Conversation] = ContextVar("conversation")


class Conversation:
    """
    One request on its way: how long it may take, and how far it has come.

    A deadline holds for everything from the resolver to the last byte of the
    answer. `break_off` may be called from another thread.
    """

    def __init__(self, seconds: float) -> None:
        self._ends_at = monotonic() + seconds
        self._news: SimpleQueue[Sequence[str] | OSError | None] = SimpleQueue()
        self._socket: socket.socket | None = None
        self.is_broken_off = False
        self.has_written = False

    @contextmanager
    def is_current(self) -> Iterator[None]:
        """Whatever the calling thread reads or writes inside is about this request."""
        token = CURRENT.set(self)
        try:
            yield
        finally:
            CURRENT.reset(token)

    def left(self) -> float:
        """
        How many seconds are left.

        Raises:
            TimeoutError: none, or nobody waits for the answer any more.
        """
        left = self._ends_at - monotonic()
        if self.is_broken_off or left <= 0:
            raise TimeoutError("the deadline has passed")
        return left

    def uses(self, connection: socket.socket) -> None:
        """It goes on over this socket."""
        self._socket = connection
        self.left()

    def break_off(self) -> None:
        """Have whatever it waits for fail at once."""
        self.is_broken_off = True
        self._news.put(None)
        if self._socket is not None:
            with suppress(OSError):
                # The plain socket's own method: that of a TLS socket would take the ground from under its reader.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def addresses(self, resolver: Resolver, host: str, port: int) -> Sequence[str]:
        """
        What *resolver* says, if it does so in time.

        Raises:
            OSError: the name does not resolve, or not in time.
        """

        # The system's resolver cannot be interrupted. The thread ends when it does; nobody waits for it.
        def resolve() -> None:
            try:
                self._news.put(resolver(host, port))
            except (OSError, UnicodeError) as failure:
                self._news.put(
                    OSError(f"its name does not resolve: {getattr(failure, 'strerror', None) or 'it is none'}")
                )

        Thread(target=resolve, daemon=True, name="resolver").start()
        try:
            news = self._news.get(timeout=self.left())
        except Empty:
            raise TimeoutError("its name was not resolved in time") from None
        if isinstance(news, OSError):
            raise news
        if news is None:
            raise TimeoutError("the request was broken off")
        return news


class GuardedBackend(httpcore.NetworkBackend):
    """Resolves a name once, checks every address, and connects to none but these."""

    def __init__(self, resolver: Resolver, *, allow_private: bool) -> None:
        self._resolver = resolver
        self._allow_private = allow_private

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 # one deadline holds for all
        local_address: str | None = None,  # noqa: ARG002 # httpcore's signature
        socket_options: Iterable[Any] | None = None,  # noqa: ARG002 # httpcore's signature
    ) -> httpcore.NetworkStream:
        """See `httpcore.NetworkBackend`."""
        conversation = CURRENT.get()
        found = conversation.addresses(self._resolver, host, port)
        addresses = allowed(found, allow_private=self._allow_private)
        failure: OSError | None = None
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            try:
                # An address that does not answer leaves time for the next.
                return _Stream(_connected(conversation, address, port, conversation.left() / left))
            except OSError as trouble:
                failure = trouble
        raise failure or NotAllowedError("the name of the endpoint has no address")


def _connected(conversation: Conversation, address: Address, port: int, seconds: float) -> socket.socket:
    connection = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_STREAM)
    try:
        conversation.uses(connection)
        connection.settimeout(seconds)
        connection.connect((str(address), port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        connection.close()
        raise
    return connection


class _Stream(httpcore.NetworkStream):
    """One connection, kept for further requests; each has its own conversation."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 # one deadline for all
        self._settle()
        return self._socket.recv(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 # one deadline for all
        while buffer:
            conversation = self._settle()
            # Before the call: a write that fails may still have let something out.
            conversation.has_written = True
            try:
                buffer = buffer[self._socket.send(buffer) :]
            except TimeoutError:
                raise
            except OSError as failure:
                # A server may refuse a request before it has all of it. httpcore then reads what it said.
                raise httpcore.WriteError from failure

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 # one deadline for all
    ) -> httpcore.NetworkStream:
        conversation = self._settle()
        try:
            secured = ssl_context.wrap_socket(self._socket, server_hostname=server_hostname)
        except BaseException:
            self.close()
            raise
        conversation.uses(secured)
        return _Stream(secured)

    def close(self) -> None:
        self._socket.close()

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return _is_readable(self._socket)
        return None

    def _settle(self) -> Conversation:
        """The conversation that is led over this connection now, with the time that it has left."""
        conversation = CURRENT.get()
        conversation.uses(self._socket)
        self._socket.settimeout(conversation.left())
        return conversation


def _is_readable(connection: socket.socket) -> bool:
    """Whether an idle connection has something to say: then it is its end."""
    if connection.fileno() < 0:
        return True
    asked = poll()
    asked.register(connection, POLLIN)
    return bool(asked.poll(0))
