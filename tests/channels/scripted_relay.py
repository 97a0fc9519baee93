"""A mail server that plays a part: the test writes what it does at each stage."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from threading import Event, Thread
from types import TracebackType
from typing import BinaryIO, Self

_SAFETY = 30.0  # a test that hangs ends with a failure


class End(Enum):
    """What a server can do instead of answering."""

    CLOSE = "close"
    RESET = "reset"
    SILENCE = "silence"  # until the client closes


# An event is waited for: the test says when the server goes on.
Move = bytes | End | Event | tuple[bytes | End | Event, ...]
Script = Mapping[str, Move]

POLITE: Script = {
    "banner": b"220 relay.example\r\n",
    "EHLO": b"250-relay.example\r\n250 8BITMIME\r\n",
    "STARTTLS": b"220 go ahead\r\n",
    "AUTH": b"235 2.7.0 welcome\r\n",
    "MAIL": b"250 2.1.0 ok\r\n",
    "RCPT": b"250 2.1.5 ok\r\n",
    "DATA": b"354 go ahead\r\n",
    "content": b"",  # what it does before it reads the content
    ".": b"250 2.0.0 taken\r\n",
    "RSET": b"250 2.0.0 forgotten\r\n",
    "QUIT": (b"221 2.0.0 good-bye\r\n", End.CLOSE),
}


@dataclass
class Heard:
    """What one connection brought."""

    commands: list[bytes] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)  # as on the wire: stuffed, without the terminator
    is_encrypted: bool = False

    @property
    def verbs(self) -> list[str]:
        return [command.split(b" ")[0].decode() for command in self.commands]


class _Over(Exception):
    """This connection has ended."""


class ScriptedRelay:
    """
    Plays one script a connection, the last one for all that follow.

    A script names stages by the client's word; `STARTTLS tls` or `EHLO tls` is
    the same word on an encrypted line, `AUTH 2` the second line of a dialogue,
    `MAIL again` every `MAIL` after the first.
    What a script leaves out goes as `POLITE` says.
    """

    def __init__(self, *scripts: Script, tls: ssl.SSLContext | None = None, is_implicit: bool = False) -> None:
        self._scripts = scripts or ({},)
        self._tls = tls
        self._is_implicit = is_implicit
        self._is_ending = False
        self.heard: list[Heard] = []
        self._parts: list[Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        # A client that writes much has to wait for us, whatever this machine's buffers are.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self.port: int = self._listener.getsockname()[1]
        self._thread = Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_ending = True
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), _SAFETY).close()
        self._thread.join(_SAFETY)
        self._listener.close()
        for part in self._parts:
            part.join(_SAFETY)

    @property
    def commands(self) -> list[bytes]:
        return [command for heard in self.heard for command in heard.commands]

    @property
    def contents(self) -> list[bytes]:
        return [content for heard in self.heard for content in heard.contents]

    def _serve(self) -> None:
        while True:
            line, _ = self._listener.accept()
            if self._is_ending:
                line.close()
                return
            script = self._scripts[min(len(self.heard), len(self._scripts) - 1)]
            self.heard.append(Heard())
            part = _Part({**POLITE, **script}, line, self.heard[-1], self._tls)
            self._parts.append(Thread(target=part.play, args=[self._is_implicit], daemon=True))
            self._parts[-1].start()


class _Part:
    """The server's side of one connection."""

    def __init__(self, script: Script, line: socket.socket, heard: Heard, tls: ssl.SSLContext | None) -> None:
        self._script = script
        self._line = line
        self._heard = heard
        self._tls = tls
        line.settimeout(_SAFETY)
        self._file: BinaryIO = line.makefile("rb")

    def play(self, is_implicit: bool) -> None:
        with suppress(OSError, _Over):
            if is_implicit:
                self._encrypt()
            self._move("banner")
            while True:
                self._obey(self._read_line())
        with suppress(OSError):
            self._file.close()
        self._line.close()

    def _obey(self, command: bytes) -> None:
        self._heard.commands.append(command)
        word = command.split(b" ")[0].decode("latin-1").upper()
        is_again = self._heard.verbs.count(word) > 1 and f"{word} again" in self._script
        answer = self._move(f"{word} again" if is_again else word)
        if word == "STARTTLS" and answer.startswith(b"220"):
            self._move("handshake") if "handshake" in self._script else self._encrypt()
        elif word == "AUTH":
            number = 2
            while answer.startswith(b"334"):
                self._heard.commands.append(self._read_line())
                answer = self._move(f"AUTH {number}")
                number += 1
        elif word == "DATA" and b"354 " in answer:
            self._move("content")
            self._heard.contents.append(self._read_content())
            self._move(".")

    def _move(self, stage: str) -> bytes:
        """Do what is written for this stage; what was said."""
        move = self._script.get(f"{stage} tls") if self._heard.is_encrypted else None
        if move is None:
            move = self._script.get(stage, b"502 5.5.1 not known here\r\n")
        said = b""
        for part in move if isinstance(move, tuple) else (move,):
            match part:
                case bytes():
                    self._line.sendall(part)
                    said += part
                case Event():
                    assert part.wait(_SAFETY)
                case End.SILENCE:
                    while self._line.recv(65536):
                        pass
                    raise _Over
                case End.RESET:
                    self._line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    raise _Over
                case End.CLOSE:
                    raise _Over
        return said

    def _read_line(self) -> bytes:
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise _Over
        return line[:-2]

    def _read_content(self) -> bytes:
        lines = []
        while (line := self._file.readline()) != b".\r\n":
            if not line:
                raise _Over
            lines.append(line)
        return b"".join(lines)

    def _encrypt(self) -> None:
        assert self._tls is not None, "a server that encrypts has a certificate"
        self._line = self._tls.wrap_socket(self._line, server_side=True)
        self._file = self._line.makefile("rb")
        self._heard.is_encrypted = True
