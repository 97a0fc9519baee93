"""Statements about the keys of the HTTP service. Of a token only its digest is kept."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update

from campaignctl.store.instants import instant, stored
from campaignctl.store.tables import tokens

_FORM: Final = re.compile(r"cctl_([0-9a-f]{12})_([A-Za-z0-9_-]{43})", re.ASCII)
_SECRET_BYTES: Final = 32


@dataclass(frozen=True)
class Token:
    """What is known of a token: what it is good for, since when and how long."""

    id: str
    scopes: frozenset[str]
    made_at: datetime
    made_by: str
    expires_at: datetime | None
    revoked_at: datetime | None

    def is_good(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def allows(self, scope: str) -> bool:
        """
        Whether it is good for *scope*; `trigger:*` is good for the trigger of every campaign.
        """
        kind, colon, _ = scope.partition(":")
        return scope in self.scopes or (bool(colon) and f"{kind}:*" in self.scopes)


def add_token(
    connection: Connection, scopes: Collection[str], actor: str, now: datetime, expires_at: datetime | None = None
) -> tuple[Token, str]:
    """A new token, and the text of it, which is kept nowhere."""
    made = Token(secrets.token_hex(6), frozenset(scopes), now, actor, expires_at, None)
    text = f"cctl_{made.id}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    connection.execute(
        insert(tokens).values(
            id=made.id,
            digest=_digest(text),
            scopes=" ".join(sorted(made.scopes)),
            made_at=stored(now),
            made_by=actor,
            expires_at=stored(expires_at),
        )
    )
    return made, text


def found_token(connection: Connection, text: str, now: datetime) -> Token | None:
    """The token with this text, where it is good at this moment."""
    form = _FORM.fullmatch(text)
    if form is None:
        return None
    row = connection.execute(select(tokens).where(tokens.c.id == form[1])).one_or_none()
    # The secret has 256 bits, so a plain digest of it is as good as a slow one.
    if row is None or not hmac.compare_digest(row.digest, _digest(text)):
        return None
    found = _token(row)
    return found if found.is_good(now) else None


def all_tokens(connection: Connection) -> list[Token]:
    return [_token(row) for row in connection.execute(select(tokens).order_by(tokens.c.made_at, tokens.c.id))]


def revoke_token(connection: Connection, token_id: str, now: datetime) -> bool:
    """Make a token worthless; False where there is none of this id, or it was revoked before."""
    revoked = connection.execute(
        update(tokens).where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None)).values(revoked_at=stored(now))
    )
    return revoked.rowcount == 1


def _token(row: Any) -> Token:
    return Token(
        row.id,
        frozenset(row.scopes.split()),
        instant(row.made_at),
        row.made_by,
        instant(row.expires_at),
        instant(row.revoked_at),
    )


def _digest(text: str) -> bytes:
    return sha256(text.encode()).digest()
