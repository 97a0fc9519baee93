"""Only what a provider really sent counts: signatures, tokens, clocks."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from providers.mail_of_providers import (
    CERTIFICATE_URL,
    NOW,
    ORIGIN,
    SENDGRID_PUBLIC,
    SUBSCRIBE_URL,
    TOKEN,
    TOPIC,
    Outside,
    certificate,
    changed,
    from_anybody,
    from_brevo,
    from_mailgun,
    from_postmark,
    from_sendgrid,
    from_ses,
    from_sns,
    from_twilio,
    from_twilio_as_json,
)

from campaignctl.contacts.event_line import EventReader
from campaignctl.providers.brevo import Brevo
from campaignctl.providers.configured import Provider
from campaignctl.providers.generic import signed_rows
from campaignctl.providers.mailgun import Mailgun
from campaignctl.providers.postmark import Postmark
from campaignctl.providers.request import ProviderRequest, UnreachableError, UnreadableError, UnverifiedError
from campaignctl.providers.sendgrid import SendGrid
from campaignctl.providers.ses import Ses
from campaignctl.providers.twilio import Twilio

OPEN = {"event": "open", "timestamp": int(NOW.timestamp()), "campaignctl": "mark"}
OPENED = {"event": "opened", "timestamp": NOW.timestamp(), "user-variables": {"campaignctl": "mark"}}
LINE = json.dumps({"campaign": "a", "step": "b", "contact": "c", "event": "open", "at": "2026-12-01T09:30Z"})


def providers() -> dict[str, tuple[Provider, ProviderRequest]]:
    """Each provider with a request that is its own."""
    seen = {"open": {"timestamp": "2026-12-01T09:30:00.000Z"}}
    return {
        "sendgrid": (SendGrid(SENDGRID_PUBLIC), from_sendgrid(OPEN)),
        "ses": (Ses(TOPIC, Outside()), from_ses("Open", "mark", **seen)),
        "ses, version 2": (Ses(TOPIC, Outside()), from_sns({"eventType": "Open", "mail": {}, **seen}, version="2")),
        "ses, with a subject": (
            Ses(TOPIC, Outside()),
            from_sns({"eventType": "Open", "mail": {}, **seen}, Subject="Amazon SES Email Event Notification"),
        ),
        "postmark": (Postmark(TOKEN), from_postmark("Open", "mark", ReceivedAt="2026-12-01T09:30:00Z")),
        "brevo": (Brevo(TOKEN), from_brevo({"event": "opened", "ts_event": int(NOW.timestamp())})),
        "mailgun": (Mailgun(TOKEN), from_mailgun(OPENED)),
        "twilio": (Twilio(TOKEN, ORIGIN), from_twilio("mark", MessageSid="SM1", MessageStatus="delivered")),
        "twilio, JSON": (Twilio(TOKEN, ORIGIN + "/"), from_twilio_as_json(MessageStatus="delivered")),
    }


SIGNED = [name for name in providers() if name not in ("postmark", "brevo", "mailgun")]


@pytest.mark.parametrize("name", providers())
def test_a_request_of_the_provider_is_read(name: str) -> None:
    provider, request = providers()[name]
    assert len(provider.events(request, NOW)) == 1


@pytest.mark.parametrize("name", SIGNED)
def test_another_body_is_refused(name: str) -> None:
    provider, request = providers()[name]
    with pytest.raises(UnverifiedError):
        provider.events(changed(request, lambda body: re.sub("[Oo]pen|delivered", "bounce", body, count=1)), NOW)


@pytest.mark.parametrize("name", providers())
def test_a_request_without_its_proof_is_refused(name: str) -> None:
    provider, request = providers()[name]
    content = request.content.replace(b'"Signature"', b'"Nothing"').replace(b'"signature"', b'"nothing"')
    with pytest.raises(UnverifiedError):
        provider.events(ProviderRequest({}, content, request.url), NOW)


@pytest.mark.parametrize(
    ("provider", "request_"),
    [
        (
            SendGrid(
                b64encode(
                    ec.generate_private_key(ec.SECP256R1())
                    .public_key()
                    .public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
                ).decode()
            ),
            from_sendgrid(OPEN),
        ),
        (Ses(TOPIC, Outside({CERTIFICATE_URL: certificate(rsa.generate_private_key(65537, 2048))})), from_sns("{}")),
        (Ses(TOPIC + "-2", Outside()), from_sns("{}")),
        (Postmark(TOKEN + "!"), from_postmark("Open", "")),
        (Brevo(TOKEN[:-1]), from_brevo({"event": "opened"})),
        (Mailgun(TOKEN + "!"), from_mailgun(OPENED)),
        (Twilio(TOKEN + "!", ORIGIN), from_twilio(MessageStatus="sent")),
        (Twilio(TOKEN, "https://other.example"), from_twilio(MessageStatus="sent")),
    ],
)
def test_a_request_that_was_signed_for_somebody_else_is_refused(provider: Provider, request_: ProviderRequest) -> None:
    with pytest.raises(UnverifiedError):
        provider.events(request_, NOW)


@pytest.mark.parametrize("late", [timedelta(hours=25), timedelta(minutes=-6)])
@pytest.mark.parametrize(
    ("provider", "signed"),
    [
        (SendGrid(SENDGRID_PUBLIC), lambda at: from_sendgrid(OPEN, at=at)),
        (Ses(TOPIC, Outside()), lambda at: from_sns("{}", at=at)),
        (Mailgun(TOKEN), lambda at: from_mailgun(OPENED, at=at)),
    ],
)
def test_a_request_from_long_ago_or_from_the_future_is_refused(
    provider: Provider, signed: Callable[..., ProviderRequest], late: timedelta
) -> None:
    with pytest.raises(UnverifiedError, match="clock"):
        provider.events(signed(NOW - late), NOW)


def test_a_request_that_is_tried_again_for_hours_still_counts() -> None:
    """What was signed at first may come once more when the store was locked."""
    request = from_mailgun(OPENED)
    mailgun = Mailgun(TOKEN)
    assert mailgun.events(request, NOW) == mailgun.events(request, NOW + timedelta(hours=8))


def test_the_signature_of_one_event_of_mailgun_is_worth_nothing_for_another() -> None:
    """Mailgun signs a timestamp and a token, and nothing of the event."""
    mailgun, request = Mailgun(TOKEN), from_mailgun(OPENED)
    mailgun.events(request, NOW)
    with pytest.raises(UnverifiedError, match="before"):
        mailgun.events(changed(request, lambda body: body.replace("opened", "complained")), NOW)


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {TOKEN}"},
        {"authorization": "Basic " + b64encode(f":{TOKEN}".encode()).decode()},
        {"x-campaignctl-token": TOKEN},
    ],
)
def test_a_token_may_be_shown_in_three_ways(headers: dict[str, str]) -> None:
    assert Postmark(TOKEN).events(ProviderRequest(headers, b"{}", ""), NOW) == []


@pytest.mark.parametrize(
    "shown",
    ["", "Bearer", "Bearer ", "Basic x", "Basic " + b64encode(b"\xff").decode(), "Basic YQ==", f"Digest {TOKEN}"],
)
def test_what_shows_no_token_is_refused(shown: str) -> None:
    with pytest.raises(UnverifiedError):
        Brevo(TOKEN).events(ProviderRequest({"authorization": shown}, b"{}", ""), NOW)


@pytest.mark.parametrize(
    "url",
    [
        "http://sns.eu-west-1.amazonaws.com/x.pem", "https://evil.example/x.pem", "https://169.254.169.254/x.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem", "https://evil.example/sns.eu-west-1.amazonaws.com.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/x.pem", "https://sns.eu-west-1.amazonaws.com:8443/x.pem",
        "https://bucket.s3.amazonaws.com/x.pem", "https://sns.eu-west-1.amazonaws.com/x.txt", "https://[::1/x.pem", "",
    ],
)  # fmt: skip
def test_a_certificate_is_taken_from_the_service_alone(url: str) -> None:
    """Who names the certificate could sign anything: no other address is even asked."""
    outside = Outside({url: certificate()})
    with pytest.raises(UnverifiedError):
        Ses(TOPIC, outside).events(from_sns("{}", SigningCertURL=url), NOW)
    assert outside.asked == []


def test_a_certificate_is_asked_for_once() -> None:
    outside = Outside()
    ses = Ses(TOPIC, outside)
    for _ in range(3):
        ses.events(from_sns("{}"), NOW)
    assert outside.asked == [CERTIFICATE_URL]


def test_without_the_certificate_the_service_shall_try_again() -> None:
    with pytest.raises(UnreachableError):
        Ses(TOPIC, Outside({})).events(from_sns("{}"), NOW)


@pytest.mark.parametrize("content", [b"no certificate", certificate(rsa.generate_private_key(65537, 2048))[:200]])
def test_what_is_no_certificate_proves_nothing(content: bytes) -> None:
    with pytest.raises(UnverifiedError):
        Ses(TOPIC, Outside({CERTIFICATE_URL: content})).events(from_sns("{}"), NOW)


def test_a_subscription_of_the_topic_is_confirmed_where_the_service_says() -> None:
    outside = Outside()
    request = from_sns("You have chosen …", Type="SubscriptionConfirmation", Token="abc", SubscribeURL=SUBSCRIBE_URL)
    assert Ses(TOPIC, outside).events(request, NOW) == []
    assert outside.asked == [CERTIFICATE_URL, SUBSCRIBE_URL]


def test_a_subscription_is_confirmed_nowhere_else() -> None:
    outside = Outside()
    request = from_sns("…", Type="SubscriptionConfirmation", Token="abc", SubscribeURL="https://evil.example/")
    with pytest.raises(UnverifiedError):
        Ses(TOPIC, outside).events(request, NOW)
    assert outside.asked == [CERTIFICATE_URL]


def test_a_subscription_that_cannot_be_confirmed_now_is_to_come_again() -> None:
    request = from_sns("…", Type="SubscriptionConfirmation", Token="abc", SubscribeURL=SUBSCRIBE_URL)
    with pytest.raises(UnreachableError):
        Ses(TOPIC, Outside({CERTIFICATE_URL: certificate()})).events(request, NOW)


def test_the_end_of_a_subscription_is_taken_note_of_and_confirms_nothing() -> None:
    outside = Outside()
    request = from_sns("…", Type="UnsubscribeConfirmation", Token="abc", SubscribeURL=SUBSCRIBE_URL)
    assert Ses(TOPIC, outside).events(request, NOW) == []
    assert outside.asked == [CERTIFICATE_URL]


@pytest.mark.parametrize("key", ["", "not base64!", "YWJj", SENDGRID_PUBLIC[:-8]])
def test_what_is_no_key_of_sendgrid_is_said_when_it_is_set(key: str) -> None:
    with pytest.raises(ValueError, match="no verification key"):
        SendGrid(key)


def test_lines_of_anybody_are_read_with_their_signature() -> None:
    assert len(list(signed_rows(TOKEN, from_anybody(f"{LINE}\n\n{LINE}\n"), EventReader(), NOW))) == 2


@pytest.mark.parametrize("late", [timedelta(minutes=6), timedelta(minutes=-6)])
def test_lines_that_were_signed_too_long_ago_are_refused(late: timedelta) -> None:
    with pytest.raises(UnverifiedError):
        signed_rows(TOKEN, from_anybody(LINE, NOW - late), EventReader(), NOW)


def test_lines_that_were_changed_are_refused() -> None:
    with pytest.raises(UnverifiedError):
        signed_rows(TOKEN, changed(from_anybody(LINE), lambda body: body + "\n"), EventReader(), NOW)


@pytest.mark.parametrize("lines", ["{}", "no JSON", LINE + "\n" + LINE.replace("open", "opened")])
def test_lines_that_are_no_events_are_named(lines: str) -> None:
    with pytest.raises(UnreadableError, match=r"line [12] is no event"):
        signed_rows(TOKEN, from_anybody(lines), EventReader(), NOW)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(UnreadableError):
        signed_rows(TOKEN, from_anybody(LINE)._replace(content=b"\xff"), EventReader(), NOW)
