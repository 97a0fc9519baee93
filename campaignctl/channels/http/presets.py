"""
What providers of text messages expect of a request.

Twilio: https://www.twilio.com/docs/messaging/api/message-resource
Vonage: https://developer.vonage.com/en/api/messages (its older SMS API answers 200 to what it refuses)
Sinch: https://developers.sinch.com/docs/sms/api-reference/sms/batches/sendsms
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from campaignctl.channels.http.endpoint import EndpointSettings
from campaignctl.channels.http.exchange import HttpAnswer, HttpFailure, HttpRequest
from campaignctl.channels.http.pointer import found_at
from campaignctl.channels.http.verdicts import verdict_on
from campaignctl.ports import Outcome, Outgoing, Verdict

_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"

Text = Mapping[str, Any]
_Written = tuple[bytes, str]


def _twilio(text: Text) -> _Written:
    # A messaging service has an id in the place of a number.
    sender = "MessagingServiceSid" if text["from"].startswith("MG") and len(text["from"]) == 34 else "From"
    fields = {"To": text["to"], sender: text["from"], "Body": text["text"]}
    if "callback" in text:
        fields["StatusCallback"] = text["callback"]
    return urlencode(fields).encode(), _FORM


def _vonage(text: Text) -> _Written:
    numbers = {"to": text["to"].removeprefix("+"), "from": text["from"].removeprefix("+")}
    return _json({"message_type": "text", "channel": "sms", **numbers, "text": text["text"]})


def _sinch(text: Text) -> _Written:
    return _json({"from": text["from"], "to": [text["to"]], "body": text["text"]})


def _generic(text: Text) -> _Written:
    return _json({"from": text["from"], "to": text["to"], "text": text["text"]})


def _json(document: Mapping[str, object]) -> _Written:
    return json.dumps(document, ensure_ascii=False).encode(), _JSON


PRESETS: Final[Mapping[str, Callable[[Text], _Written]]] = {
    "generic": _generic,
    "twilio": _twilio,
    "vonage": _vonage,
    "sinch": _sinch,
}
# These do not say that they look at an idempotency key: what has no answer is not asked again at once.
WITHOUT_KEYS: Final = frozenset({"twilio", "vonage", "sinch"})
# Where their answers have what they call the message.
MESSAGE_IDS: Final[Mapping[str, str]] = {"twilio": "/sid", "vonage": "/message_uuid", "sinch": "/id"}
_LONGEST_ID: Final = 200


def text_request(endpoint: EndpointSettings, preset: str) -> Callable[[Outgoing, datetime], HttpRequest]:
    """Makes the request for a text message as the provider expects it."""
    written = PRESETS[preset]

    def compose(message: Outgoing, now: datetime) -> HttpRequest:
        content, content_type = written(json.loads(message.content))
        return endpoint.request(message.key, content, now, content_type)

    return compose


def own_request(endpoint: EndpointSettings, content_type: str) -> Callable[[Outgoing, datetime], HttpRequest]:
    """Makes the request for a text message whose body was made by the project's own template."""

    def compose(message: Outgoing, now: datetime) -> HttpRequest:
        return endpoint.request(message.key, json.loads(message.content)["body"].encode(), now, content_type)

    return compose


def text_verdict(pointer: str | None) -> Callable[[Outgoing, HttpAnswer | HttpFailure, datetime], Outcome]:
    """Judges answers by their status, and finds in them what the provider calls the message, where *pointer* leads."""

    def judge(message: Outgoing, answer: HttpAnswer | HttpFailure, now: datetime) -> Outcome:
        outcome = verdict_on(message.key, answer, now)
        if pointer is None or outcome.verdict is not Verdict.SENT or not isinstance(answer, HttpAnswer):
            return outcome
        return outcome._replace(message_id=_id_in(answer.content, pointer))

    return judge


def _id_in(content: bytes, pointer: str) -> str:
    try:
        found = found_at(json.loads(content), pointer)
    except (ValueError, RecursionError):
        return ""
    is_id = isinstance(found, str | int) and not isinstance(found, bool)
    text = str(found) if is_id else ""
    return text if text.isprintable() and len(text) <= _LONGEST_ID else ""


def webhook_request(endpoint: EndpointSettings) -> Callable[[Outgoing, datetime], HttpRequest]:
    """Makes the request of a `webhook` step, whose body is ready."""
    return lambda message, now: endpoint.request(message.key, message.content, now)
