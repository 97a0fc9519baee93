"""A real mail server in a thread: aiosmtpd, and what it took."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

_SAFETY = 30.0


@dataclass(frozen=True)
class Taken:
    """One message that the server said yes to."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    options: tuple[str, ...]
    is_encrypted: bool
    is_authenticated: bool


class MailServer:
    """
    Takes everything that is offered properly.

    With `starttls` it offers encryption and insists on it, with `implicit_tls`
    it speaks nothing else. With `accounts` it wants one of these passwords.
    """

    def __init__(
        self,
        *,
        starttls: ssl.SSLContext | None = None,
        implicit_tls: ssl.SSLContext | None = None,
        accounts: Mapping[str, str] | None = None,
        without: tuple[str, ...] = (),
    ) -> None:
        self.taken: list[Taken] = []
        self.ends: list[str] = []
        self.port = 0
        self._starttls = starttls
        self._implicit_tls = implicit_tls
        self._accounts = accounts
        self._without = without
        self._loop = asyncio.new_event_loop()
        self._is_ready = Event()
        self._thread = Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._is_ready.wait(_SAFETY)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_SAFETY)

    def _run(self) -> None:
        server = self._loop.run_until_complete(
            self._loop.create_server(self._protocol, "127.0.0.1", 0, ssl=self._implicit_tls)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._is_ready.set()
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(self._finished())
        self._loop.close()

    async def _finished(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _protocol(self) -> SMTP:
        return SMTP(
            self,
            hostname="relay.example",
            tls_context=self._starttls,
            require_starttls=self._starttls is not None,
            authenticator=self._checked if self._accounts else None,
            auth_require_tls=self._starttls is not None or self._implicit_tls is not None,
            auth_exclude_mechanism=self._without,
            loop=self._loop,
        )

    def _checked(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, login: Any) -> AuthResult:
        assert isinstance(login, LoginPassword)
        assert self._accounts is not None
        is_right = self._accounts.get(login.login.decode()) == login.password.decode()
        return AuthResult(success=is_right, handled=False)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.taken.append(
            Taken(
                envelope.mail_from,
                tuple(envelope.rcpt_tos),
                envelope.original_content,
                tuple(envelope.mail_options),
                session.ssl is not None or self._implicit_tls is not None,
                bool(session.authenticated),
            )
        )
        return "250 2.0.0 taken"

    async def handle_QUIT(self, server: Any, session: Any, envelope: Any) -> str:
        self.ends.append("QUIT")
        return "221 2.0.0 good-bye"
