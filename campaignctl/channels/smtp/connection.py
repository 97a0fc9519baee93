"""One connection to the relay: sockets and TLS around the conversation, every error turned into a verdict."""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress
from datetime import timedelta
from time import monotonic
from typing import TypeVar

from campaignctl.channels.smtp.content import is_address
from campaignctl.channels.smtp.conversation import Conversation, Read, StartTls, StoppedError, Talk, Write
from campaignctl.channels.smtp.settings import LOCAL_NAME, SmtpSettings
from campaignctl.channels.smtp.verdicts import Answer, Fault, FaultKind, Stage, bad_address, verdict_on
from campaignctl.ports import Outcome, Outgoing

_T = TypeVar("_T")

_READ_SIZE = 65536
_GOODBYE_PATIENCE = timedelta(seconds=2)


class Connection:
    """
    Carries one message at a time, opens itself when needed and stays open in between.

    A server may close between two messages whenever it likes (after so many,
    or so long). That is not the next message's failure: it goes out on a fresh
    connection, and only what happens there counts.
    """

    def __init__(self, settings: SmtpSettings, trust: ssl.SSLContext | None) -> None:
        self._settings = settings
        self._trust = trust
        self._socket: socket.socket | None = None
        self._conversation: Conversation | None = None

    def carry(self, message: Outgoing) -> Outcome:
        """What became of *message*; never raises for the world."""
        for which, address, is_ours in (
            ("sender's", message.sender, True),
            ("recipient's", message.recipient, False),
        ):
            if not is_address(address):
                return bad_address(message.key, which, blames_sender=is_ours)
        if self._conversation is not None:
            stage, answer = self._tried(self._conversation, message, is_reused=True)
            if not _is_about_the_connection(stage, answer):
                return verdict_on(message.key, stage, answer)
        opened = self._opened()
        if not isinstance(opened, Conversation):
            return verdict_on(message.key, *opened)
        return verdict_on(message.key, *self._tried(opened, message, is_reused=False))

    def close(self) -> None:
        """Say good-bye if anybody listens, and close."""
        if self._conversation is not None:
            with suppress(OSError, StoppedError):
                self._drive(self._conversation, self._conversation.ended(), _GOODBYE_PATIENCE)
        self.drop()

    def _tried(self, conversation: Conversation, message: Outgoing, *, is_reused: bool) -> tuple[Stage, Answer]:
        """The answer that settles *message* on this connection, and its stage."""
        if is_reused and self._has_news():
            self.drop()
            return Stage.RESET, Fault(FaultKind.CLOSED, "the server closed the idle connection")
        try:
            stage, answer = self._drive(conversation, conversation.carried(message))
        except (OSError, StoppedError) as error:
            conversation.is_usable = False
            stage, answer = conversation.settled or (conversation.stage, self._answer(error))
        if not conversation.is_usable:
            self.drop()
        return stage, answer

    def _opened(self) -> Conversation | tuple[Stage, Answer]:
        """A conversation that is ready for messages, or where and why it ended."""
        self.drop()
        address = self._settings.host, self._settings.port
        try:
            line = socket.create_connection(address, self._settings.timeout.total_seconds())
        except OSError as error:
            return Stage.CONNECT, self._answer(error)
        self._socket = line
        # What we write is whole; waiting for more would cost a round trip.
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        conversation = Conversation(self._settings, self._settings.local_name or _name_of(line))
        try:
            self._drive(conversation, conversation.opened())
        except (OSError, StoppedError) as error:
            self.drop()
            return conversation.stage, self._answer(error)
        self._conversation = conversation
        return conversation

    def _drive(self, conversation: Conversation, talk: Talk[_T], limit: timedelta | None = None) -> _T:
        """Do what *talk* asks for, to its end."""
        received = b""
        deadline = 0.0
        try:
            step = next(talk)
            while True:
                patience = (limit or conversation.patience).total_seconds()
                deadline = deadline or monotonic() + patience
                match step:
                    case Write(data):
                        received = b""
                        self._line.settimeout(patience)
                        self._line.sendall(data)
                        deadline = monotonic() + patience
                    case Read():
                        received = self._read(deadline)
                    case StartTls():
                        received = b""
                        self._encrypt(patience)
                        deadline = monotonic() + patience
                step = talk.send(received)
        except StopIteration as end:
            result: _T = end.value
            return result

    def _read(self, deadline: float) -> bytes:
        # One deadline for a whole reply: a server that drips must not hold us for ever.
        remaining = deadline - monotonic()
        if remaining <= 0:
            raise TimeoutError
        self._line.settimeout(remaining)
        return self._line.recv(_READ_SIZE)

    def _encrypt(self, patience: float) -> None:
        assert self._trust is not None, "settings with TLS come with a context"
        self._line.settimeout(patience)
        # From here on the wrapped socket owns the descriptor, also when the handshake fails.
        self._socket = self._trust.wrap_socket(self._line, server_hostname=self._settings.host)

    def _has_news(self) -> bool:
        """Whether something came in while nothing was asked: a good-bye, the end, or noise."""
        self._line.settimeout(0)
        try:
            self._line.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            return True
        return True

    @property
    def _line(self) -> socket.socket:
        assert self._socket is not None, "a conversation has a socket"
        return self._socket

    def drop(self) -> None:
        """Close without a word."""
        self._conversation = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _answer(self, error: OSError | StoppedError) -> Answer:
        return error.answer if isinstance(error, StoppedError) else fault_of(error, self._settings.host)


def fault_of(error: OSError, host: str) -> Fault:
    """What a socket's or TLS's *error* means to us, in our words."""
    match error:
        case TimeoutError():
            return Fault(FaultKind.TIMEOUT, f"no answer from {host} in time")
        case ssl.SSLCertVerificationError():
            detail = f"the certificate of {host} is not to be trusted: {error.verify_message}"
            return Fault(FaultKind.TLS, detail)
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return Fault(FaultKind.CLOSED, f"{host} closed the connection")
        case ssl.SSLError():
            return Fault(FaultKind.TLS, f"no TLS with {host}: {error.reason or 'the handshake failed'}")
        case socket.gaierror():
            return Fault(FaultKind.REFUSED, f"the address of {host} cannot be found")
        case ConnectionRefusedError():
            return Fault(FaultKind.REFUSED, f"{host} refuses connections")
        case ConnectionError():
            return Fault(FaultKind.CLOSED, f"{host} broke the connection off")
        case _:
            return Fault(FaultKind.CLOSED, f"no connection with {host}: {error.strerror or 'it broke'}")


def _is_about_the_connection(stage: Stage, answer: Answer) -> bool:
    """
    Whether a connection in use ended before the server had looked at the message.

    MAIL, RCPT and DATA may have been written already; without content they
    cannot lead to an acceptance.
    """
    if stage is Stage.RESET:
        return True
    if stage is not Stage.MAIL:
        return False
    return answer.kind is not FaultKind.UNFIT if isinstance(answer, Fault) else answer.code == 421


def _name_of(line: socket.socket) -> str:
    """How to introduce ourselves: by a full name, else by the address (RFC 5321, 4.1.3)."""
    name = socket.gethostname()
    if "." in name and LOCAL_NAME.fullmatch(name):
        return name
    address = str(line.getsockname()[0]).partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
