"""One message after the other over an open connection: what to write, and what the answers lead to."""

from __future__ import annotations

import re

from campaignctl.channels.smtp.content import TERMINATOR, dot_stuffed, with_crlf
from campaignctl.channels.smtp.dialogue import READ, Dialogue, Talk, check
from campaignctl.channels.smtp.offer import Offer
from campaignctl.channels.smtp.reply import Reply
from campaignctl.channels.smtp.verdicts import Answer, Fault, FaultKind, Stage
from campaignctl.ports import Outgoing

# Members of an enumeration are slow to look up in Python 3.11, and these are met with every message.
_MAIL, _RCPT, _DATA = Stage.MAIL, Stage.RCPT, Stage.DATA
_CONTENT, _ANSWER = Stage.CONTENT, Stage.ANSWER

# One write holds this much at most: then a slow line is one that does not
# move, and only the last write of a message can have sent its terminator.
_PIECE = 65536

# What nearly every message meets. Anything else, were it a byte, is read reply
# by reply, as strictly as it comes.
_GO_AHEAD = re.compile(rb"250 [\x20-\x7e]{0,500}\r\n250 [\x20-\x7e]{0,500}\r\n354 [\x20-\x7e]{0,500}\r\n")
_TAKEN = re.compile(rb"250 ([\x20-\x7e]{0,500})\r\n")


class Conversation:
    """
    Carries messages in the dialogue of a connection that is open.

    `settled` is what decided the present message although the dialogue goes
    on for tidiness.
    """

    def __init__(self, dialogue: Dialogue, offer: Offer) -> None:
        self.settled: tuple[Stage, Answer] | None = None
        self._dialogue = dialogue
        self._offer = offer
        self._needs_reset = False

    def carried(self, message: Outgoing) -> Talk[tuple[Stage, Answer]]:
        """
        One message, to the answer that settles it.

        Raises:
            StoppedError: no such answer came.
        """
        self.settled = None
        content = with_crlf(message.content)
        if (unfit := self._unfit(content)) is not None:
            return _MAIL, unfit
        refusal = yield from self._enveloped(message, content)
        if refusal is not None:
            self._needs_reset = True
            return refusal
        return (yield from self._delivered(content))

    def ended(self) -> Talk[None]:
        """A polite good-bye."""
        self._dialogue.is_usable = False
        yield b"QUIT\r\n"
        yield from self._dialogue.reply()

    def _unfit(self, content: bytes) -> Fault | None:
        limit = self._offer.size_limit
        if limit and len(content) > limit:
            detail = f"the message has {len(content)} bytes, and the server takes {limit}"
            return Fault(FaultKind.UNFIT, detail)
        if not self._offer.has_8bit and not content.isascii():
            return Fault(FaultKind.UNFIT, "the message has 8-bit bytes, and the server does not take them")
        return None

    # --- the envelope ---

    def _commands(self, message: Outgoing, content: bytes) -> list[tuple[Stage, bytes]]:
        mail = f"MAIL FROM:<{message.sender}>"
        if self._offer.size_limit:
            mail += f" SIZE={len(content)}"
        if self._offer.has_8bit and not content.isascii():
            mail += " BODY=8BITMIME"
        commands = [
            (_MAIL, f"{mail}\r\n".encode("ascii")),
            (_RCPT, f"RCPT TO:<{message.recipient}>\r\n".encode("ascii")),
            (_DATA, b"DATA\r\n"),
        ]
        return [(Stage.RESET, b"RSET\r\n"), *commands] if self._needs_reset else commands

    def _enveloped(self, message: Outgoing, content: bytes) -> Talk[tuple[Stage, Answer] | None]:
        """Everything up to the server's wish for content; what was refused instead, if anything was."""
        dialogue = self._dialogue
        commands = self._commands(message, content)
        dialogue.stage = commands[0][0]
        dialogue.expect_silence()
        if self._offer.may_pipeline:
            yield b"".join([command for _, command in commands])
            answers = yield READ
            if not self._needs_reset and _GO_AHEAD.fullmatch(answers):
                return None
            dialogue.heard(answers)
        for stage, command in commands:
            dialogue.stage = stage
            if not self._offer.may_pipeline:
                yield command
            reply = yield from dialogue.reply()
            if reply.is_refusal and stage is not Stage.RESET:
                self.settled = stage, reply
                if self._offer.may_pipeline and dialogue.is_usable:
                    yield from self._without_content(stage)
                return self.settled
            check(reply, 354 if stage is _DATA else 200)
        self._needs_reset = False
        dialogue.expect_silence()
        return None

    def _without_content(self, refused: Stage) -> Talk[None]:
        """Read what the pipelined rest of a refused envelope brings, so that the next message starts clean."""
        dialogue = self._dialogue
        if refused is _MAIL:
            yield from dialogue.reply()
        if refused is not _DATA and dialogue.is_usable:
            reply = yield from dialogue.reply()
            if reply.code == 354 and refused is _RCPT:
                yield TERMINATOR
                yield from dialogue.reply()
            elif not reply.is_refusal:
                # It may hold a recipient but no sender: a lone dot could send an empty message.
                dialogue.is_usable = False

    # --- the content ---

    def _delivered(self, content: bytes) -> Talk[tuple[Stage, Answer]]:
        dialogue = self._dialogue
        data = dot_stuffed(content) + TERMINATOR
        # The last piece holds the whole terminator, and is never empty.
        last = (len(data) - len(TERMINATOR)) // _PIECE * _PIECE
        dialogue.stage = _CONTENT
        for start in range(0, last, _PIECE):
            yield data[start : start + _PIECE]
        dialogue.stage = _ANSWER
        yield data[last:]
        answer = yield READ
        if taken := _TAKEN.fullmatch(answer):
            return _ANSWER, Reply(250, (taken[1].decode("ascii"),))
        dialogue.heard(answer)
        reply = yield from dialogue.reply()
        if not reply.is_refusal:
            check(reply, 200)
        # Words without a question would be taken for the answer to the next one.
        dialogue.is_usable = dialogue.is_usable and not dialogue.replies.has_more
        return _ANSWER, reply
