"""Asking a relay whether it would take messages, without naming a sender."""

from __future__ import annotations

import socket
from contextlib import suppress
from datetime import timedelta
from time import monotonic
from typing import Final

from campaignctl.channels.smtp.channel import trust_for
from campaignctl.channels.smtp.connection import fault_of
from campaignctl.channels.smtp.conversation import Conversation, Read, StartTls, StoppedError, Talk, Write
from campaignctl.channels.smtp.settings import SmtpSettings
from campaignctl.channels.smtp.verdicts import Stage, verdict_on
from campaignctl.ports import Outcome

_READ_SIZE: Final = 65536


def trouble_with(settings: SmtpSettings, patience: timedelta = timedelta(seconds=20)) -> Outcome | None:
    """
    What a message would meet before it could be named; None where the relay is ready for one.

    Greets, encrypts, shows the password and says good-bye, each within *patience*.

    Raises:
        ChannelError: the certificates to believe in cannot be read.
    """
    probe = _Probe(settings, patience)
    try:
        probe.open()
    except StoppedError as stopped:
        return verdict_on("", probe.stage, stopped.answer)
    except OSError as failure:
        return verdict_on("", probe.stage, fault_of(failure, settings.host))
    finally:
        probe.close()
    return None


class _Probe:
    """One connection that carries nothing, over a socket that waits."""

    def __init__(self, settings: SmtpSettings, patience: timedelta) -> None:
        self._settings = settings
        self._trust = trust_for(settings)
        self._patience = patience.total_seconds()
        self._socket: socket.socket | None = None
        self._conversation = Conversation(settings, "")

    @property
    def stage(self) -> Stage:
        return self._conversation.stage

    def open(self) -> None:
        line = socket.create_connection((self._settings.host, self._settings.port), self._patience)
        self._socket = line
        self._conversation = Conversation(self._settings, self._settings.local_name or _address_of(line))
        self._drive(self._conversation.opened())

    def close(self) -> None:
        if self._socket is None:
            return
        if self._conversation.is_usable:
            with suppress(OSError, StoppedError):
                self._drive(self._conversation.ended())
        self._socket.close()

    def _drive(self, talk: Talk[None]) -> None:
        received = b""
        deadline = monotonic() + self._patience
        with suppress(StopIteration):
            step = next(talk)
            while True:
                match step:
                    case Write(data):
                        self._line.sendall(data)
                        deadline = monotonic() + self._patience
                    case Read():
                        received = self._read(deadline)
                    case StartTls():
                        assert self._trust is not None, "settings with TLS come with a context"
                        self._line.settimeout(self._patience)
                        self._socket = self._trust.wrap_socket(self._line, server_hostname=self._settings.host)
                        deadline = monotonic() + self._patience
                step = talk.send(received)

    def _read(self, deadline: float) -> bytes:
        # One deadline for a whole reply: a server that drips must not hold us for ever.
        if (remaining := deadline - monotonic()) <= 0:
            raise TimeoutError
        self._line.settimeout(remaining)
        return self._line.recv(_READ_SIZE)

    @property
    def _line(self) -> socket.socket:
        assert self._socket is not None, "what is driven has a socket"
        return self._socket


def _address_of(line: socket.socket) -> str:
    """How to introduce ourselves: by the address (RFC 5321, 4.1.3)."""
    address = str(line.getsockname()[0]).partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
