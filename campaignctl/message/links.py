"""Signed links: they say which message to whom, to us alone, and nobody else can make one."""

from __future__ import annotations

import hmac
from base64 import b64encode, urlsafe_b64decode
from binascii import b2a_base64
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final

_KEY_BYTES: Final = 1
_STEP_BYTES: Final = 4
_CONTACT_BYTES: Final = 6
_LINK_BYTES: Final = 3
_MAC_BYTES: Final = 16  # 128 bits
_SAID: Final = _KEY_BYTES + _STEP_BYTES + _CONTACT_BYTES
_LENGTH: Final = (_SAID + _MAC_BYTES) * 4 // 3  # 27 bytes make 36 characters, and no padding
_CLICK_LENGTH: Final = (_SAID + _LINK_BYTES + _MAC_BYTES) * 4 // 3  # 30 bytes make 40
MOST_LINKS: Final = 1000  # that one message can count
_SHORTEST_SECRET: Final = 16
_FOR_URLS: Final = bytes.maketrans(b"+/", b"-_")


class Purpose(StrEnum):
    """What a link is for. A token for one purpose is worth nothing for another."""

    OPEN = "open"  # the hidden image
    CLICK = "click"  # a counted link
    UNSUBSCRIBE = "unsubscribe"  # the way out
    VIEW = "view"  # the message in a browser
    GATE = "gate"  # another system's answer
    RETURN_PATH = "return_path"  # the envelope sender
    EVENT = "event"  # a provider's news of a message
    CONVERSION = "conversion"  # what a shop gives back of a visit


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

    def click_tokens(self, step_id: int, contact_id: int, links: Sequence[bytes]) -> list[str]:
        """The tokens for the links of these numbers (see `link_number`) in one contact's message of one step."""
        start = self._key + step_id.to_bytes(_STEP_BYTES) + contact_id.to_bytes(_CONTACT_BYTES)
        fresh = self._macs[Purpose.CLICK]
        tokens = []
        # The calls of `token` and `_mac` are written out here: a message may have many links.
        for link in links:
            said, mac = start + link, fresh.copy()
            mac.update(said)
            content = said + mac.digest()[:_MAC_BYTES]
            tokens.append(b2a_base64(content, newline=False).translate(_FOR_URLS).decode("ascii"))
        return tokens

    def opened(self, purpose: Purpose, token: str) -> tuple[int, int] | None:
        """Step and contact of a token that this key made for this purpose; None for anything else."""
        said = self._said(purpose, token, _LENGTH)
        return None if said is None else _step_and_contact(said)

    def opened_click(self, token: str) -> tuple[int, int, int] | None:
        """Step, contact and number of the link of a token that `click_tokens` made; None for anything else."""
        said = self._said(Purpose.CLICK, token, _CLICK_LENGTH)
        if said is None:
            return None
        return *_step_and_contact(said[:-_LINK_BYTES]), int.from_bytes(said[-_LINK_BYTES:])

    def _said(self, purpose: Purpose, token: str, length: int) -> bytes | None:
        """What a token says, where this key signed it for this purpose."""
        content = _decoded(token, length)
        if content is None or content[:_KEY_BYTES] != self._key:
            return None
        said = content[:-_MAC_BYTES]
        return said if hmac.compare_digest(content[-_MAC_BYTES:], self._mac(purpose, said)) else None

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

    def opened_click(self, token: str) -> tuple[int, int, int] | None:
        """Step, contact and number of the link of a token that one of the keys made; None for anything else."""
        return next(filter(None, (signer.opened_click(token) for signer in self._signers)), None)


class StepLinks:
    """The links of one step's messages, below the address at which the service is reachable."""

    def __init__(self, public_url: str, signer: Signer, step_id: int) -> None:
        self._start = public_url.rstrip("/")
        self._signer = signer
        self._step_id = step_id

    @property
    def click_start(self) -> str:
        """What stands before the token of every counted link."""
        return f"{self._start}/c/"

    @property
    def open_start(self) -> str:
        """What stands before the token of the hidden image."""
        return f"{self._start}/o/"

    def click_tokens(self, contact_id: int, links: Sequence[bytes]) -> list[str]:
        return self._signer.click_tokens(self._step_id, contact_id, links)

    def open_token(self, contact_id: int) -> str:
        return self._signer.token(Purpose.OPEN, self._step_id, contact_id)

    def unsubscribe_url(self, contact_id: int) -> str:
        return f"{self._start}/u/{self._signer.token(Purpose.UNSUBSCRIBE, self._step_id, contact_id)}"

    def view_url(self, contact_id: int) -> str:
        return f"{self._start}/v/{self._signer.token(Purpose.VIEW, self._step_id, contact_id)}"


def link_number(number: int) -> bytes:
    """
    The number of a link as tokens say it.

    >>> link_number(7)
    b'\\x00\\x00\\x07'
    """
    return number.to_bytes(_LINK_BYTES)


def _step_and_contact(said: bytes) -> tuple[int, int]:
    return int.from_bytes(said[_KEY_BYTES:-_CONTACT_BYTES]), int.from_bytes(said[-_CONTACT_BYTES:])


def _refused(key_id: int) -> bytes:
    raise ValueError(f"{key_id} is no number of a key")


def _decoded(token: str, length: int) -> bytes | None:
    """The bytes of a token of this length; all of its bits count, so no two tokens have the same."""
    if len(token) != length or not token.isascii():
        return None
    try:
        content = urlsafe_b64decode(token)
    except ValueError:
        return None
    return content if b64encode(content, b"-_").decode("ascii") == token else None
