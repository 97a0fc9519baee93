"""Marks on messages: each provider gets the one that it gives back, and nobody else can make one."""

from __future__ import annotations

import json
from email import message_from_bytes, policy

import pytest

from campaignctl.message.links import Purpose, Signer
from campaignctl.message.marks import Marks
from campaignctl.provider_settings import Providers

SIGNER = Signer(1, b"sixteen bytes or more")
MARK = SIGNER.token(Purpose.EVENT, 3, 17)
MESSAGE = b"From: Shop <news@shop.example>\r\nSubject: Hi\r\nX-Note: x\r\n\r\nHello\r\n"


def marked(*providers: str, message: bytes = MESSAGE) -> bytes:
    return Marks(providers, SIGNER).on(message, 3, 17)


@pytest.mark.parametrize(
    ("provider", "headers"),
    [
        ("ses", {"X-Campaignctl-Delivery": MARK, "X-SES-MESSAGE-TAGS": f"campaignctl={MARK}"}),
        ("sendgrid", {"X-SMTPAPI": json.dumps({"unique_args": {"campaignctl": MARK}})}),
        ("postmark", {"X-PM-Metadata-campaignctl": MARK}),
        ("mailgun", {"X-Mailgun-Variables": json.dumps({"campaignctl": MARK})}),
        ("brevo", {"X-Mailin-custom": MARK}),
        ("twilio", {}),
        ("generic", {}),
    ],
)
def test_a_provider_gets_the_mark_in_its_own_header(provider: str, headers: dict[str, str]) -> None:
    found = marked(provider)
    added = list(message_from_bytes(found, policy=policy.default).items())[: len(headers)]
    assert dict(added) == headers
    assert found.endswith(MESSAGE)
    assert len(found) - len(MESSAGE) == sum(len(f"{name}: {value}\r\n") for name, value in headers.items())


def test_every_provider_of_a_project_gets_its_mark() -> None:
    parsed = message_from_bytes(marked(*Providers.model_fields))
    assert len(parsed.items()) == 3 + 6


def test_no_line_of_a_mark_is_long() -> None:
    """Postmark takes eighty characters in a value, and a header has no reason to be folded."""
    assert len(MARK) <= 80
    assert all(len(line) < 100 for line in marked(*Providers.model_fields).split(b"\r\n"))


def test_a_header_that_the_campaign_sets_stays_as_it_is() -> None:
    own = MESSAGE.replace(b"X-Note: x", b'x-smtpapi: {"category": "sale"}')
    assert marked("sendgrid", "brevo", message=own) == f"X-Mailin-custom: {MARK}\r\n".encode() + own


def test_a_name_in_the_text_of_a_message_is_no_header() -> None:
    assert marked("sendgrid", message=MESSAGE + b"\r\nX-SMTPAPI: x\r\n").startswith(b"X-SMTPAPI: {")


def test_a_mark_says_nothing_of_the_contact_and_opens_nothing_else() -> None:
    assert SIGNER.opened(Purpose.EVENT, MARK) == (3, 17)
    assert all(SIGNER.opened(purpose, MARK) is None for purpose in Purpose if purpose is not Purpose.EVENT)
