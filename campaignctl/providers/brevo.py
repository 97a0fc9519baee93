"""
Brevo (once Sendinblue): one event a request, or a list of some.

Brevo documents no signature: a webhook carries a bearer token, basic
authentication or a header of the user's
(https://developers.brevo.com/docs/username-and-password-authentication). Our
mark comes back as `X-Mailin-custom`
(https://developers.brevo.com/docs/transactional-webhooks).
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from campaignctl.providers.credentials import require_token
from campaignctl.providers.event import Happened, ProviderEvent, instant_at, is_hard, kept_url
from campaignctl.providers.request import Part, ProviderRequest, objects_in

_KINDS: Final = {
    "delivered": Happened.DELIVERED,
    "opened": Happened.OPEN,
    "unique_opened": Happened.OPEN,
    "proxy_open": Happened.OPEN,
    "unique_proxy_open": Happened.OPEN,
    "click": Happened.CLICK,
    "hard_bounce": Happened.BOUNCE,
    "invalid_email": Happened.BOUNCE,
    "soft_bounce": Happened.BOUNCE,
    "spam": Happened.COMPLAINT,
    "complaint": Happened.COMPLAINT,
    "unsubscribed": Happened.UNSUBSCRIBE,
    "unsubscribe": Happened.UNSUBSCRIBE,
}
_PERMANENT: Final = frozenset({"hard_bounce", "invalid_email"})
_BY_MACHINES: Final = frozenset({"proxy_open", "unique_proxy_open"})


class Brevo:
    """The transactional webhooks of a Brevo account."""

    def __init__(self, token: str) -> None:
        self._token = token

    def events(self, request: ProviderRequest, now: datetime) -> list[ProviderEvent]:  # noqa: ARG002 # as every provider
        """
        What a request tells.

        Raises:
            UnverifiedError: it does not carry the token.
            UnreadableError: it is not in Brevo's form.
        """
        require_token(request.headers, self._token)
        return [_event(told) for told in objects_in(request.content) if told.text("event") in _KINDS]


def _event(told: Part) -> ProviderEvent:
    word = told.text("event")
    return ProviderEvent(
        _KINDS[word],
        # `ts` and `date` are in the zone of the account, `ts_event` is not.
        instant_at(told.number("ts_event")),
        told.text("X-Mailin-custom"),
        kept_url(told.text("link")) if word == "click" else "",
        is_machine=word in _BY_MACHINES,
        is_hard=is_hard(word in _PERMANENT, told.text("reason")),
    )
