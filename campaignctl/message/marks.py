"""Marks: what a message carries so that a provider's news of it can be told to its delivery."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final, Protocol

from campaignctl.message.links import Purpose

NAME: Final = "campaignctl"
HEADER: Final = "X-Campaignctl-Delivery"

# What each provider gives back with its events: a header of ours, or one of its own.
_HEADERS: Final[Mapping[str, Sequence[tuple[str, str]]]] = {
    "ses": ((f"{HEADER}: ", ""), (f"X-SES-MESSAGE-TAGS: {NAME}=", "")),
    "sendgrid": ((f'X-SMTPAPI: {{"unique_args": {{"{NAME}": "', '"}}'),),
    "postmark": ((f"X-PM-Metadata-{NAME}: ", ""),),
    "mailgun": ((f'X-Mailgun-Variables: {{"{NAME}": "', '"}'),),
    "brevo": (("X-Mailin-custom: ", ""),),
}


class Signs(Protocol):
    """Makes tokens: a `links.Signer`."""

    def token(self, purpose: Purpose, step_id: int, contact_id: int) -> str: ...


class Marks:
    """
    Puts the mark of a delivery on its message: one signed token, in the header that each provider gives back.

    It says nothing about the contact to anybody but us.
    """

    def __init__(self, providers: Collection[str], signer: Signs) -> None:
        headers = [each for provider in providers for each in _HEADERS.get(provider, ())]
        # Each with the beginning of the line that a campaign has where it sets the header itself.
        self._headers = [
            (b"\r\n" + before.partition(":")[0].lower().encode() + b":", before.encode(), f"{after}\r\n".encode())
            for before, after in headers
        ]
        self._signer = signer

    def on(self, message: bytes, step_id: int, contact_id: int) -> bytes:
        """*message* with the mark in front. A header that the campaign sets itself stays as it is."""
        token = self._signer.token(Purpose.EVENT, step_id, contact_id).encode("ascii")
        head = message[: message.index(b"\r\n\r\n")].lower()
        marks = [before + token + after for line, before, after in self._headers if line not in head]
        return b"".join([*marks, message])


class Callbacks:
    """The address at which a provider tells what became of a text message, with the mark of its delivery."""

    def __init__(self, start: str, signer: Signs) -> None:
        self._start = start
        self._signer = signer

    def of(self, step_id: int, contact_id: int) -> str:
        return self._start + self._signer.token(Purpose.EVENT, step_id, contact_id)
