"""
SendGrid's Event Webhook: many events a request, signed with a key of theirs.

The signature is ECDSA (P-256, SHA-256) over a timestamp and the body
(https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features).
Our mark comes back as a unique argument, beside the other keys of an event.
"""

from __future__ import annotations

from base64 import b64decode
from datetime import datetime
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from campaignctl.message.marks import NAME
from campaignctl.providers.event import Happened, ProviderEvent, instant_at, is_hard, kept_url, refuse_stale
from campaignctl.providers.request import Part, ProviderRequest, UnverifiedError, objects_in

SIGNATURE: Final = "x-twilio-email-event-webhook-signature"
TIMESTAMP: Final = "x-twilio-email-event-webhook-timestamp"

_KINDS: Final = {
    "delivered": Happened.DELIVERED,
    "open": Happened.OPEN,
    "click": Happened.CLICK,
    "bounce": Happened.BOUNCE,
    "spamreport": Happened.COMPLAINT,
    "unsubscribe": Happened.UNSUBSCRIBE,
    "group_unsubscribe": Happened.UNSUBSCRIBE,
}


class SendGrid:
    """The Event Webhook of a SendGrid account."""

    def __init__(self, public_key: str) -> None:
        """
        *public_key* is the verification key as SendGrid shows it: base64 without lines around it.

        Raises:
            ValueError: it is none.
        """
        try:
            key = load_der_public_key(b64decode(public_key, validate=True))
        except (ValueError, UnsupportedAlgorithm) as failure:
            raise ValueError("it is no verification key of SendGrid") from failure
        if not isinstance(key, EllipticCurvePublicKey):
            raise ValueError("it is no verification key of SendGrid")  # noqa: TRY004 - the type is the file's, not the caller's
        self._key = key

    def events(self, request: ProviderRequest, now: datetime) -> list[ProviderEvent]:
        """
        What a request tells.

        Raises:
            UnverifiedError: its signature is wrong or old.
            UnreadableError: it is not in SendGrid's form.
        """
        self._verify(request, now)
        return [event for told in objects_in(request.content) if (event := _event(told)) is not None]

    def _verify(self, request: ProviderRequest, now: datetime) -> None:
        timestamp = request.headers.get(TIMESTAMP, "")
        try:
            signature = b64decode(request.headers.get(SIGNATURE, ""), validate=True)
            self._key.verify(signature, timestamp.encode() + request.content, ECDSA(SHA256()))
        except (ValueError, InvalidSignature) as failure:
            raise UnverifiedError("the signature does not fit") from failure
        refuse_stale(instant_at(Part({"at": timestamp}).number("at")), now)


def _event(told: Part) -> ProviderEvent | None:
    word, at, mark = told.text("event"), told.number("timestamp"), told.text(NAME)
    if word == "dropped" and told.text("reason").startswith(("Bounced Address", "Invalid")):
        return ProviderEvent(Happened.BOUNCE, instant_at(at), mark, is_hard=True)
    if word not in _KINDS:
        return None
    # A bounce of the type `blocked` says nothing against the address.
    is_permanent = word == "bounce" and told.text("type") != "blocked"
    return ProviderEvent(
        _KINDS[word],
        instant_at(at),
        mark,
        kept_url(told.text("url")) if word == "click" else "",
        is_machine=told.is_true("sg_machine_open"),
        is_hard=is_hard(is_permanent, f"{told.text('status')} {told.text('reason')}"),
    )
