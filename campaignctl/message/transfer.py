"""Transfer encodings (RFC 2045): texts as lines of ASCII that no server has a reason to change."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal

Encoding = Literal["quoted-printable", "base64"]

_AS_IT_IS: Final = bytes(range(32, 127)) + b"\n"
_ESCAPED: Final = re.compile(r"[^\n -~]{1,8}")
_SPACE_BEFORE_END: Final = re.compile(r" (?=\n|\Z)")
# At most 75 characters, and the line does not end within an escape.
_LINE: Final = re.compile(r".{1,75}(?<!=)(?<!=.)")
_BASE64_LINE: Final = re.compile(r".{1,76}")
_ODD_LINE_ENDS: Final = re.compile(r"\r\n|[\r\u2028\u2029\x0b\x0c\x85]")
NO_LINES: Final[Mapping[str, str]] = {}
# Where more of the bytes would be escaped, base64 is shorter.
_MOSTLY: Final = 1 / 6


def best_encoding(text: str) -> Encoding:
    """
    The encoding that makes *text* shorter.

    >>> best_encoding("Une très belle offre pour cet été"), best_encoding("Привет")
    ('quoted-printable', 'base64')
    """
    content = text.encode("utf-8", "replace")
    escaped = len(content.translate(None, _AS_IT_IS))
    return "base64" if escaped > len(content) * _MOSTLY else "quoted-printable"


def one_kind_of_line_end(text: str) -> str:
    """*text* with LF for everything that ends a line, and without NUL."""
    if "\0" in text:
        text = text.replace("\0", "")
    # Looking for each is many times faster than the pattern, which then seldom runs.
    if "\r" in text or "\x0b" in text or "\x0c" in text:
        return _ODD_LINE_ENDS.sub("\n", text)
    if not text.isascii() and ("\x85" in text or "\u2028" in text or "\u2029" in text):
        return _ODD_LINE_ENDS.sub("\n", text)
    return text


def encoded_text(text: str, encoding: Encoding, known_lines: Mapping[str, str] = NO_LINES) -> str:
    """*text*, whose lines end in LF, encoded: lines of at most 76 characters, CRLF between them."""
    return quoted_printable(text, known_lines) if encoding == "quoted-printable" else _base64(text)


def quoted_printable(text: str, known_lines: Mapping[str, str] = NO_LINES) -> str:
    """
    *text* in quoted-printable.

    Pieces can be encoded apart and put together with soft line breaks between
    them: `=` CRLF, which readers leave out.

    Lines that are too long are looked up among *known_lines* before they are
    divided: many are the same in every copy of a message.

    >>> quoted_printable("1 + 1 = 2 ")
    '1 + 1 =3D 2=20'
    """
    return "\r\n".join(
        [line if len(line) < 77 else known_lines.get(line) or _divided(line) for line in _escaped_lines(text)]
    )


def long_lines(text: str) -> dict[str, str]:
    """Those lines of *text* that quoted-printable divides, with what becomes of each."""
    return {line: _divided(line) for line in _escaped_lines(text) if len(line) > 76}


def _divided(line: str) -> str:
    return "=\r\n".join(_LINE.findall(line))


def _escaped_lines(text: str) -> list[str]:
    text = text.replace("=", "=3D")
    if not text.isascii() or text.encode().translate(None, _AS_IT_IS):
        text = _ESCAPED.sub(lambda found: _as_hex(found[0]), text)
    if " \n" in text or text.endswith(" "):
        text = _SPACE_BEFORE_END.sub("=20", text)
    return text.split("\n")


@lru_cache(maxsize=256)
def _as_hex(text: str) -> str:
    return "=" + text.encode("utf-8", "replace").hex("=").upper()


def quoted_piece(text: str) -> str:
    """*text*, which does not end a line, in quoted-printable with a soft line break after it."""
    quoted = quoted_printable(text)
    last = len(quoted) - quoted.rfind("\n") - 1
    return f"{quoted}=\r\n" if last < 76 else f"{quoted[:-3]}=\r\n{quoted[-3:]}=\r\n"


def _base64(text: str) -> str:
    content = text.replace("\n", "\r\n").encode("utf-8", "replace")
    return "\r\n".join(_BASE64_LINE.findall(b64encode(content).decode("ascii")))
