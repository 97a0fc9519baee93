"""What a server says: replies, read strictly from bytes that arrive in any pieces."""

from __future__ import annotations

import re
from typing import NamedTuple

LINE_LIMIT = 2048  # RFC 5321 says 512; some servers explain themselves at length
REPLY_LIMIT = 65536

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])([^\x00\r\n]*))?")
_ENHANCED = re.compile(r"([245])\.([0-9]{1,3})\.([0-9]{1,3})(?![0-9.])")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_DETAIL_LIMIT = 500


class GarbledError(Exception):
    """These bytes are no SMTP reply."""


class Reply(NamedTuple):
    """One answer of the server: its code, and the text of each of its lines."""

    code: int
    lines: tuple[str, ...]

    @property
    def is_positive(self) -> bool:
        return 200 <= self.code < 300

    @property
    def is_refusal(self) -> bool:
        return self.code >= 400

    @property
    def enhanced(self) -> tuple[int, int, int] | None:
        """
        The RFC 3463 code at the start of a line, when there is one.

        >>> Reply(550, ("5.1.1 no such user",)).enhanced
        (5, 1, 1)
        >>> Reply(550, ("no such user: 5.1.1",)).enhanced is None
        True
        """
        for line in self.lines:
            if found := _ENHANCED.match(line):
                return int(found[1]), int(found[2]), int(found[3])
        return None

    @property
    def detail(self) -> str:
        """The reply for people: one line, nothing that a terminal would obey."""
        text = " ".join((str(self.code), *self.lines))
        if not text.isprintable():
            text = _CONTROLS.sub(" ", text)
        return text[:_DETAIL_LIMIT].strip()


class ReplyReader:
    """
    Collects bytes and hands out whole replies.

    Strict on purpose: who mistakes noise for a `250` after the final dot
    loses a message, and who mistakes it for a `550` loses a contact.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._lines: list[str] = []
        self._code = 0
        self._size = 0

    @property
    def has_more(self) -> bool:
        """Whether bytes are left over that nothing has asked for yet."""
        return bool(self._buffer or self._lines)

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self) -> Reply | None:
        """
        The next whole reply; None until more bytes are fed.

        Raises:
            GarbledError: what came cannot become a reply any more.
        """
        while (end := self._buffer.find(b"\r\n")) >= 0:
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 2]
            if self._is_last(line):
                reply = Reply(self._code, tuple(self._lines))
                self._lines, self._size = [], 0
                return reply
        if len(self._buffer) > LINE_LIMIT:
            raise GarbledError("a line without an end")
        return None

    def _is_last(self, line: bytes) -> bool:
        found = _LINE.fullmatch(line)
        if found is None:
            raise GarbledError("not a reply")
        self._size += len(line)
        if len(line) > LINE_LIMIT or self._size > REPLY_LIMIT:
            raise GarbledError("a reply without an end")
        code = int(found[1])
        if self._lines and code != self._code:
            raise GarbledError("a reply with two codes")
        self._code = code
        self._lines.append((found[3] or b"").decode("utf-8", "replace"))
        return found[2] != b"-"
