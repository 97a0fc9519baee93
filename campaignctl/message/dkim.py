"""DKIM signatures (RFC 6376, RFC 8463): the domain vouches for a message, and for what matters in its header."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from datetime import datetime
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_pem_private_key

PrivateKey = RSAPrivateKey | Ed25519PrivateKey

# Named once more than they occur: then nobody can add another one on the way.
_SEALED: Final = (
    "from", "to", "cc", "subject", "date", "message-id", "reply-to", "mime-version", "content-type",
)  # fmt: skip
_SIGNED: Final = ("content-transfer-encoding", "list-id", "list-unsubscribe", "list-unsubscribe-post")
_NAMES: Final = tuple(name.encode() for name in (*_SEALED, *_SIGNED))
_COVERED: Final = ":\r\n ".join(map(":".join, (_SEALED, _SEALED, _SIGNED)))
_SHORTEST_RSA: Final = 1024  # bits; what is shorter, no verifier accepts (RFC 8301)
_WIDTH: Final = 72

_FOLD: Final = re.compile(rb"\r\n(?=[ \t])")
_SPACES: Final = re.compile(rb"[ \t]+")


class DkimSignature:
    """
    Signs finished messages for one domain, under the name of one key.

    The same message at the same instant is signed with the same bytes: both
    kinds of signatures leave nothing to chance.
    """

    def __init__(self, domain: str, selector: str, key: PrivateKey) -> None:
        self._key = key
        algorithm = "rsa-sha256" if isinstance(key, RSAPrivateKey) else "ed25519-sha256"
        self._start = f"v=1; a={algorithm}; c=relaxed/relaxed;\r\n d={domain}; s={selector}; t="

    def on(self, message: bytes, at: datetime) -> bytes:
        """*message*, RFC 5322 with CRLF line ends, with the signature in front; *at* is when it was made."""
        head, _, body = message.partition(b"\r\n\r\n")
        digest = b64encode(hashlib.sha256(relaxed_body(body)).digest()).decode("ascii")
        value = f"{self._start}{int(at.timestamp())};\r\n h={_COVERED};\r\n bh={digest};\r\n b="
        told = _relaxed_fields(head + b"\r\n")
        covered = [told[name] for name in _NAMES if name in told]
        # The field itself comes last, with nothing after `b=` and no line end.
        covered.append(b"dkim-signature:" + _relaxed(value.encode("ascii")))
        signature = b64encode(self._signed(b"".join(covered))).decode("ascii")
        folded = "\r\n ".join(signature[start : start + _WIDTH] for start in range(0, len(signature), _WIDTH))
        return f"DKIM-Signature: {value}{folded}\r\n".encode("ascii") + message

    def _signed(self, content: bytes) -> bytes:
        digest = hashlib.sha256(content).digest()
        if isinstance(self._key, RSAPrivateKey):
            return self._key.sign(digest, PKCS1v15(), Prehashed(hashes.SHA256()))
        return self._key.sign(digest)


def relaxed_body(body: bytes) -> bytes:
    """
    A body, which ends in CRLF, as it is hashed: runs of spaces are one, and those before a line's end are none.

    >>> relaxed_body(b"a  b \\r\\n\\r\\n\\r\\n"), relaxed_body(b"\\r\\n")
    (b'a b\\r\\n', b'')
    """
    if b"\t" in body or b"  " in body:
        body = _SPACES.sub(b" ", body)
    if b" \r\n" in body:
        body = body.replace(b" \r\n", b"\r\n")
    # Empty lines at the end do not count.
    while body.endswith(b"\r\n\r\n"):
        body = body[:-2]
    return b"" if body == b"\r\n" else body


def _relaxed_fields(head: bytes) -> dict[bytes, bytes]:
    """The fields of a header by name, as they are hashed; none of ours occurs twice."""
    fields = {}
    for field in _FOLD.sub(b"", head).split(b"\r\n"):
        name, colon, value = field.partition(b":")
        if colon:
            lower = name.strip().lower()
            fields[lower] = lower + b":" + _relaxed(value) + b"\r\n"
    return fields


def _relaxed(value: bytes) -> bytes:
    return _SPACES.sub(b" ", _FOLD.sub(b"", value)).strip(b" ")


def private_key(pem: bytes) -> PrivateKey:
    """
    The key of a PEM text.

    Raises:
        ValueError: it is none, wants a password, or is of no kind that DKIM knows.
    """
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as failure:
        raise ValueError("it is no private key without a password in PEM form") from failure
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise ValueError("it is neither an RSA nor an Ed25519 key")  # noqa: TRY004 - the type is the file's, not the caller's
    if isinstance(key, RSAPrivateKey) and key.key_size < _SHORTEST_RSA:
        raise ValueError(f"it has {key.key_size} bits, and nobody accepts fewer than {_SHORTEST_RSA}")
    return key
