"""What each provider documents, and what it means here."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from providers.mail_of_providers import (
    NOW,
    ORIGIN,
    SENDGRID_PUBLIC,
    TOKEN,
    TOPIC,
    Outside,
    from_brevo,
    from_mailgun,
    from_postmark,
    from_sendgrid,
    from_ses,
    from_sns,
    from_twilio,
)

from campaignctl.providers.brevo import Brevo
from campaignctl.providers.configured import Provider
from campaignctl.providers.event import Happened, ProviderEvent
from campaignctl.providers.mailgun import Mailgun
from campaignctl.providers.postmark import Postmark
from campaignctl.providers.request import ProviderRequest, UnreadableError
from campaignctl.providers.sendgrid import SendGrid
from campaignctl.providers.ses import Ses
from campaignctl.providers.twilio import Twilio

AT = "2026-12-01T08:15:30.250Z"
SECONDS = 1796112930
LINK = "https://shop.example/sale?a=1"
HARD = {"is_hard": True}
CLICKED = {"url": LINK}
MACHINE = {"is_machine": True}


def said(events: list[ProviderEvent], mark: str = "mark") -> list[tuple[str, dict[str, Any]]]:
    """The kinds of events, with what is not as usual; all of them bring the mark."""
    assert all(event.mark == mark for event in events)
    usual = ProviderEvent(Happened.OPEN, None, "")._asdict()
    return [
        (event.kind.value, {name: value for name, value in event._asdict().items()
                            if name not in ("kind", "at", "mark") and value != usual[name]})
        for event in events
    ]  # fmt: skip


def ses(event: str, **more: object) -> list[ProviderEvent]:
    return Ses(TOPIC, Outside()).events(from_ses(event, "mark", **more), NOW)


def recipients(status: str, code: str = "") -> list[dict[str, str]]:
    return [{"emailAddress": "a@example.org", "action": "failed", "status": status, "diagnosticCode": code}]


def bounced(kind: str, status: str = "5.1.1") -> dict[str, object]:
    return {"bounceType": kind, "bounceSubType": "General", "bouncedRecipients": recipients(status), "timestamp": AT}


@pytest.mark.parametrize(
    ("event", "more", "expected"),
    [
        ("Delivery", {"delivery": {"timestamp": AT}}, [("delivered", {})]),
        ("Bounce", {"bounce": bounced("Permanent")}, [("bounce", HARD)]),
        ("Bounce", {"bounce": bounced("Permanent", "5.7.1")}, [("bounce", {})]),
        ("Bounce", {"bounce": bounced("Transient", "4.2.2")}, [("bounce", {})]),
        ("Bounce", {"bounce": bounced("Undetermined", "")}, [("bounce", {})]),
        ("Complaint", {"complaint": {"complaintFeedbackType": "abuse", "timestamp": AT}}, [("complaint", {})]),
        ("Complaint", {"complaint": {"complaintFeedbackType": "not-spam", "timestamp": AT}}, []),
        ("Open", {"open": {"timestamp": AT, "userAgent": "Mozilla"}}, [("open", {})]),
        ("Click", {"click": {"timestamp": AT, "link": LINK}}, [("click", CLICKED)]),
        ("Subscription", {"subscription": {"timestamp": AT, "newTopicPreferences": {"unsubscribeAll": True}}},
         [("unsubscribe", {})]),
        ("Subscription", {"subscription": {"timestamp": AT, "newTopicPreferences": {"unsubscribeAll": False}}}, []),
        ("Send", {"send": {}}, []),
        ("DeliveryDelay", {"deliveryDelay": {"timestamp": AT}}, []),
        ("Reject", {"reject": {"reason": "Bad content"}}, []),
    ],
)  # fmt: skip
def test_what_ses_publishes(event: str, more: dict[str, object], expected: list[tuple[str, dict[str, Any]]]) -> None:
    assert said(ses(event, **more)) == expected


def test_the_instants_of_ses_are_those_of_the_events() -> None:
    (event,) = ses("Open", open={"timestamp": AT})
    assert event.at == datetime(2026, 12, 1, 8, 15, 30, 250_000, UTC)


def test_a_feedback_notification_of_ses_brings_the_mark_in_the_headers_of_the_message() -> None:
    headers = [{"name": "Subject", "value": "Hi"}, {"name": "X-Campaignctl-Delivery", "value": "mark"}]
    message = {"notificationType": "Bounce", "bounce": bounced("Permanent"), "mail": {"headers": headers}}
    assert said(Ses(TOPIC, Outside()).events(from_sns(message), NOW)) == [("bounce", HARD)]


def test_words_of_the_topic_itself_are_no_events() -> None:
    hello = "Successfully validated SNS topic for Amazon SES event publishing."
    assert Ses(TOPIC, Outside()).events(from_sns(hello), NOW) == []


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"event": "delivered", "response": "250 OK"}, ("delivered", {})),
        ({"event": "open", "useragent": "Mozilla"}, ("open", {})),
        ({"event": "open", "sg_machine_open": False}, ("open", {})),
        ({"event": "open", "sg_machine_open": True}, ("open", MACHINE)),
        ({"event": "click", "url": LINK}, ("click", CLICKED)),
        ({"event": "bounce", "type": "bounce", "status": "5.1.1", "reason": "550 no such user"}, ("bounce", HARD)),
        ({"event": "bounce", "type": "bounce", "status": "5.7.1"}, ("bounce", {})),
        ({"event": "bounce", "type": "bounce", "reason": "552 5.2.2 mailbox full"}, ("bounce", {})),
        ({"event": "bounce", "type": "blocked", "status": "5.0.0"}, ("bounce", {})),
        ({"event": "dropped", "reason": "Bounced Address"}, ("bounce", HARD)),
        ({"event": "dropped", "reason": "Unsubscribed Address"}, None),
        ({"event": "spamreport"}, ("complaint", {})),
        ({"event": "unsubscribe"}, ("unsubscribe", {})),
        ({"event": "group_unsubscribe", "asm_group_id": 10}, ("unsubscribe", {})),
        ({"event": "processed"}, None),
        ({"event": "deferred"}, None),
        ({}, None),
    ],
)
def test_what_sendgrid_posts(told: dict[str, object], expected: tuple[str, dict[str, Any]] | None) -> None:
    event = {"email": "a@example.org", "timestamp": SECONDS, "sg_event_id": "x", "campaignctl": "mark", **told}
    found = SendGrid(SENDGRID_PUBLIC).events(from_sendgrid(event), NOW)
    assert said(found) == ([] if expected is None else [expected])
    assert all(event.at == datetime(2026, 12, 1, 8, 15, 30, tzinfo=UTC) for event in found)


def test_sendgrid_posts_many_events_at_once() -> None:
    event = {"timestamp": SECONDS, "campaignctl": "mark"}
    request = from_sendgrid({**event, "event": "delivered"}, {**event, "event": "open"}, {**event, "event": "what"})
    assert [kind for kind, _ in said(SendGrid(SENDGRID_PUBLIC).events(request, NOW))] == ["delivered", "open"]


@pytest.mark.parametrize(
    ("kind", "more", "expected"),
    [
        ("Delivery", {"DeliveredAt": AT}, ("delivered", {})),
        ("Bounce", {"Type": "HardBounce", "BouncedAt": AT, "Details": "smtp;550 5.1.1 no such user"}, ("bounce", HARD)),
        ("Bounce", {"Type": "BadEmailAddress", "BouncedAt": AT}, ("bounce", HARD)),
        ("Bounce", {"Type": "HardBounce", "BouncedAt": AT, "Details": "550 5.7.1 policy"}, ("bounce", {})),
        ("Bounce", {"Type": "SoftBounce", "BouncedAt": AT}, ("bounce", {})),
        ("Bounce", {"Type": "AutoResponder", "BouncedAt": AT}, None),
        ("SpamComplaint", {"Type": "SpamComplaint", "BouncedAt": AT}, ("complaint", {})),
        ("Open", {"ReceivedAt": AT, "FirstOpen": True}, ("open", {})),
        ("Click", {"ReceivedAt": AT, "OriginalLink": LINK}, ("click", CLICKED)),
        ("SubscriptionChange", {"ChangedAt": AT, "SuppressSending": True, "SuppressionReason": "ManualSuppression"},
         ("unsubscribe", {})),
        ("SubscriptionChange", {"ChangedAt": AT, "SuppressSending": True, "SuppressionReason": "HardBounce"}, None),
        ("SubscriptionChange", {"ChangedAt": AT, "SuppressSending": False, "SuppressionReason": None}, None),
        ("Inbound", {}, None),
    ],
)  # fmt: skip
def test_what_postmark_posts(kind: str, more: dict[str, object], expected: tuple[str, dict[str, Any]] | None) -> None:
    found = Postmark(TOKEN).events(from_postmark(kind, "mark", **more), NOW)
    assert said(found) == ([] if expected is None else [expected])


@pytest.mark.parametrize(
    ("word", "more", "expected"),
    [
        ("delivered", {}, ("delivered", {})),
        ("opened", {}, ("open", {})),
        ("unique_opened", {}, ("open", {})),
        ("proxy_open", {}, ("open", MACHINE)),
        ("unique_proxy_open", {}, ("open", MACHINE)),
        ("click", {"link": LINK}, ("click", CLICKED)),
        ("hard_bounce", {"reason": "550 5.1.1 no such user"}, ("bounce", HARD)),
        ("hard_bounce", {"reason": "554 5.7.1 rejected"}, ("bounce", {})),
        ("invalid_email", {}, ("bounce", HARD)),
        ("soft_bounce", {"reason": "mailbox full"}, ("bounce", {})),
        ("spam", {}, ("complaint", {})),
        ("unsubscribed", {}, ("unsubscribe", {})),
        ("request", {}, None),
        ("deferred", {}, None),
        ("blocked", {}, None),
    ],
)
def test_what_brevo_posts(word: str, more: dict[str, object], expected: tuple[str, dict[str, Any]] | None) -> None:
    event = {"event": word, "ts_event": SECONDS, "ts": 1, "date": "2026-12-01 09:15:30", "X-Mailin-custom": "mark"}
    found = Brevo(TOKEN).events(from_brevo({**event, **more}), NOW)
    assert said(found) == ([] if expected is None else [expected])
    assert all(event.at == datetime(2026, 12, 1, 8, 15, 30, tzinfo=UTC) for event in found)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"event": "delivered"}, ("delivered", {})),
        ({"event": "opened", "client-info": {"bot": "", "user-agent": "Mozilla"}}, ("open", {})),
        ({"event": "opened", "client-info": {"bot": "apple"}}, ("open", MACHINE)),
        ({"event": "clicked", "url": LINK}, ("click", CLICKED)),
        ({"event": "failed", "severity": "permanent", "reason": "bounce",
          "delivery-status": {"enhanced-code": "5.1.1"}},
         ("bounce", HARD)),
        ({"event": "failed", "severity": "permanent", "reason": "suppress-bounce"}, ("bounce", HARD)),
        ({"event": "failed", "severity": "permanent", "reason": "bounce", "delivery-status": {"message": "5.7.1 no"}},
         ("bounce", {})),
        ({"event": "failed", "severity": "permanent", "reason": "old"}, ("bounce", {})),
        ({"event": "failed", "severity": "temporary", "reason": "generic"}, ("bounce", {})),
        ({"event": "complained"}, ("complaint", {})),
        ({"event": "unsubscribed"}, ("unsubscribe", {})),
        ({"event": "accepted"}, None),
    ],
)  # fmt: skip
def test_what_mailgun_posts(told: dict[str, object], expected: tuple[str, dict[str, Any]] | None) -> None:
    event = {"timestamp": SECONDS + 0.25, "user-variables": {"campaignctl": "mark"}, **told}
    found = Mailgun(TOKEN).events(from_mailgun(event), NOW)
    assert said(found) == ([] if expected is None else [expected])


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        ("delivered", "", ("delivered", {})),
        ("undelivered", "30005", ("bounce", HARD)),
        ("undelivered", "30003", ("bounce", {})),  # switched off
        ("undelivered", "30007", ("bounce", {})),  # filtered: policy
        ("failed", "21610", ("unsubscribe", {})),
        ("sent", "", None),
        ("queued", "", None),
    ],
)
def test_what_becomes_of_a_text_message(status: str, code: str, expected: tuple[str, dict[str, Any]] | None) -> None:
    fields = {"MessageSid": "SM1", "MessageStatus": status, "To": "+33612345678"} | (
        {"ErrorCode": code} if code else {}
    )
    found = Twilio(TOKEN, ORIGIN).events(from_twilio("mark", **fields), NOW)
    assert {event.message_id for event in found} <= {"SM1"}
    told = [event._replace(phone="", message_id="") for event in found]
    assert said(told) == ([] if expected is None else [expected])
    assert all(event.phone == "+33612345678" for event in found)


@pytest.mark.parametrize(
    ("fields", "stops"),
    [
        ({"Body": " stop \n"}, True),
        ({"Body": "Unsubscribe"}, True),
        ({"Body": "ARRET", "OptOutType": "STOP"}, True),
        ({"Body": "please do not stop"}, False),
        ({"Body": "START", "OptOutType": "START"}, False),
    ],
)
def test_who_answers_stop_gets_no_more_text_messages(fields: dict[str, str], stops: bool) -> None:
    found = Twilio(TOKEN, ORIGIN).events(from_twilio(From="+33612345678", SmsStatus="received", **fields), NOW)
    assert [(event.kind, event.phone) for event in found] == ([(Happened.UNSUBSCRIBE, "+33612345678")] if stops else [])


READERS: dict[str, tuple[Provider, Callable[[Any], ProviderRequest]]] = {
    "sendgrid": (SendGrid(SENDGRID_PUBLIC), lambda told: from_sendgrid(told)),
    "ses": (Ses(TOPIC, Outside()), lambda told: from_sns(json.dumps(told))),
    "postmark": (Postmark(TOKEN), lambda told: from_postmark("", "")._replace(content=json.dumps(told).encode())),
    "brevo": (Brevo(TOKEN), lambda told: from_brevo(told)),
    "mailgun": (Mailgun(TOKEN), lambda told: from_mailgun(told, token=str(hash(str(told))))),
}
WORDS = st.sampled_from(
    ["event", "open", "bounce", "RecordType", "Bounce", "Open", "eventType", "mail", "tags", "campaignctl", "timestamp",
     "failed", "delivery-status", "Metadata", "ReceivedAt", "click", "ts_event", AT, "NaN", "1e999", "-1"]
)  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("name", READERS)
@given(told=ANYTHING)
def test_whatever_a_provider_sends_is_read_or_refused(name: str, told: Any) -> None:
    provider, request_with = READERS[name]
    try:
        events = provider.events(request_with(told), NOW)
    except UnreadableError:
        return
    assert all(isinstance(event, ProviderEvent) for event in events)


@pytest.mark.parametrize("name", ["postmark", "brevo"])
@pytest.mark.parametrize("content", [b"", b"nothing", b"\xff", b"[1]", b"[" * 100_000])
def test_a_body_that_is_no_json_is_refused(name: str, content: bytes) -> None:
    provider, request_with = READERS[name]
    with pytest.raises(UnreadableError):
        provider.events(request_with({})._replace(content=content), NOW)


@pytest.mark.parametrize("at", ["", "yesterday", "2026-12-01T09:00:00", "2026-12-01", "9999-12-31T23:59:59-23:00"])
def test_an_event_without_an_instant_is_refused(at: str) -> None:
    with pytest.raises(UnreadableError):
        Postmark(TOKEN).events(from_postmark("Open", "mark", ReceivedAt=at), NOW)


def test_an_address_that_nobody_could_keep_is_left_out() -> None:
    click = from_postmark("Click", "mark", ReceivedAt=AT, OriginalLink="https://x/\n" + "a" * 9000)
    assert [event.url for event in Postmark(TOKEN).events(click, NOW)] == [""]
    click = from_postmark("Click", "mark", ReceivedAt=AT, OriginalLink="https://x/" + "a" * 9000)
    assert [len(event.url) for event in Postmark(TOKEN).events(click, NOW)] == [2000]
