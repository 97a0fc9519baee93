"""
A message that came back, taken apart: header fields, and the parts of a multipart.

A report is a flat list of parts (RFC 6522), so nothing here goes deeper than
that, and everything takes a time that grows with the size. The standard
library's parser goes as deep as a message says, and strangers write these.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from dataclasses import dataclass
from email import policy
from email.message import Message
from email.parser import HeaderParser
from functools import cached_property
from quopri import decodestring
from typing import Final

_HEADER_LIMIT: Final = 64 * 2**10
_TEXT_LIMIT: Final = 256 * 2**10
_PARTS_LIMIT: Final = 20
_GROUPS_LIMIT: Final = 100

_END_OF_HEADER = re.compile(rb"(?:\A|\n)\r?\n")
_BOUNDARY = re.compile(r"""\bboundary\s*=\s*(?:"([^"]{1,200})"|([^\s";]{1,200}))""", re.IGNORECASE)
_EMPTY_LINE = re.compile(r"\n[ \t]*\n")

# Fields of a header, or a group of them inside a report: names are found in any letters.
Fields = Message


class UnreadableError(Exception):
    """This message cannot be read: why."""


@dataclass(frozen=True)
class Part:
    """A message, or a part of one: its fields, and the bytes below them as they were sent."""

    fields: Fields
    header: str
    body: bytes

    @cached_property
    def kind(self) -> str:
        """Its content type in small letters, `text/plain` where it has none."""
        return _first(self.fields, "Content-Type").partition(";")[0].strip().lower() or "text/plain"

    @property
    def text(self) -> str:
        """
        The beginning of its content; a byte that is not ASCII is as good as any other.

        Raises:
            UnreadableError: it is not encoded as it says.
        """
        encoding = _first(self.fields, "Content-Transfer-Encoding").strip().lower()
        content = self.body[:_TEXT_LIMIT]
        if encoding == "quoted-printable":
            content = decodestring(content)
        elif encoding == "base64":
            try:
                letters = b"".join(content.split())
                content = b64decode(letters[: len(letters) // 4 * 4])
            except binascii.Error as failure:
                raise UnreadableError("a part is not the base64 that it says it is") from failure
        return content.decode("latin-1").replace("\r\n", "\n")

    def parts(self) -> list[Part]:
        """
        Its parts; none where it is no multipart.

        Raises:
            UnreadableError: they cannot be told apart, or there are too many.
        """
        if not self.kind.startswith("multipart/"):
            return []
        found = _BOUNDARY.search(_first(self.fields, "Content-Type"))
        if found is None:
            raise UnreadableError("it says that it has parts, and not where they begin")
        line = re.compile(rb"^--" + re.escape((found[1] or found[2]).encode("latin-1")) + rb"(--)?[ \t]*\r?$", re.M)
        parts: list[Part] = []
        start: int | None = None
        for edge in line.finditer(self.body):
            if start is not None:
                parts.append(part_of(self.body[start : edge.start()]))
            if edge[1]:
                return parts
            if len(parts) == _PARTS_LIMIT:
                raise UnreadableError(f"it has more than {_PARTS_LIMIT} parts")
            start = edge.end() + 1
        if start is not None:  # its end was cut off
            parts.append(part_of(self.body[start:]))
        return parts

    def groups(self) -> list[Fields]:
        """The groups of fields in its content, which empty lines separate."""
        texts = _EMPTY_LINE.split(self.text.strip(), _GROUPS_LIMIT)
        return [_fields(text) for text in texts[:_GROUPS_LIMIT]]


def part_of(content: bytes) -> Part:
    """
    The message or part with these bytes.

    Raises:
        UnreadableError: its header has no end.
    """
    end = _END_OF_HEADER.search(content, 0, _HEADER_LIMIT)
    if end is None and len(content) > _HEADER_LIMIT:
        raise UnreadableError(f"a header is longer than {_HEADER_LIMIT // 2**10} KiB")
    header = (content if end is None else content[: end.start()]).decode("latin-1")
    return Part(_fields(header), header, b"" if end is None else content[end.end() :])


def field(fields: Fields, *names: str) -> str:
    """The values of the first fields with these names, one a line."""
    return "\n".join(filter(None, (_first(fields, name) for name in names)))


def _fields(text: str) -> Fields:
    return HeaderParser(policy=policy.compat32).parsestr(text, headersonly=True)


def _first(fields: Fields, name: str) -> str:
    return str(fields.get(name, ""))
