"""Listening: an address, and a server on it that nobody can keep busy for nothing."""

from __future__ import annotations

import asyncio
import socket
from typing import Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from campaignctl.errors import ChannelError, UsageError

_LARGEST_HEAD: Final = 16 * 1024
_HEAD_IN_TIME: Final = 10.0  # seconds
_CONNECTIONS: Final = 1000
_GRACE: Final = 10  # seconds for what is being answered when the service ends


def host_and_port(text: str) -> tuple[str, int]:
    """
    An address to listen on, of `HOST:PORT`, `[ADDRESS]:PORT` or `PORT`: the machine itself where no host is named.

    Raises:
        UsageError: it is none.

    >>> host_and_port("8080"), host_and_port("[::1]:80")
    (('127.0.0.1', 8080), ('::1', 80))
    """
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 0 <= int(port) < 65536:
        raise UsageError("U130", f"`{text}` is no address to listen on", "write it like `127.0.0.1:8080`")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


def listening(host: str, port: int) -> socket.socket:
    """
    A socket that listens there.

    Raises:
        ChannelError: it cannot be had.
    """
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        # With the protocol named, asyncio turns Nagle's algorithm off: else an answer in two writes waits for 40 ms.
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError as failure:
        raise ChannelError(
            "D160", f"nothing can listen on {host}:{port}: {failure.strerror}", "name another address or port"
        ) from failure
    return listener


class _GuardedProtocol(HttpToolsProtocol):
    """Ends a conversation whose next request has a head that is too large, or does not come whole in time."""

    _timer: asyncio.TimerHandle | None = None
    _is_head = True  # what comes next belongs to the head of a request
    _bytes = 0  # that came since the request before

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        self._bytes += len(data)
        super().data_received(data)
        if self._is_head and self._bytes > _LARGEST_HEAD and not self.transport.is_closing():
            self.send_400_response("The head of the request is too large.")

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        # The head is here: the body has a time limit of its own.
        self._is_head = False
        self._forget()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._is_head, self._bytes = True, 0

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():
            self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._forget()

    def _expect(self) -> None:
        self._forget()
        self._timer = self.loop.call_later(_HEAD_IN_TIME, self.transport.close)

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def server_of(app: ASGIApp) -> uvicorn.Server:
    """A server for *app*; `serve(sockets=[…])` runs it until a signal or `should_exit`."""
    config = uvicorn.Config(
        app,
        http=_GuardedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=True,  # from this machine only: a proxy here says who asks
        limit_concurrency=_CONNECTIONS,
        timeout_keep_alive=int(_HEAD_IN_TIME),
        timeout_graceful_shutdown=_GRACE,
    )
    return uvicorn.Server(config)
