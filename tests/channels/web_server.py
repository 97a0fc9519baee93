"""A web server that plays a part: the test writes what each connection does, byte for byte."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum
from threading import Event, Thread
from types import TracebackType
from typing import Self

_SAFETY = 30.0  # a test that hangs ends with a failure


class Act(Enum):
    """What a server can do besides saying something."""

    READ = "read"  # a whole request, by its Content-Length
    RESET = "reset"
    SILENCE = "silence"  # until the client closes
    DRIP = "drip"  # one byte after another, for as long as the client takes them


Move = bytes | Act | Event
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def answer(status: int, *headers: str, content: bytes = b"") -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status} Because", *headers, f"Content-Length: {len(content)}", "", ""]
    return "\r\n".join(lines).encode() + content


class WebServer:
    """Plays one part a connection, the last one for all that follow; `requests` are what it read."""

    def __init__(self, *parts: Sequence[Move], tls: ssl.SSLContext | None = None) -> None:
        self._parts = parts or ([Act.READ, OK],)
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[Thread] = []
        self._is_ending = False
        self.requests: list[bytes] = []
        self.connections = 0
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/hook"

    def __enter__(self) -> Self:
        self._start(self._serve)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_ending = True
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port)).close()
        self._listener.close()
        for thread in self._threads:
            thread.join(_SAFETY)

    def _start(self, work: object, *arguments: object) -> None:
        thread = Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]  # a callable
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        while not self._is_ending:
            connection, _ = self._listener.accept()
            if self._is_ending:
                connection.close()
                return
            part = self._parts[min(self.connections, len(self._parts) - 1)]
            self.connections += 1
            self._start(self._play, connection, part)

    def _play(self, connection: socket.socket, part: Sequence[Move]) -> None:
        connection.settimeout(_SAFETY)
        with suppress(OSError):
            if self._tls is not None:
                connection = self._tls.wrap_socket(connection, server_side=True)
            for move in part:
                self._do(connection, move)
        connection.close()

    def _do(self, connection: socket.socket, move: Move) -> None:
        match move:
            case bytes():
                connection.sendall(move)
            case Event():
                move.wait(_SAFETY)
            case Act.READ:
                self.requests.append(_request(connection))
            case Act.RESET:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case Act.SILENCE:
                while connection.recv(4096):
                    pass
            case Act.DRIP:
                while True:
                    connection.sendall(b"x")


def _request(connection: socket.socket) -> bytes:
    """The bytes of one request; OSError where the client leaves before its end."""
    read = b""
    while b"\r\n\r\n" not in read:
        read += _more(connection)
    head, _, content = read.partition(b"\r\n\r\n")
    length = next(
        (int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(content) < length:
        content += _more(connection)
    return head + b"\r\n\r\n" + content


def _more(connection: socket.socket) -> bytes:
    more = connection.recv(65536)
    if not more:
        raise ConnectionError
    return more
