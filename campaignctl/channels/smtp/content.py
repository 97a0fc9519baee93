"""Bytes that may stand in a conversation: addresses in commands, content before the final dot."""

from __future__ import annotations

import re

TERMINATOR = b".\r\n"

_ADDRESS = re.compile(r"[\x21-\x3b\x3d\x3f-\x7e]{1,254}")


def is_address(text: str) -> bool:
    """
    Whether *text* can stand between the angle brackets of a command.

    >>> is_address("ada@example.org")
    True
    >>> is_address("ada@example.org>\\r\\nRCPT TO:<eve@example.org")
    False
    """
    return _ADDRESS.fullmatch(text) is not None


def with_crlf(content: bytes) -> bytes:
    """
    *content* with CRLF after every line, the last one too.

    A bare CR or LF would let a message end early for servers that take one
    for a line end, and what follows would be read as commands.
    """
    lines = content.splitlines()
    return b"\r\n".join((*lines, b"")) if lines else content


def dot_stuffed(content: bytes) -> bytes:
    """*content* as it stands between DATA and the terminator."""
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if stuffed.startswith(b".") else stuffed
