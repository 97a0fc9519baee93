"""Where the relay is and how to talk to it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import unquote_to_bytes, urlsplit

Security = Literal["required", "opportunistic", "none"]

DEFAULT_CONNECTIONS = 4
DEFAULT_TIMEOUT = timedelta(seconds=60)
# RFC 5321, 4.5.3.2.6: filters run before this answer. Giving up early means a second copy.
DEFAULT_ANSWER_TIMEOUT = timedelta(minutes=10)
# Exim's limit; a server with a lower one closes, which costs no message anything.
DEFAULT_MESSAGES_PER_CONNECTION = 1000
# Servers and routers forget a silent connection after minutes. That it is gone is found out later, by waiting.
DEFAULT_IDLE_LIMIT = timedelta(seconds=30)

_SUBMISSION, _RELAY, _SUBMISSIONS = 587, 25, 465
LOCAL_NAME = re.compile(r"[A-Za-z0-9.:\[\]-]{1,255}")


@dataclass(frozen=True)
class SmtpSettings:
    """
    One relay, and how far it is trusted.

    `required` checks the certificate against the system's trust store, or
    against `ca_file` alone. `opportunistic` encrypts where the server offers
    it, and believes any certificate. `none` never encrypts, and is the only
    way to send a password in the clear.
    """

    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    security: Security = "opportunistic"
    implicit_tls: bool = False
    connections: int = DEFAULT_CONNECTIONS
    timeout: timedelta = DEFAULT_TIMEOUT
    local_name: str | None = None
    ca_file: Path | None = None
    answer_timeout: timedelta = DEFAULT_ANSWER_TIMEOUT
    messages_per_connection: int = DEFAULT_MESSAGES_PER_CONNECTION
    idle_limit: timedelta = DEFAULT_IDLE_LIMIT

    def __post_init__(self) -> None:
        _check_host(self.host)
        if not 1 <= self.port <= 65535:
            raise ValueError(f"port {self.port} is not between 1 and 65535")
        if self.implicit_tls and self.security == "none":
            raise ValueError("`smtps://` is TLS from the start, and tls says `none`")
        if (self.user is None) != (self.password is None):
            raise ValueError("a user and a password come together or not at all")
        if "\0" in (self.user or "") + (self.password or ""):
            raise ValueError("neither the user nor the password may hold a zero byte")
        if self.connections < 1:
            raise ValueError("at least one connection is needed")
        if self.messages_per_connection < 1:
            raise ValueError("a connection has to carry at least one message")
        if min(self.timeout, self.answer_timeout) <= timedelta(0):
            raise ValueError("a timeout has to be longer than nothing")
        if self.local_name is not None and not LOCAL_NAME.fullmatch(self.local_name):
            raise ValueError(f"`{self.local_name}` is not a host name to introduce ourselves by")

    @property
    def has_password(self) -> bool:
        return self.password is not None

    @classmethod
    def from_url(cls, url: str, *, tls: str | None = None, connections: int | None = None) -> SmtpSettings:
        """
        The settings that `smtp://user:password@host:587` or `smtps://…` stands for.

        Without *tls*, a password or `smtps` makes TLS `required`; else it is
        `opportunistic`.

        Raises:
            ValueError: with a sentence of ours that never holds the password.
        """
        scheme, host, port, user, password = _parts(url)
        is_smtps = scheme == "smtps"
        security = tls or ("required" if password is not None or is_smtps else "opportunistic")
        if port is None:
            port = _SUBMISSIONS if is_smtps else _RELAY if password is None else _SUBMISSION
        return cls(
            host=host,
            port=port,
            user=user,
            password=password,
            security=_security(security),
            implicit_tls=is_smtps,
            connections=DEFAULT_CONNECTIONS if connections is None else connections,
        )


def _security(word: str) -> Security:
    match word:
        case "required" | "opportunistic" | "none":
            return word
    raise ValueError(f"tls is `required`, `opportunistic` or `none`, not `{word}`")


def _parts(url: str) -> tuple[str, str, int | None, str | None, str | None]:
    """Scheme, host, port, user and password."""
    # The parser's own messages quote the address, and with it the password.
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("the address of the mail server cannot be read: is its port a number?") from None
    if parts.scheme not in {"smtp", "smtps"}:
        raise ValueError("the address of a mail server begins with `smtp://` or `smtps://`")
    if not host:
        raise ValueError("the address of the mail server names no host")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError(
            "the address of the mail server goes on after its port;"
            " in a user or a password write `/` as `%2F`, `?` as `%3F` and `#` as `%23`"
        )
    return parts.scheme, host, port, _decoded(parts.username), _decoded(parts.password)


def _decoded(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return unquote_to_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("the user or the password is not UTF-8 when its `%` signs are decoded") from None


def _check_host(host: str) -> None:
    try:
        is_name = bool(host.encode("idna")) and not host.startswith(".")
    except UnicodeError:
        is_name = False
    if not is_name or re.search(r"[\s\x00-\x1f\x7f/@]", host):
        raise ValueError("the mail server's host is not a name or an address")
