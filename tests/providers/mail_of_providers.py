"""Requests as providers send them: the documented forms, cut down to what matters, signed with keys made here."""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from campaignctl.channels.http.signing import signed
from campaignctl.providers.request import ProviderRequest

NOW = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)
TOKEN = "a token that nobody guesses"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:mail-events"
CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
SUBSCRIBE_URL = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=abc"
ORIGIN = "https://mail.shop.example"

SENDGRID_KEY = ec.generate_private_key(ec.SECP256R1())
SENDGRID_PUBLIC = b64encode(
    SENDGRID_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()
SNS_KEY = rsa.generate_private_key(65537, 2048)


def certificate(key: rsa.RSAPrivateKey = SNS_KEY) -> bytes:
    """A certificate as the service publishes it, signed by itself."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(NOW - timedelta(days=9)).not_valid_after(NOW + timedelta(days=99))
    return made.sign(key, SHA256()).public_bytes(Encoding.PEM)


def from_sendgrid(*events: Mapping[str, object], at: datetime = NOW) -> ProviderRequest:
    content, timestamp = json.dumps(events).encode(), str(int(at.timestamp()))
    signature = SENDGRID_KEY.sign(timestamp.encode() + content, ec.ECDSA(SHA256()))
    headers = {
        "x-twilio-email-event-webhook-signature": b64encode(signature).decode(),
        "x-twilio-email-event-webhook-timestamp": timestamp,
    }
    return ProviderRequest(headers, content, f"{ORIGIN}/hooks/sendgrid")


def from_sns(
    message: Mapping[str, object] | str, *, version: str = "1", at: datetime = NOW, **more: str
) -> ProviderRequest:
    """A notification of the topic; *more* are other fields of the envelope."""
    text = message if isinstance(message, str) else json.dumps(message)
    envelope = {
        "Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": TOPIC, "Message": text,
        "Timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.000Z"), "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE_URL, **more,
    }  # fmt: skip
    names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    if envelope["Type"] != "Notification":
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    content = "".join(f"{name}\n{envelope[name]}\n" for name in names if name in envelope).encode()
    signature = SNS_KEY.sign(content, padding.PKCS1v15(), SHA1() if version == "1" else SHA256())
    return ProviderRequest({}, json.dumps({**envelope, "Signature": b64encode(signature).decode()}).encode(), "")


def from_ses(event: str, mark: str, **more: object) -> ProviderRequest:
    """An event that a configuration set publishes."""
    return from_sns({"eventType": event, "mail": {"messageId": "x", "tags": {"campaignctl": [mark]}}, **more})


def from_postmark(kind: str, mark: str, **more: object) -> ProviderRequest:
    content = json.dumps({"RecordType": kind, "MessageID": "883953f4", "Metadata": {"campaignctl": mark}, **more})
    basic = b64encode(f"campaignctl:{TOKEN}".encode()).decode()
    return ProviderRequest({"authorization": f"Basic {basic}"}, content.encode(), f"{ORIGIN}/hooks/postmark")


def from_brevo(*events: Mapping[str, object]) -> ProviderRequest:
    content = json.dumps(events[0] if len(events) == 1 else events)
    return ProviderRequest({"authorization": f"Bearer {TOKEN}"}, content.encode(), f"{ORIGIN}/hooks/brevo")


def from_mailgun(event: Mapping[str, object], *, token: str = "f" * 50, at: datetime = NOW) -> ProviderRequest:
    timestamp = str(int(at.timestamp()))
    signature = hmac.digest(TOKEN.encode(), (timestamp + token).encode(), "sha256").hex()
    content = {"signature": {"timestamp": timestamp, "token": token, "signature": signature}, "event-data": event}
    return ProviderRequest({}, json.dumps(content).encode(), f"{ORIGIN}/hooks/mailgun")


def from_twilio(mark: str = "", **fields: str) -> ProviderRequest:
    """A form; with a *mark* it comes to the address that the message named."""
    url = f"{ORIGIN}/hooks/twilio" + (f"?delivery={mark}" if mark else "")
    signature = _twilio(url + "".join(name + fields[name] for name in sorted(fields)))
    # A proxy has changed what we see of the address.
    return ProviderRequest(
        {"x-twilio-signature": signature}, urlencode(fields).encode(), url.replace(ORIGIN, "http://x")
    )


def from_twilio_as_json(**fields: str) -> ProviderRequest:
    content = json.dumps(fields).encode()
    url = f"{ORIGIN}/hooks/twilio?bodySHA256={hashlib.sha256(content).hexdigest()}"
    return ProviderRequest({"x-twilio-signature": _twilio(url)}, content, url)


def _twilio(content: str) -> str:
    return b64encode(hmac.digest(TOKEN.encode(), content.encode(), "sha1")).decode()


def from_anybody(lines: str, at: datetime = NOW) -> ProviderRequest:
    """Events in the form of `events import`, signed as Standard Webhooks says."""
    content = lines.encode()
    return ProviderRequest(dict(signed(TOKEN, "msg_1", at, content)), content, f"{ORIGIN}/hooks/generic")


class Outside:
    """Stands in for the web: what is at which address, and what was asked for."""

    def __init__(self, pages: Mapping[str, bytes] | None = None) -> None:
        self.pages = {CERTIFICATE_URL: certificate(), SUBSCRIBE_URL: b"<ok/>"} if pages is None else dict(pages)
        self.asked: list[str] = []

    def __call__(self, url: str) -> bytes | None:
        self.asked.append(url)
        return self.pages.get(url)


def changed(request: ProviderRequest, change: Callable[[str], str]) -> ProviderRequest:
    """The request with another body, and what it was proven by before."""
    content = change(request.content.decode()).encode()
    assert content != request.content
    return request._replace(content=content)
