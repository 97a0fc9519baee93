"""Links that say which message to whom, and that nobody else can make."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaignctl.message.content import Body, EmailContent, Surroundings
from campaignctl.message.email import EmailTemplate
from campaignctl.message.links import KeyRing, Purpose, Signer, StepLinks

SECRET = b"a secret of more than 16 bytes"
SIGNER = Signer(7, SECRET)
STEPS = st.integers(0, 2**32 - 1)
CONTACTS = st.integers(0, 2**48 - 1)
PURPOSES = st.sampled_from(Purpose)
URL_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@given(PURPOSES, STEPS, CONTACTS)
def test_a_token_opens_to_what_was_signed_and_for_its_purpose_only(purpose: Purpose, step: int, contact: int) -> None:
    token = SIGNER.token(purpose, step, contact)
    assert SIGNER.opened(purpose, token) == (step, contact)
    assert [each for each in Purpose if SIGNER.opened(each, token)] == [purpose]


@given(PURPOSES, STEPS, CONTACTS, st.data())
def test_a_token_with_anything_changed_is_worth_nothing(
    purpose: Purpose, step: int, contact: int, data: st.DataObject
) -> None:
    token = SIGNER.token(purpose, step, contact)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from(URL_CHARACTERS.replace(token[place], "")))
    assert SIGNER.opened(purpose, token[:place] + other + token[place + 1 :]) is None
    assert SIGNER.opened(purpose, token[:place]) is None
    assert SIGNER.opened(purpose, token + other) is None


@given(PURPOSES, st.text(max_size=50))
def test_no_text_is_a_token_by_chance_or_an_error(purpose: Purpose, text: str) -> None:
    assert SIGNER.opened(purpose, text) is None
    assert SIGNER.opened(purpose, text.ljust(36, "=")[:36]) is None


@given(STEPS, CONTACTS)
def test_a_token_is_short_stands_in_a_url_and_holds_128_bits_of_proof_and_no_key(step: int, contact: int) -> None:
    token = SIGNER.token(Purpose.OPEN, step, contact)
    assert len(token) == 36
    assert set(token) <= set(URL_CHARACTERS)
    content = urlsafe_b64decode(token)
    assert content[:11] == bytes([7]) + step.to_bytes(4) + contact.to_bytes(6)
    assert len(content) == 11 + 16
    assert SECRET[:4] not in content


def test_a_ring_signs_with_its_first_key_and_opens_what_older_ones_signed() -> None:
    old, new, foreign = Signer(1, SECRET), Signer(2, SECRET[::-1]), Signer(2, SECRET)
    ring = KeyRing([new, old])
    assert ring.signer is new
    assert ring.opened(Purpose.VIEW, old.token(Purpose.VIEW, 1, 2)) == (1, 2)
    assert ring.opened(Purpose.VIEW, new.token(Purpose.VIEW, 1, 2)) == (1, 2)
    assert ring.opened(Purpose.VIEW, foreign.token(Purpose.VIEW, 1, 2)) is None
    assert KeyRing([new]).opened(Purpose.VIEW, old.token(Purpose.VIEW, 1, 2)) is None


def test_a_key_is_never_shown_and_has_a_number_and_enough_bits() -> None:
    assert repr(SIGNER) == "Signer(7)"
    for key_id, secret in ((256, SECRET), (-1, SECRET), (1, b"too short")):
        with pytest.raises(ValueError, match=r"key|secret"):
            Signer(key_id, secret)


def message(public_url: str | None, body: str = "{{ unsubscribe_url }}") -> EmailMessage:
    links = None if public_url is None else StepLinks(public_url, SIGNER, 3)
    content = EmailContent("Hi", (Body("a.txt", "txt", body),), "Shop <news@shop.example>", reply_to="a+b@shop.example")
    template = EmailTemplate(content, Surroundings("sale", "Sale", "first", "customers", "shop"), links)
    made = template.finished("key", "ada@example.org", {}, datetime(2026, 12, 1, tzinfo=UTC), contact_id=17)
    parsed = message_from_bytes(made.content, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def test_one_click_over_https_comes_first_and_mail_second() -> None:
    token = SIGNER.token(Purpose.UNSUBSCRIBE, 3, 17)
    parsed = message("https://mail.shop.example/")
    url = f"https://mail.shop.example/u/{token}"
    assert parsed["List-Unsubscribe"] == f"<{url}>, <mailto:a%2Bb@shop.example?subject=unsubscribe>"
    assert parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert parsed.get_content().strip() == url


@pytest.mark.parametrize("public_url", [None, "http://mail.shop.example", "https://mail.shop.example/>,<b"])
def test_without_a_sound_https_address_the_header_offers_mail_only(public_url: str | None) -> None:
    parsed = message(public_url)
    assert parsed["List-Unsubscribe"] == "<mailto:a%2Bb@shop.example?subject=unsubscribe>"
    assert parsed["List-Unsubscribe-Post"] is None


def test_the_view_in_a_browser_is_a_link_of_its_own() -> None:
    token = SIGNER.token(Purpose.VIEW, 3, 17)
    assert message("https://mail.shop.example", "{{ view_url }}").get_content().strip().endswith(f"/v/{token}")
