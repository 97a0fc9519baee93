"""
Postmark: one event a request.

Postmark signs nothing: its webhooks carry basic authentication or a header of
the user's (https://postmarkapp.com/developer/webhooks/webhooks-overview). Our
mark comes back among the `Metadata` of the message.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from campaignctl.message.marks import NAME
from campaignctl.providers.credentials import require_token
from campaignctl.providers.event import Happened, ProviderEvent, instant_in, is_hard, kept_url
from campaignctl.providers.request import Part, ProviderRequest, objects_in

# https://postmarkapp.com/developer/api/bounce-api#bounce-types
_HARD: Final = frozenset({"HardBounce", "BadEmailAddress"})
_SOFT: Final = frozenset({"Transient", "SoftBounce", "Blocked", "DnsError", "SpamNotification", "DMARCPolicy"})


class Postmark:
    """The webhooks of a Postmark server."""

    def __init__(self, token: str) -> None:
        self._token = token

    def events(self, request: ProviderRequest, now: datetime) -> list[ProviderEvent]:  # noqa: ARG002 # as every provider
        """
        What a request tells.

        Raises:
            UnverifiedError: it does not carry the token.
            UnreadableError: it is not in Postmark's form.
        """
        require_token(request.headers, self._token)
        return [event for told in objects_in(request.content) if (event := _event(told)) is not None]


def _event(told: Part) -> ProviderEvent | None:
    mark = told.part("Metadata").text(NAME)
    match told.text("RecordType"):
        case "Delivery":
            return ProviderEvent(Happened.DELIVERED, instant_in(told.text("DeliveredAt")), mark)
        case "Bounce" if told.text("Type") in _HARD | _SOFT:
            hard = is_hard(told.text("Type") in _HARD, told.text("Details"))
            return ProviderEvent(Happened.BOUNCE, instant_in(told.text("BouncedAt")), mark, is_hard=hard)
        case "SpamComplaint":
            return ProviderEvent(Happened.COMPLAINT, instant_in(told.text("BouncedAt")), mark)
        case "Open":
            return ProviderEvent(Happened.OPEN, instant_in(told.text("ReceivedAt")), mark)
        case "Click":
            url = kept_url(told.text("OriginalLink"))
            return ProviderEvent(Happened.CLICK, instant_in(told.text("ReceivedAt")), mark, url)
        # The other reasons, `HardBounce` and `SpamComplaint`, have records of their own.
        case "SubscriptionChange" if told.is_true("SuppressSending"):
            if told.text("SuppressionReason") == "ManualSuppression":
                return ProviderEvent(Happened.UNSUBSCRIBE, instant_in(told.text("ChangedAt")), mark)
    return None
