"""Mailboxes and addresses: one strict form, in and out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

# What nearly every address looks like; anything else is asked of the library.
_ORDINARY = re.compile(
    r"[A-Za-z0-9_+'-]+(?:\.[A-Za-z0-9_+'-]+)*@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}"
)
_MAILBOX = re.compile(r'\s*(?:"?(?P<name>[^"<>]*?)"?\s*<(?P<angle>[^<>\s]+)>|(?P<bare>[^<>\s"]+))\s*')
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


@dataclass(frozen=True)
class Mailbox:
    """A name for people, which may be empty, and an ASCII address."""

    name: str
    address: str


def normal_address(text: str) -> str | None:
    """
    The address in *text* with its domain in small letters and ASCII; None where it is none.

    At most 64 octets before the `@` and 254 in all (RFC 5321, 4.5.3.1). The
    domain need not exist.

    >>> normal_address("Ada@Example.ORG"), normal_address("ada@exämple.org"), normal_address("a b@example.org")
    ('Ada@example.org', 'ada@xn--exmple-cua.org', None)
    """
    text = text.strip()
    if _ORDINARY.fullmatch(text):
        local, _, domain = text.rpartition("@")
        return f"{local}@{domain.lower()}" if len(text) <= 254 and len(local) <= 64 else None
    return _unusual_address(text) if "@" in text and len(text) <= 320 else None


def is_address(text: str) -> bool:
    """
    Whether *text* is an address as `normal_address` gives it, but for the case of its domain.

    >>> is_address("Ada@Example.ORG"), is_address("ada@exämple.org"), is_address(" ada@example.org")
    (True, False, False)
    """
    if _ORDINARY.fullmatch(text) and len(text) <= 65:
        return True
    normal = normal_address(text)
    return normal is not None and text.isascii() and normal.lower() == text.lower()


@lru_cache(maxsize=1024)
def _unusual_address(text: str) -> str | None:
    # Its import takes as long as reading a small project.
    import email_validator

    if _CONTROLS.search(text):
        return None
    try:
        found = email_validator.validate_email(text, check_deliverability=False, test_environment=True)
    except email_validator.EmailNotValidError:
        return None
    ascii_form = found.ascii_email
    return ascii_form if ascii_form and len(ascii_form) <= 254 else None


def parse_mailbox(text: str) -> Mailbox:
    """
    One mailbox: `Name <address>` or an address.

    Raises:
        ValueError: it is none, or several.

    >>> parse_mailbox("Shop <news@shop.example>")
    Mailbox(name='Shop', address='news@shop.example')
    """
    match = _MAILBOX.fullmatch(text)
    address = match and normal_address(match["angle"] or match["bare"])
    if match is None or not address or _CONTROLS.search(text):
        raise ValueError(text)
    return Mailbox((match["name"] or "").strip(), address)
