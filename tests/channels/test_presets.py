"""What providers of text messages get."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from urllib.parse import parse_qs
from xml.etree import ElementTree

import pytest

from campaignctl.channels.http.endpoint import EndpointSettings
from campaignctl.channels.http.exchange import HttpAnswer, HttpFailure, HttpRequest
from campaignctl.channels.http.presets import MESSAGE_IDS, own_request, text_request, text_verdict
from campaignctl.message.sandbox import RenderError
from campaignctl.message.sms_request import ContentType, TextRequestTemplate
from campaignctl.message.text import RenderedText, as_document
from campaignctl.ports import Outgoing, Verdict

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


# --- requests of a project's own form ---

EVIL = "a\"b'&c=d</text>\\ {{ 7 * 7 }}\nü"
WHOSE = {"campaign": "sale", "step": "text", "contact": "c-1"}


def own(source: str, content_type: ContentType) -> bytes:
    """What is posted, with a text that would break out of every form."""
    request = TextRequestTemplate(source, content_type)
    content = as_document(RenderedText("Shop", "+33612345678", EVIL, 2), request, **WHOSE)
    made = own_request(ENDPOINT, content_type)(Outgoing("sale/a/c-1/seed", "Shop", "+33612345678", content), NOW)
    assert made.headers["Content-Type"] == content_type
    return made.content


def test_an_own_form_in_json_holds_values_and_nothing_else() -> None:
    body = own('{"r": ["{{ to }}"], "c": "{{ text }}", "s": {{ from | tojson }}, "n": {{ parts }}}', "application/json")
    assert json.loads(body) == {"r": ["+33612345678"], "c": EVIL, "s": "Shop", "n": 2}


def test_an_own_form_of_fields_holds_values_and_nothing_else() -> None:
    body = own("to={{ to }}&ref={{ contact }}&text={{ text }}", "application/x-www-form-urlencoded")
    assert parse_qs(body.decode()) == {"to": ["+33612345678"], "ref": ["c-1"], "text": [EVIL]}


def test_an_own_form_in_xml_holds_values_and_nothing_else() -> None:
    body = own('<sms to="{{ to }}"><text>{{ text }}</text></sms>', "text/xml")
    assert ElementTree.fromstring(body).findtext("text") == EVIL  # it is ours


def test_an_own_form_is_a_sandbox() -> None:
    request = TextRequestTemplate('{"a": "{{ text.__class__ }}"}', "application/json")
    with pytest.raises(RenderError):
        request.body(WHOSE | {"text": "x"})


@pytest.mark.parametrize(
    ("pointer", "said", "found"),
    [
        (MESSAGE_IDS["twilio"], b'{"sid": "SM1", "status": "queued"}', "SM1"),
        (MESSAGE_IDS["vonage"], b'{"message_uuid": "aa-1"}', "aa-1"),
        (MESSAGE_IDS["sinch"], b'{"id": "01FC", "to": []}', "01FC"),
        ("/messages/0/id", b'{"messages": [{"id": 17}]}', "17"),
        ("/messages/0/id", b'{"messages": []}', ""),
        ("/id", b'{"id": true}', ""),
        ("/id", b'{"id": "a\\u0000b"}', ""),
        ("/id", b"no JSON", ""),
        (None, b'{"id": "x"}', ""),
    ],
)
def test_an_answer_says_what_the_provider_calls_the_message(pointer: str | None, said: bytes, found: str) -> None:
    message = Outgoing("key", "", "", b"")
    outcome = text_verdict(pointer)(message, HttpAnswer(201, {}, said), NOW)
    assert (outcome.verdict, outcome.message_id) == (Verdict.SENT, found)


def test_what_a_refusal_calls_a_message_is_not_kept() -> None:
    judge, message = text_verdict("/id"), Outgoing("key", "", "", b"")
    assert judge(message, HttpAnswer(400, {}, b'{"id": "x"}'), NOW).message_id == ""
    assert judge(message, HttpFailure(True, "gone", False), NOW).message_id == ""
