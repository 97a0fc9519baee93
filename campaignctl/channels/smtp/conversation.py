"""The client's side of SMTP, without a socket: what to write, and what the answers lead to."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Generator
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from campaignctl.channels.smtp.content import TERMINATOR, dot_stuffed, with_crlf
from campaignctl.channels.smtp.offer import Offer
from campaignctl.channels.smtp.reply import GarbledError, Reply, ReplyReader
from campaignctl.channels.smtp.settings import SmtpSettings
from campaignctl.channels.smtp.verdicts import Answer, Fault, FaultKind, Stage
from campaignctl.ports import Outgoing

_T = TypeVar("_T")

# One write holds this much at most: then a slow line is one that does not
# move, and only the last write of a message can have sent its terminator.
_PIECE = 65536


@dataclass(frozen=True)
class Write:
    """Send these bytes."""

    data: bytes


@dataclass(frozen=True)
class Read:
    """Wait for bytes; nothing means that the other side has closed."""


@dataclass(frozen=True)
class StartTls:
    """Go on encrypted."""


Talk = Generator[Write | Read | StartTls, bytes, _T]


class StoppedError(Exception):
    """The conversation cannot go on: `answer` came at the conversation's stage."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.answer = answer


class Conversation:
    """
    One connection's dialogue, told as generators that ask for writes and reads.

    `stage` says at any moment what a lost line would mean, and `settled` what
    decided the present message although the dialogue goes on for tidiness.
    Not `is_usable` means: no further message on this connection.
    """

    def __init__(self, settings: SmtpSettings, local_name: str) -> None:
        self.stage = Stage.CONNECT
        self.settled: tuple[Stage, Answer] | None = None
        self.is_usable = False
        self._settings = settings
        self._local_name = local_name
        self._is_secure = False
        self._replies = ReplyReader()
        self._offer = Offer()
        self._needs_reset = False

    @property
    def patience(self) -> timedelta:
        """How long the other side may take from here on."""
        is_last_answer = self.stage is Stage.ANSWER
        return self._settings.answer_timeout if is_last_answer else self._settings.timeout

    def opened(self) -> Talk[None]:
        """
        From the banner to the point where a message may be named.

        Raises:
            StoppedError: this server cannot be used.
        """
        if self._settings.implicit_tls:
            yield from self._encrypt()
        self.stage = Stage.BANNER
        yield from self._expect(200)
        yield from self._greet()
        if not self._is_secure and self._settings.security != "none":
            yield from self._start_tls()
        yield from self._authenticate()
        self.is_usable = True

    def carried(self, message: Outgoing) -> Talk[tuple[Stage, Answer]]:
        """
        One message, to the answer that settles it.

        Raises:
            StoppedError: no such answer came.
        """
        self.settled = None
        content = with_crlf(message.content)
        if (unfit := self._unfit(content)) is not None:
            return Stage.MAIL, unfit
        refusal = yield from self._enveloped(message, content)
        if refusal is not None:
            self._needs_reset = True
            return refusal
        return (yield from self._delivered(content))

    def ended(self) -> Talk[None]:
        """A polite good-bye."""
        self.is_usable = False
        yield Write(b"QUIT\r\n")
        yield from self._reply()

    # --- opening ---

    def _greet(self) -> Talk[None]:
        self.stage = Stage.EHLO
        yield Write(b"EHLO %s\r\n" % self._local_name.encode("ascii"))
        reply = yield from self._expect(200)
        self._offer = Offer.read(reply.lines[1:])

    def _start_tls(self) -> Talk[None]:
        if not self._offer.may_start_tls:
            if self._settings.security == "required" or self._settings.has_password:
                self.stage = Stage.TLS
                raise StoppedError(Fault(FaultKind.MISSING, "the server does not offer STARTTLS"))
            return
        self.stage = self._tls_stage
        yield Write(b"STARTTLS\r\n")
        yield from self._expect(200)
        # Whoever sits on the line may have written ahead in the clear (CVE-2011-0411).
        self._expect_silence()
        yield from self._encrypt()
        yield from self._greet()

    def _encrypt(self) -> Talk[None]:
        self.stage = self._tls_stage
        yield StartTls()
        self._is_secure = True

    @property
    def _tls_stage(self) -> Stage:
        return Stage.TLS if self._settings.security == "required" else Stage.STARTTLS

    def _authenticate(self) -> Talk[None]:
        user, password = self._settings.user, self._settings.password
        if user is None or password is None:
            return
        self.stage = Stage.AUTH
        plain = b64encode(f"\0{user}\0{password}".encode())
        login = b64encode(password.encode())
        try:
            if "PLAIN" in self._offer.authentication:
                yield Write(b"AUTH PLAIN %s\r\n" % plain)
            elif "LOGIN" in self._offer.authentication:
                for line in (b"AUTH LOGIN", b64encode(user.encode())):
                    yield Write(line + b"\r\n")
                    yield from self._expect(334)
                yield Write(login + b"\r\n")
            else:
                detail = "the server offers neither AUTH PLAIN nor AUTH LOGIN"
                raise StoppedError(Fault(FaultKind.MISSING, detail))  # noqa: TRY301 # the password is taken out of it below
            yield from self._expect(200)
        except StoppedError as stopped:
            raise StoppedError(_discreet(stopped.answer, password, plain.decode(), login.decode())) from None

    # --- one message ---

    def _unfit(self, content: bytes) -> Fault | None:
        limit = self._offer.size_limit
        if limit and len(content) > limit:
            detail = f"the message has {len(content)} bytes, and the server takes {limit}"
            return Fault(FaultKind.UNFIT, detail)
        if not self._offer.has_8bit and not content.isascii():
            return Fault(FaultKind.UNFIT, "the message has 8-bit bytes, and the server does not take them")
        return None

    def _commands(self, message: Outgoing, content: bytes) -> dict[Stage, bytes]:
        mail = f"MAIL FROM:<{message.sender}>"
        if self._offer.size_limit:
            mail += f" SIZE={len(content)}"
        if self._offer.has_8bit and not content.isascii():
            mail += " BODY=8BITMIME"
        commands = {
            Stage.MAIL: mail.encode("ascii") + b"\r\n",
            Stage.RCPT: b"RCPT TO:<%s>\r\n" % message.recipient.encode("ascii"),
            Stage.DATA: b"DATA\r\n",
        }
        return {Stage.RESET: b"RSET\r\n", **commands} if self._needs_reset else commands

    def _enveloped(self, message: Outgoing, content: bytes) -> Talk[tuple[Stage, Answer] | None]:
        """Everything up to the server's wish for content; what was refused instead, if anything was."""
        commands = self._commands(message, content)
        self.stage = next(iter(commands))
        self._expect_silence()
        if self._offer.may_pipeline:
            yield Write(b"".join(commands.values()))
        for stage, command in commands.items():
            self.stage = stage
            if not self._offer.may_pipeline:
                yield Write(command)
            reply = yield from self._reply()
            if reply.is_refusal and stage is not Stage.RESET:
                self.settled = stage, reply
                if self._offer.may_pipeline and self.is_usable:
                    yield from self._without_content(stage)
                return self.settled
            _check(reply, 354 if stage is Stage.DATA else 200)
        self._needs_reset = False
        return None

    def _without_content(self, refused: Stage) -> Talk[None]:
        """Read what the pipelined rest of a refused envelope brings, so that the next message starts clean."""
        if refused is Stage.MAIL:
            yield from self._reply()
        if refused is not Stage.DATA and self.is_usable:
            reply = yield from self._reply()
            if reply.code == 354 and refused is Stage.RCPT:
                yield Write(TERMINATOR)
                yield from self._reply()
            elif not reply.is_refusal:
                # It may hold a recipient but no sender: a lone dot could send an empty message.
                self.is_usable = False

    def _delivered(self, content: bytes) -> Talk[tuple[Stage, Answer]]:
        self._expect_silence()
        self.stage = Stage.CONTENT
        data = dot_stuffed(content)
        last = len(data) // _PIECE * _PIECE
        for start in range(0, last, _PIECE):
            yield Write(data[start : start + _PIECE])
        self.stage = Stage.ANSWER
        yield Write(data[last:] + TERMINATOR)
        reply = yield from self._reply()
        if not reply.is_refusal:
            _check(reply, 200)
        # Words without a question would be taken for the answer to the next one.
        self.is_usable = self.is_usable and not self._replies.has_more
        return Stage.ANSWER, reply

    # --- replies ---

    def _reply(self) -> Talk[Reply]:
        try:
            while (reply := self._replies.next()) is None:
                data = yield Read()
                if not data:
                    raise StoppedError(Fault(FaultKind.CLOSED, "the server closed the connection"))
                self._replies.feed(data)
        except GarbledError as error:
            detail = f"the server does not speak SMTP: {error}"
            raise StoppedError(Fault(FaultKind.GARBAGE, detail)) from error
        if reply.code == 421:
            self.is_usable = False
        return reply

    def _expect(self, expected: int) -> Talk[Reply]:
        reply = yield from self._reply()
        if reply.is_refusal:
            raise StoppedError(reply)
        _check(reply, expected)
        return reply

    def _expect_silence(self) -> None:
        if self._replies.has_more:
            raise StoppedError(Fault(FaultKind.GARBAGE, "the server answered before it was asked"))


def _check(reply: Reply, expected: int) -> None:
    is_expected = reply.is_positive if expected == 200 else reply.code == expected
    if not is_expected:
        raise StoppedError(Fault(FaultKind.GARBAGE, f"the server answered beside the question: {reply.detail}"))


def _discreet(answer: Answer, *secrets: str) -> Answer:
    """*answer*, unless it holds what we wrote: some servers quote the line they refuse."""
    if not any(secret and secret in answer.detail for secret in secrets):
        return answer
    words = "the answer repeats our password and is not shown"
    return Reply(answer.code, (words,)) if isinstance(answer, Reply) else Fault(answer.kind, words)
