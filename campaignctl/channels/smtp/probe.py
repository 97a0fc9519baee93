"""Asking a relay whether it would take messages, without naming a sender."""

from __future__ import annotations

import socket
from contextlib import suppress
from datetime import timedelta
from time import monotonic
from typing import Final, TypeVar

from campaignctl.channels.smtp.conversation import Conversation
from campaignctl.channels.smtp.dialogue import Dialogue, StoppedError, Talk, Wish
from campaignctl.channels.smtp.faults import fault_of
from campaignctl.channels.smtp.opening import Opening
from campaignctl.channels.smtp.settings import SmtpSettings
from campaignctl.channels.smtp.trust import trust_for
from campaignctl.channels.smtp.verdicts import verdict_on
from campaignctl.ports import Outcome

_T = TypeVar("_T")

_READ_SIZE: Final = 65536


def trouble_with(settings: SmtpSettings, patience: timedelta = timedelta(seconds=20)) -> Outcome | None:
    """
    What a message would meet before it could be named; None where the relay is ready for one.

    Greets, encrypts, shows the password and says good-bye; each answer has to
    come within *patience*.

    Raises:
        ChannelError: the certificates to believe in cannot be read.
    """
    dialogue = Dialogue()
    probe = _Probe(settings, patience)
    try:
        name = probe.connected()
        offer = probe.driven(Opening(dialogue, settings, name).talk())
        with suppress(OSError, StoppedError):
            probe.driven(Conversation(dialogue, offer).ended())
    except StoppedError as stopped:
        return verdict_on("", dialogue.stage, stopped.answer)
    except OSError as failure:
        return verdict_on("", dialogue.stage, fault_of(failure, settings.host))
    finally:
        probe.close()
    return None


class _Probe:
    """A socket that waits, and does what a talk wishes."""

    def __init__(self, settings: SmtpSettings, patience: timedelta) -> None:
        self._settings = settings
        self._trust = trust_for(settings)
        self._patience = patience.total_seconds()
        self._socket: socket.socket | None = None

    def connected(self) -> str:
        """Connect; how to introduce ourselves then: as the settings say, or by the address (RFC 5321, 4.1.3)."""
        self._socket = socket.create_connection((self._settings.host, self._settings.port), self._patience)
        address = str(self._socket.getsockname()[0]).partition("%")[0]
        return self._settings.local_name or (f"[IPv6:{address}]" if ":" in address else f"[{address}]")

    def driven(self, talk: Talk[_T]) -> _T:
        """Do what *talk* asks for, to its end."""
        deadline = monotonic() + self._patience
        try:
            wish = next(talk)
            while True:
                received = b""
                if isinstance(wish, bytes):
                    self._line.sendall(wish)
                    deadline = monotonic() + self._patience
                elif wish is Wish.START_TLS:
                    self._encrypt()
                    deadline = monotonic() + self._patience
                else:
                    received = self._read(deadline)
                wish = talk.send(received)
        except StopIteration as end:
            result: _T = end.value
            return result

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()

    def _encrypt(self) -> None:
        assert self._trust is not None, "settings with TLS come with a context"
        self._line.settimeout(self._patience)
        self._socket = self._trust.wrap_socket(self._line, server_hostname=self._settings.host)

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
