"""What both sides of a connection say in turns, without a socket: wishes to write and to read, and answers."""

from __future__ import annotations

from collections.abc import Generator
from enum import Enum, auto
from typing import Final, TypeVar

from campaignctl.channels.smtp.reply import GarbledError, Reply, ReplyReader
from campaignctl.channels.smtp.verdicts import Answer, Fault, FaultKind, Stage

_T = TypeVar("_T")


class Wish(Enum):
    """What a talk may ask for, beside bytes to write."""

    READ = auto()  # bytes are sent back; none when the other side has closed
    START_TLS = auto()  # from here on encrypted


READ: Final = Wish.READ

# A talk yields what it wants done: bytes to be written, or a wish.
Talk = Generator[bytes | Wish, bytes, _T]


class StoppedError(Exception):
    """The talk cannot go on: `answer` came at the dialogue's stage."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.answer = answer


class Dialogue:
    """
    How far one connection's dialogue has come, and the reading of replies in it.

    `stage` says at any moment what a lost line would mean. Not `is_usable`
    means: no message, or no further message, on this connection.
    """

    def __init__(self) -> None:
        self.stage = Stage.CONNECT
        self.is_usable = False
        self.replies = ReplyReader()

    def reply(self) -> Talk[Reply]:
        """
        The next reply, whatever it says.

        Raises:
            StoppedError: what comes is no reply.
        """
        try:
            while (reply := self.replies.next()) is None:
                self.heard((yield READ))
        except GarbledError as error:
            detail = f"the server does not speak SMTP: {error}"
            raise StoppedError(Fault(FaultKind.GARBAGE, detail)) from error
        if reply.code == 421:
            self.is_usable = False
        return reply

    def heard(self, data: bytes) -> None:
        """Keep *data* for the replies to come."""
        if not data:
            raise StoppedError(Fault(FaultKind.CLOSED, "the server closed the connection"))
        self.replies.feed(data)

    def expect(self, expected: int) -> Talk[Reply]:
        """The next reply, which has to be what was *expected*; 200 stands for every 2xx."""
        reply = yield from self.reply()
        if reply.is_refusal:
            raise StoppedError(reply)
        check(reply, expected)
        return reply

    def expect_silence(self) -> None:
        """Nothing may have come in that was not asked for."""
        if self.replies.has_more:
            raise StoppedError(Fault(FaultKind.GARBAGE, "the server answered before it was asked"))


def check(reply: Reply, expected: int) -> None:
    """
    A *reply* that is no refusal has to be what was *expected*.

    Raises:
        StoppedError: it answers something else.
    """
    is_expected = reply.is_positive if expected == 200 else reply.code == expected
    if not is_expected:
        raise StoppedError(Fault(FaultKind.GARBAGE, f"the server answered beside the question: {reply.detail}"))
