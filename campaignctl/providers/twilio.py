"""
Twilio: what became of a text message, and who answers STOP.

A request is signed with the account's token: HMAC-SHA1 over the address that
was asked for and the sorted fields of the form, or, with a JSON body, over the
address that holds the body's SHA-256 (https://www.twilio.com/docs/usage/security).
Our mark is in the address that each message names for its news
(`StatusCallback`). Twilio does not say when something happened.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import parse_qs, parse_qsl, urlsplit

from campaignctl.providers.credentials import same
from campaignctl.providers.event import Happened, ProviderEvent
from campaignctl.providers.request import ProviderRequest, UnreadableError, UnverifiedError, json_in

SIGNATURE: Final = "x-twilio-signature"

_HAS_UNSUBSCRIBED: Final = "21610"
# There is no such phone, or it takes no text messages: https://www.twilio.com/docs/api/errors
_HARD: Final = frozenset({"21211", "21614", "30005", "30006"})
# https://help.twilio.com/articles/223134027 lists the words that Twilio takes for STOP.
_STOP: Final = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})


class Twilio:
    """The status callbacks and incoming messages of a Twilio account."""

    def __init__(self, auth_token: str, public_url: str) -> None:
        """*public_url* is where Twilio reaches us: a proxy in between may have changed the address that we see."""
        self._token = auth_token.encode()
        self._origin = public_url.rstrip("/")

    def events(self, request: ProviderRequest, now: datetime) -> list[ProviderEvent]:  # noqa: ARG002 # as every provider
        """
        What a request tells.

        Raises:
            UnverifiedError: its signature does not fit.
            UnreadableError: it is not in Twilio's form.
        """
        address = urlsplit(request.url)
        fields = self._verified_fields(request, f"{self._origin}{address.path}?{address.query}".rstrip("?"))
        mark = parse_qs(address.query).get(MARK, [""])[0]
        if "MessageStatus" not in fields and _says_stop(fields):
            return [ProviderEvent(Happened.UNSUBSCRIBE, None, "", phone=fields.get("From", ""))]
        return [event] if (event := _event(fields, mark)) is not None else []

    def _verified_fields(self, request: ProviderRequest, url: str) -> Mapping[str, str]:
        given = request.headers.get(SIGNATURE, "")
        digest = parse_qs(urlsplit(url).query).get("bodySHA256", [""])[0]
        if digest:
            if not same(digest, hashlib.sha256(request.content).hexdigest()) or not same(given, self._signature(url)):
                raise UnverifiedError("the signature does not fit")
            found = json_in(request.content)
            if not isinstance(found, dict):
                raise UnreadableError("the body is not a JSON object")
            return {name: value for name, value in found.items() if isinstance(value, str)}
        fields = _form(request.content)
        if not same(given, self._signature(url + "".join(name + value for name, value in sorted(fields)))):
            raise UnverifiedError("the signature does not fit")
        return dict(fields)

    def _signature(self, content: str) -> str:
        return b64encode(hmac.digest(self._token, content.encode(), "sha1")).decode("ascii")


MARK: Final = "delivery"


def callback_url(public_url: str, mark: str) -> str:
    """
    The address that a text message names for its news.

    >>> callback_url("https://mail.shop.example/", "AQA")
    'https://mail.shop.example/hooks/twilio?delivery=AQA'
    """
    return f"{public_url.rstrip('/')}/hooks/twilio?{MARK}={mark}"


def _form(content: bytes) -> list[tuple[str, str]]:
    try:
        # Twilio signs a field that comes twice with the same value once.
        return list(dict.fromkeys(parse_qsl(content.decode("utf-8"), keep_blank_values=True, max_num_fields=1000)))
    except ValueError as failure:
        raise UnreadableError("the body is no form") from failure


def _says_stop(fields: Mapping[str, str]) -> bool:
    return fields.get("OptOutType", "").upper() == "STOP" or fields.get("Body", "").strip().upper() in _STOP


def _event(fields: Mapping[str, str], mark: str) -> ProviderEvent | None:
    code = fields.get("ErrorCode", "")
    match fields.get("MessageStatus", ""):
        case "delivered" | "read":
            event = ProviderEvent(Happened.DELIVERED, None, mark)
        case "undelivered" | "failed" if code == _HAS_UNSUBSCRIBED:
            event = ProviderEvent(Happened.UNSUBSCRIBE, None, mark)
        case "undelivered" | "failed":
            event = ProviderEvent(Happened.BOUNCE, None, mark, is_hard=code in _HARD)
        case _:
            return None
    return event._replace(phone=fields.get("To", ""), message_id=fields.get("MessageSid", ""))
