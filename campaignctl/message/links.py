"""Signed links: they say which message to whom, to us alone, and nobody else can make one."""

from __future__ import annotations

import hmac
from base64 import b64encode, urlsafe_b64decode
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

_KEY_BYTES: Final = 1
_STEP_BYTES: Final = 4
_CONTACT_BYTES: Final = 6
_MAC_BYTES: Final = 16  # 128 bits
_SAID: Final = _KEY_BYTES + _STEP_BYTES + _CONTACT_BYTES
_LENGTH: Final = (_SAID + _MAC_BYTES) * 4 // 3  # 27 bytes make 36 characters, and no padding
_SHORTEST_SECRET: Final = 16


class Purpose(StrEnum):
    """What a link is for. A token for one purpose is worth nothing for another."""

    OPEN = "open"  # the hidden image
    CLICK = "click"  # a counted link
    UNSUBSCRIBE = "unsubscribe"  # the way out
    VIEW = "view"  # the message in a browser
    GATE = "gate"  # another system's answer
    RETURN_PATH = "return_path"  # the envelope sender
    EVENT = "event"  # a provider's news of a message


class Signer:
    """
    One key: makes tokens, and opens its own.

    A token is the key's number, the step's and the contact's, and a 128-bit
    HMAC of them under a key of its own for each purpose: 36 characters that may
    stand in a URL. The numbers are the store's; nothing in it is personal.
    """

    def __init__(self, key_id: int, secret: bytes) -> None:
        """
        Raises:
            ValueError: the number does not fit into a byte, or the secret is shorter than 128 bits.
        """
        if len(secret) < _SHORTEST_SECRET:
            raise ValueError("a secret has at least 16 bytes")
        self.key_id = key_id
        self._key = key_id.to_bytes(_KEY_BYTES) if 0 <= key_id < 256 else _refused(key_id)
        self._macs = {
            purpose: hmac.new(hmac.digest(secret, f"campaignctl link {purpose}".encode(), "sha256"), digestmod="sha256")
            for purpose in Purpose
        }

    def __repr__(self) -> str:
        return f"Signer({self.key_id})"

    def token(self, purpose: Purpose, step_id: int, contact_id: int) -> str:
        """
        The token for one contact's message of one step.

        >>> len(Signer(1, b"0123456789abcdef").token(Purpose.UNSUBSCRIBE, 3, 17))
        36
        """
        said = self._key + step_id.to_bytes(_STEP_BYTES) + contact_id.to_bytes(_CONTACT_BYTES)
        return b64encode(said + self._mac(purpose, said), b"-_").decode("ascii")

    def opened(self, purpose: Purpose, token: str) -> tuple[int, int] | None:
        """Step and contact of a token that this key made for this purpose; None for anything else."""
        content = _decoded(token)
        if content is None or content[:_KEY_BYTES] != self._key:
            return None
        said = content[:_SAID]
        if not hmac.compare_digest(content[_SAID:], self._mac(purpose, said)):
            return None
        step, contact = said[_KEY_BYTES:-_CONTACT_BYTES], said[-_CONTACT_BYTES:]
        return int.from_bytes(step), int.from_bytes(contact)

    def _mac(self, purpose: Purpose, said: bytes) -> bytes:
        # The key's own part was worked out before; this is four times as fast as to begin anew.
        mac = self._macs[purpose].copy()
        mac.update(said)
        return mac.digest()[:_MAC_BYTES]


class KeyRing:
    """The keys of a project: the first one signs, and all of them open what they once signed."""

    def __init__(self, signers: Iterable[Signer]) -> None:
        self._signers = tuple(signers)

    @property
    def signer(self) -> Signer:
        return self._signers[0]

    def opened(self, purpose: Purpose, token: str) -> tuple[int, int] | None:
        """Step and contact of a token that one of the keys made for this purpose; None for anything else."""
        for signer in self._signers:
            found = signer.opened(purpose, token)
            if found is not None:
                return found
        return None


class StepLinks:
    """The links of one step's messages, below the address at which the service is reachable."""

    def __init__(self, public_url: str, signer: Signer, step_id: int) -> None:
        self._start = public_url.rstrip("/")
        self._signer = signer
        self._step_id = step_id

    def unsubscribe_url(self, contact_id: int) -> str:
        return f"{self._start}/u/{self._signer.token(Purpose.UNSUBSCRIBE, self._step_id, contact_id)}"

    def view_url(self, contact_id: int) -> str:
        return f"{self._start}/v/{self._signer.token(Purpose.VIEW, self._step_id, contact_id)}"


def _refused(key_id: int) -> bytes:
    raise ValueError(f"{key_id} is no number of a key")


def _decoded(token: str) -> bytes | None:
    """The bytes of a token; all of its bits count, so no two tokens have the same."""
    if len(token) != _LENGTH or not token.isascii():
        return None
    try:
        content = urlsafe_b64decode(token)
    except ValueError:
        return None
    return content if b64encode(content, b"-_").decode("ascii") == token else None
