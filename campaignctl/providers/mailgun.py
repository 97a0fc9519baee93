"""
Mailgun: one event a request, with a signature in its body.

The signature is an HMAC of a timestamp and a token only
(https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks):
it covers nothing of the event. So each token counts once, or whoever has seen
one request could write others with it. Our mark comes back among the
`user-variables`.
"""

from __future__ import annotations

import hmac
from datetime import datetime
from typing import Final

from campaignctl.message.marks import NAME
from campaignctl.providers.credentials import same
from campaignctl.providers.event import Happened, ProviderEvent, instant_at, is_hard, kept_url, refuse_stale
from campaignctl.providers.request import Part, ProviderRequest, UnverifiedError, objects_in

_MOST_TOKENS: Final = 200_000
_KINDS: Final = {
    "delivered": Happened.DELIVERED,
    "opened": Happened.OPEN,
    "clicked": Happened.CLICK,
    "complained": Happened.COMPLAINT,
    "unsubscribed": Happened.UNSUBSCRIBE,
}


class Mailgun:
    """The webhooks of a Mailgun domain."""

    def __init__(self, signing_key: str) -> None:
        self._key = signing_key.encode()
        self._used: dict[str, bytes] = {}

    def events(self, request: ProviderRequest, now: datetime) -> list[ProviderEvent]:
        """
        What a request tells.

        The same request may come again: Mailgun repeats what was not answered.

        Raises:
            UnverifiedError: its signature is wrong or old, or was seen with another event.
            UnreadableError: it is not in Mailgun's form.
        """
        found = []
        for told in objects_in(request.content):
            self._verify(told.part("signature"), request.content, now)
            event = _event(told.part("event-data"))
            if event is not None:
                found.append(event)
        return found

    def _verify(self, signature: Part, content: bytes, now: datetime) -> None:
        timestamp, token = signature.text("timestamp"), signature.text("token")
        expected = hmac.digest(self._key, f"{timestamp}{token}".encode(), "sha256").hex()
        if not timestamp.isdecimal() or not token or not same(signature.text("signature"), expected):
            raise UnverifiedError("the signature does not fit")
        refuse_stale(instant_at(signature.number("timestamp")), now)
        if self._used.setdefault(token, digest := _digest(content)) != digest:
            raise UnverifiedError("the signature was used before, for another event")
        while len(self._used) > _MOST_TOKENS:
            del self._used[next(iter(self._used))]


def _digest(content: bytes) -> bytes:
    return hmac.digest(b"mailgun", content, "sha256")[:16]


def _event(told: Part) -> ProviderEvent | None:
    word, mark = told.text("event"), told.part("user-variables").text(NAME)
    if word == "failed":
        status = told.part("delivery-status")
        hard = told.text("severity") == "permanent" and told.text("reason") in ("bounce", "suppress-bounce")
        said = status.text("enhanced-code") or status.text("message")
        return ProviderEvent(Happened.BOUNCE, _at(told), mark, is_hard=is_hard(hard, said))
    if word not in _KINDS:
        return None
    url = kept_url(told.text("url")) if word == "clicked" else ""
    return ProviderEvent(_KINDS[word], _at(told), mark, url, is_machine=bool(told.part("client-info").text("bot")))


def _at(told: Part) -> datetime:
    return instant_at(told.number("timestamp"))
