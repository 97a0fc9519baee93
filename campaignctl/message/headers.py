"""Header fields of a message: values that cannot become further headers."""

from __future__ import annotations

import re
from base64 import b64encode

from campaignctl.message.address import Mailbox

_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_PLAIN = re.compile(r"[ -~]*")
_URL = re.compile(r"[!-;=?-~]{1,900}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,75}")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")

RESERVED = frozenset(
    {
        "from", "to", "cc", "bcc", "subject", "date", "message-id", "mime-version", "reply-to", "sender",
        "return-path", "received", "dkim-signature", "list-id", "list-unsubscribe", "list-unsubscribe-post",
    }
)  # fmt: skip


def may_be_set(name: str) -> bool:
    """
    Whether a campaign may add a header with this name.

    >>> may_be_set("X-Campaign"), may_be_set("Bcc"), may_be_set("Content-Type"), may_be_set("X Y")
    (True, False, False, False)
    """
    lower = name.lower()
    return bool(_NAME.fullmatch(name)) and lower not in RESERVED and not lower.startswith(("content-", "resent-"))


def one_line(value: str) -> str:
    """
    *value* without anything that ends or hides a line.

    >>> one_line("Hello\\r\\nBcc: eve@example.org")
    'Hello Bcc: eve@example.org'
    """
    # What can be printed holds nothing forbidden; asking is much quicker than replacing.
    return value.strip() if value.isprintable() else _FORBIDDEN.sub(" ", value).strip()


def encoded(value: str, used: int = 0) -> str:
    """
    *value* as an unstructured header body, folded; *used* is the length of the header's name.

    Text that is not plain ASCII, or looks encoded already, becomes encoded
    words (RFC 2047): readers give back exactly *value*.

    >>> encoded("Frühling")
    '=?utf-8?b?RnLDvGhsaW5n?='
    """
    value = one_line(value)
    if _PLAIN.fullmatch(value) and "=?" not in value and len(value) + used < 76:
        return value
    words: list[str] = []
    content, start = value.encode(), 0
    while start < len(content) or not words:
        end = min(start + 39, len(content))
        # A character stays in one word.
        while end < len(content) and content[end] & 0xC0 == 0x80:
            end -= 1
        words.append(f"=?utf-8?b?{b64encode(content[start:end]).decode()}?=")
        start = end
    return "\r\n ".join(words)


def is_url(text: str) -> bool:
    """
    Whether *text* can stand between the angle brackets of a header.

    >>> is_url("https://mail.shop.example/u/x"), is_url("https://shop.example/> <b")
    (True, False)
    """
    return _URL.fullmatch(text) is not None


def mailbox_text(mailbox: Mailbox) -> str:
    """A mailbox as the body of From, To or Reply-To."""
    name = one_line(mailbox.name)
    if not name:
        return mailbox.address
    if _ATOMS.fullmatch(name) and "=?" not in name and len(name) < 60:
        return f"{name} <{mailbox.address}>"
    return f"{encoded(name, 76)}\r\n <{mailbox.address}>"
