"""
The envelope in which Amazon's notification service brings things, and the proof that it is theirs.

A message is signed with a key whose certificate it names
(https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html).
Who may say which certificate that is could sign anything: so only hosts of the
service itself count, and only the topic that the project names.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import load_pem_x509_certificate

from campaignctl.providers.event import instant_in, refuse_stale
from campaignctl.providers.request import (
    Part,
    ProviderRequest,
    UnreachableError,
    UnreadableError,
    UnverifiedError,
    json_in,
)

# Gets what is at an https address, or None where it cannot be had.
Fetch = Callable[[str], bytes | None]

_HOST: Final = re.compile(r"sns\.[a-z0-9-]{3,}\.amazonaws\.com(?:\.cn)?")
_NOTIFICATION: Final = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION: Final = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_MOST_KEYS: Final = 8


class Envelope(NamedTuple):
    """A verified message of the topic: its type, what is in it, and where a subscription is confirmed."""

    type: str
    message: str
    subscribe_url: str


class Topic:
    """One topic, whose messages are known by their signature."""

    def __init__(self, arn: str, fetch: Fetch) -> None:
        self._arn = arn
        self._fetch = fetch
        self._keys: OrderedDict[str, RSAPublicKey] = OrderedDict()

    def opened(self, request: ProviderRequest, now: datetime) -> Envelope:
        """
        What a request brings.

        Raises:
            UnverifiedError: it is of another topic, its signature is wrong or old, or its certificate is elsewhere.
            UnreachableError: the certificate cannot be had now.
            UnreadableError: it is no message of the service.
        """
        told = Part(json_in(request.content))
        kind = told.text("Type")
        if kind not in ("Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"):
            raise UnreadableError("the body is no message of Amazon SNS; raw message delivery has no signature")
        if told.text("TopicArn") != self._arn:
            raise UnverifiedError("the message is of another topic")
        names = _NOTIFICATION if kind == "Notification" else _CONFIRMATION
        signed = "".join(f"{name}\n{value}\n" for name in names if (value := told.text(name)))
        self._verify(told, signed.encode())
        refuse_stale(instant_in(told.text("Timestamp")), now)
        return Envelope(kind, told.text("Message"), told.text("SubscribeURL"))

    def confirm(self, url: str) -> None:
        """
        Say yes to a subscription.

        Raises:
            UnverifiedError: *url* is no address of the service.
            UnreachableError: it does not answer.
        """
        if not is_of_the_service(url):
            raise UnverifiedError("the subscription is confirmed at a strange address")
        if self._fetch(url) is None:
            raise UnreachableError("the subscription could not be confirmed")

    def _verify(self, told: Part, signed: bytes) -> None:
        algorithm = {"1": SHA1(), "2": SHA256()}.get(told.text("SignatureVersion"))  # noqa: S303 # theirs unless the topic asks for the other
        if algorithm is None:
            raise UnverifiedError("the signature is of an unknown version")
        key = self._key(told.text("SigningCertURL"))
        try:
            key.verify(b64decode(told.text("Signature"), validate=True), signed, PKCS1v15(), algorithm)
        except (ValueError, InvalidSignature) as failure:
            raise UnverifiedError("the signature does not fit") from failure

    def _key(self, url: str) -> RSAPublicKey:
        if url in self._keys:
            return self._keys[url]
        if not is_of_the_service(url) or not urlsplit(url).path.endswith(".pem"):
            raise UnverifiedError("the certificate is at a strange address")
        content = self._fetch(url)
        if content is None:
            raise UnreachableError("the certificate of the signature cannot be had")
        try:
            key = load_pem_x509_certificate(content).public_key()
        except (ValueError, UnsupportedAlgorithm) as failure:
            raise UnverifiedError("there is no certificate at its address") from failure
        if not isinstance(key, RSAPublicKey):
            raise UnverifiedError("the certificate has no RSA key")
        self._keys[url] = key
        if len(self._keys) > _MOST_KEYS:
            self._keys.popitem(last=False)
        return key


def is_of_the_service(url: str) -> bool:
    """
    Whether *url* leads to the notification service over https, and nowhere else.

    >>> is_of_the_service("https://sns.eu-west-1.amazonaws.com/cert.pem")
    True
    >>> is_of_the_service("https://sns.eu-west-1.amazonaws.com.evil.example/cert.pem")
    False
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme == "https"
        and port in (None, 443)
        and parts.username is None
        and _HOST.fullmatch(parts.hostname or "") is not None
    )
