"""What providers of text messages get."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import parse_qs

import pytest

from campaignctl.channels.http.endpoint import EndpointSettings
from campaignctl.channels.http.exchange import HttpRequest
from campaignctl.channels.http.presets import text_request
from campaignctl.message.text import RenderedText, as_document
from campaignctl.ports import Outgoing

NOW = datetime(2026, 12, 1, tzinfo=UTC)
ENDPOINT = EndpointSettings("texts", "https://sms.example/v1", None, {"Authorization": "Basic abc"})


def request(preset: str, sender: str = "+33700000000", text: str = "Ça coûte 5 € & plus") -> HttpRequest:
    content = as_document(RenderedText(sender, "+33612345678", text, 1), campaign="sale")
    return text_request(ENDPOINT, preset)(Outgoing("sale/a/c-1/seed", sender, "+33612345678", content), NOW)


def test_twilio_gets_a_form() -> None:
    made = request("twilio")
    assert made.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert parse_qs(made.content.decode()) == {
        "To": ["+33612345678"],
        "From": ["+33700000000"],
        "Body": ["Ça coûte 5 € & plus"],
    }


def test_twilio_knows_a_messaging_service_by_its_id() -> None:
    service = "MG" + "0" * 32
    assert parse_qs(request("twilio", service).content.decode())["MessagingServiceSid"] == [service]


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("generic", {"from": "+33700000000", "to": "+33612345678", "text": "Hi"}),
        ("sinch", {"from": "+33700000000", "to": ["+33612345678"], "body": "Hi"}),
        (
            "vonage",
            {"message_type": "text", "channel": "sms", "from": "33700000000", "to": "33612345678", "text": "Hi"},
        ),
    ],
)
def test_the_others_get_json(preset: str, expected: dict[str, object]) -> None:
    made = request(preset, text="Hi")
    assert (made.method, made.url, made.headers["Authorization"]) == ("POST", "https://sms.example/v1", "Basic abc")
    assert made.headers["Content-Type"] == "application/json"
    assert json.loads(made.content) == expected
