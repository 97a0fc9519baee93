"""Statements about signing keys: the secrets by which links and return paths know their own."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, insert, select

from campaignctl.store.instants import stored
from campaignctl.store.tables import signing_keys

_SECRET_BYTES: Final = 32


class KeyStatements:
    """The keys of a store; `docs/decisions/0006-keys-in-the-store.md` says why they are there."""

    connection: Connection

    def signing_keys(self) -> list[tuple[int, bytes]]:
        """Number and secret of every key, the newest first: that one signs, all of them open."""
        found = self.connection.execute(
            select(signing_keys.c.id, signing_keys.c.secret).order_by(signing_keys.c.id.desc())
        )
        return [(row.id, row.secret) for row in found]

    def ensure_signing_key(self, now: datetime) -> None:
        """Make a key where there is none yet."""
        if not self.signing_keys():
            self.connection.execute(
                insert(signing_keys).values(secret=secrets.token_bytes(_SECRET_BYTES), made_at=stored(now))
            )
