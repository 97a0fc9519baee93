"""The domain vouches for a message: another implementation of DKIM agrees, whatever the message holds."""

from __future__ import annotations

import re
from base64 import b64encode
from datetime import UTC, datetime
from functools import lru_cache

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from campaignctl.message.content import Attachment, Body, EmailContent, Recipient, Surroundings
from campaignctl.message.dkim import DkimSignature, PrivateKey, private_key, relaxed_body
from campaignctl.message.email import EmailTemplate
from campaignctl.message.links import Signer, StepLinks
from campaignctl.message.sandbox import RenderError

AT = datetime(2025, 12, 1, 9, tzinfo=UTC)  # in the past: verifiers refuse what is signed in the future
RSA = rsa.generate_private_key(65537, 2048)
ED25519 = ed25519.Ed25519PrivateKey.generate()
KEYS: dict[str, PrivateKey] = {"rsa": RSA, "ed25519": ED25519}
SURROUNDINGS = Surroundings("sale", "Sale", "first", "customers", "shop", "1 rue de la Paix, Paris")
LINKS = StepLinks("https://mail.shop.example", Signer(1, b"sixteen bytes or more"), 3)
COVERED = (
    b"From", b"To", b"Subject", b"Date", b"Message-ID", b"MIME-Version", b"Content-Type", b"List-Id",
    b"List-Unsubscribe", b"List-Unsubscribe-Post",
)  # fmt: skip


def record(key: PrivateKey) -> bytes:
    """What DNS says of a key."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return b"v=DKIM1; k=ed25519; p=" + b64encode(key.public_key().public_bytes_raw())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b"v=DKIM1; k=rsa; p=" + b64encode(public)


def is_good(message: bytes, key: PrivateKey = RSA) -> bool:
    def dns(name: bytes, timeout: int = 5) -> bytes:
        assert name == b"c1._domainkey.shop.example."
        return record(key)

    return bool(dkim.verify(message, dnsfunc=dns))


def signature(key: PrivateKey = RSA) -> DkimSignature:
    return DkimSignature("shop.example", "c1", key)


@lru_cache(maxsize=64)
def template(kind: str, source: str, with_links: bool, with_file: bool) -> EmailTemplate:
    bodies = {
        "text": (Body("a.txt", "txt", source),),
        "html": (Body("a.html", "html", f"<p>{source}</p>"),),
        "both": (Body("a.html", "html", f"<p>{source}</p>"), Body("a.txt", "txt", source)),
    }[kind]
    files = (Attachment("Prospekt é.pdf", bytes(range(256)) * 40),) if with_file else ()
    content = EmailContent(
        "{{ contact.v }} — sale", bodies, "Shöp <news@shop.example>", "help@shop.example",
        headers={"X-Note": "{{ contact.v }}"}, attachments=files,
    )  # fmt: skip
    return EmailTemplate(content, SURROUNDINGS, LINKS if with_links else None)


def message(value: str = "Ada", kind: str = "both", *, with_links: bool = True, with_file: bool = False) -> bytes:
    source = "Hello  {{ contact.v }}\t!\n\n\n" + "long " * 60 + "\nÉté\n \n\n"
    recipient = Recipient("key", "ada@example.org", {"v": value}, AT)
    return template(kind, source, with_links, with_file).render(recipient).content


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize("kind", ["text", "html", "both"])
@pytest.mark.parametrize("with_file", [True, False])
@pytest.mark.parametrize("with_links", [True, False])
def test_every_form_of_message_is_signed(key: PrivateKey, kind: str, with_links: bool, with_file: bool) -> None:
    made = message(kind=kind, with_links=with_links, with_file=with_file)
    signed = signature(key).on(made, AT)
    assert signed.endswith(made)
    assert is_good(signed, key)


@settings(max_examples=60, deadline=None)
@given(value=st.text(max_size=80), kind=st.sampled_from(["text", "html", "both"]))
def test_whatever_a_value_holds_the_signature_is_good(value: str, kind: str) -> None:
    try:
        made = message(value, kind)
    except RenderError:
        return
    assert is_good(signature(ED25519).on(made, AT), ED25519)


LINES = st.lists(st.text(alphabet=" \tab=", max_size=6).map(str.encode), max_size=6)


@given(LINES)
def test_a_body_is_hashed_as_another_implementation_hashes_it(lines: list[bytes]) -> None:
    body = b"\r\n".join([*lines, b""])
    assert relaxed_body(body) == dkim.canonicalization.Relaxed.canonicalize_body(body)


@pytest.mark.parametrize("name", COVERED)
def test_no_header_that_matters_can_be_changed(name: bytes) -> None:
    signed = signature().on(message(), AT)
    head, _, body = signed.partition(b"\r\n\r\n")
    changed = re.sub(rb"(?<=\r\n)" + name + rb": ", name + rb": x", head)
    assert changed != head
    assert not is_good(changed + b"\r\n\r\n" + body)


@pytest.mark.parametrize("line", [b"From: Eve <eve@example.org>", b"Subject: Win", b"To: x@example.org",
                                  b"Reply-To: eve@example.org", b"Date: now", b"Cc: x@example.org",
                                  b"Content-Type: text/html", b"Message-ID: <x@example.org>"])  # fmt: skip
def test_no_second_header_can_be_added(line: bytes) -> None:
    signed = signature().on(message(with_links=False), AT)
    for place in (b"DKIM-Signature", b"MIME-Version"):
        assert not is_good(signed.replace(place, line + b"\r\n" + place, 1))


def test_what_relays_add_and_change_on_the_way_leaves_the_signature_good() -> None:
    signed = signature().on(message(), AT)
    assert is_good(b"Received: from a by b\r\n" + signed.replace(b"Subject: ", b"SUBJECT:   ", 1) + b"\r\n\r\n")
    assert not is_good(signed.replace(b"Hello", b"Hullo"))


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_the_same_message_is_signed_with_the_same_bytes(key: PrivateKey) -> None:
    """A message that is tried again is the same one."""
    assert signature(key).on(message(), AT) == signature(key).on(message(), AT)
    assert b" t=1764579600;" in signature(key).on(message(), AT)


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)
def test_the_lines_of_a_signature_are_short_ascii(key: PrivateKey) -> None:
    lines = signature(key).on(message(), AT).partition(b"\r\nFrom:")[0].split(b"\r\n")
    assert all(len(line) <= 78 and line.isascii() for line in lines)


@pytest.mark.parametrize("key", [RSA, ED25519], ids=KEYS)
def test_a_key_is_read_from_its_text(key: PrivateKey) -> None:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    signed = DkimSignature("shop.example", "c1", private_key(pem)).on(message(), AT)
    assert is_good(signed, key)


@pytest.mark.parametrize(
    ("pem", "what"),
    [
        (b"", "no private key"),
        (b"-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n", "no private key"),
        (RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")), "password"),
        (RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "no private key"),
        (
            ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            "neither",
        ),
    ],
)
def test_what_is_no_key_for_dkim_is_refused(pem: bytes, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        private_key(pem)
