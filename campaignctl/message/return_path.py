"""Signed return paths: a report that comes back says of which message, and nobody else can make one."""

from __future__ import annotations

import re
from base64 import b32decode, b32encode, urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Final, Protocol

from campaignctl.message.links import Purpose

_TOKEN_LENGTH: Final = 44  # 27 bytes in base32


class Signs(Protocol):
    """Makes tokens: a `links.Signer`."""

    def token(self, purpose: Purpose, step_id: int, contact_id: int) -> str: ...


class Opens(Protocol):
    """Opens tokens: a `links.Signer`, or a `links.KeyRing` that knows older keys too."""

    def opened(self, purpose: Purpose, token: str) -> tuple[int, int] | None: ...


@dataclass(frozen=True)
class ReturnPath:
    """Where reports about messages go: to one mailbox, with the name of the message."""

    mailbox: str
    signer: Signs

    def of(self, step_id: int, contact_id: int) -> str:
        """
        The envelope sender of one contact's message: `LOCAL+TOKEN@DOMAIN`.

        Relays may write a local part in other letters, so the token is base32,
        which means the same in capitals and in small letters.
        """
        local, _, domain = self.mailbox.rpartition("@")
        token = urlsafe_b64decode(self.signer.token(Purpose.RETURN_PATH, step_id, contact_id))
        return f"{local}+{b32encode(token).decode('ascii').rstrip('=').lower()}@{domain}"


class ReturnPaths:
    """Finds the return paths that were signed for one bounce mailbox."""

    def __init__(self, mailbox: str, keys: Opens) -> None:
        local, _, domain = mailbox.rpartition("@")
        token = f"([a-z2-7]{{{_TOKEN_LENGTH}}})"
        self._address = re.compile(rf"{re.escape(local)}\+{token}@{re.escape(domain)}(?![\w.-])", re.I | re.ASCII)
        self._keys = keys

    def delivery_in(self, text: str) -> tuple[int, int] | None:
        """Step and contact of the first return path in *text* that we signed."""
        for found in self._address.finditer(text):
            delivery = self._opened(found[1].upper())
            if delivery is not None:
                return delivery
        return None

    def _opened(self, token: str) -> tuple[int, int] | None:
        content = b32decode(token + "=" * (-_TOKEN_LENGTH % 8))
        # The last letter has bits to spare; only one way to write a token counts.
        if b32encode(content).decode("ascii").rstrip("=") != token:
            return None
        return self._keys.opened(Purpose.RETURN_PATH, urlsafe_b64encode(content).decode("ascii"))
