"""Signatures of requests, as Standard Webhooks has them: who receives one can tell that it is ours, and new."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from standardwebhooks import Webhook

TOLERANCE: Final = timedelta(minutes=5)
_PREFIX: Final = "whsec_"
_VERSION: Final = "v1,"


def signed(secret: str, message_id: str, at: datetime, content: bytes) -> Mapping[str, str]:
    """
    The headers that go with *content*: the same *message_id* at each try, and the instant of this one.

    >>> headers = signed("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek",
    ...                  datetime.fromtimestamp(1614265330, UTC), b'{"test": 2432232314}')
    >>> headers["webhook-signature"]
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": _signature(secret, message_id, at, content),
    }


def verified(secret: str, headers: Mapping[str, str], content: bytes, now: datetime) -> bool:
    """
    Whether *content* was signed with *secret*, within five minutes of *now*.

    Names of *headers* are in small letters. Several signatures may stand in
    one header, for a change of secrets; one that holds is enough.
    """
    message_id = headers.get("webhook-id", "")
    try:
        at = datetime.fromtimestamp(int(headers.get("webhook-timestamp", "")), UTC)
    except (ValueError, OverflowError, OSError):
        return False
    if not message_id or abs(now - at) > TOLERANCE:
        return False
    expected = _signature(secret, message_id, at, content).encode()
    given = [each for each in headers.get("webhook-signature", "").split(" ") if each.startswith(_VERSION)]
    return any(hmac.compare_digest(expected, each.encode()) for each in given)


def _signature(secret: str, message_id: str, at: datetime, content: bytes) -> str:
    # The library signs text. Latin-1 would sign other bytes than are sent, so what is no UTF-8 is refused.
    return Webhook(_key(secret)).sign(message_id, at, content.decode("utf-8"))


def _key(secret: str) -> bytes:
    """The bytes of a secret: base64 behind `whsec_`, the text itself otherwise."""
    if secret.startswith(_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(_PREFIX) + "==", validate=False)
        except binascii.Error:
            pass
    return secret.encode("utf-8")
