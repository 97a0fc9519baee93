"""
Lists of people as ad networks take them: normalised, hashed, and nothing more than is asked for.

Meta: https://developers.facebook.com/docs/marketing-api/audiences/guides/custom-audiences
Google: https://developers.google.com/google-ads/api/docs/remarketing/audience-segments/customer-match/get-started
TikTok: https://ads.tiktok.com/help/article/prepare-customer-file
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

from campaignctl.message.address import normal_address
from campaignctl.message.sandbox import RenderError

Network = Literal["meta", "google", "tiktok", "csv"]
Person = Mapping[str, str]  # `id`, `email`, `phone` in E.164, `first_name`, `last_name`, `country`, `zip`

# Under which names lists have what networks ask for.
NAMES: Final[Mapping[str, Sequence[str]]] = {
    "first_name": ("first_name", "firstname", "given_name"),
    "last_name": ("last_name", "lastname", "surname", "family_name"),
    "country": ("country", "country_code"),
    "zip": ("zip", "zip_code", "postcode", "postal_code"),
}
_GMAIL: Final = frozenset({"gmail.com", "googlemail.com"})
_NO_LETTER: Final = re.compile(r"[\W\d_]+")


def hashed(text: str) -> str:
    """
    The SHA-256 of *text* in small hexadecimal digits; nothing stays nothing.

    >>> hashed("test@example.com")[:16], hashed("")
    ('973dfe463ec85785', '')
    """
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


def plain_email(text: str) -> str:
    """
    An address in small letters; empty where it is none.

    >>> plain_email(" Ada@Example.ORG "), plain_email("ada")
    ('ada@example.org', '')
    """
    return (normal_address(text) or "").lower()


def google_email(text: str) -> str:
    """
    As Google has it: of its own addresses, dots and what follows a `+` are no part.

    >>> google_email("Ada.Love+shop@Gmail.com"), google_email("a.b+c@example.org")
    ('adalove@gmail.com', 'a.b+c@example.org')
    """
    local, _, domain = plain_email(text).rpartition("@")
    if domain in _GMAIL:
        local = local.partition("+")[0].replace(".", "")
    return f"{local}@{domain}" if local else ""


def letters(text: str) -> str:
    """
    A name as Meta has it: small letters, without blanks and signs.

    >>> letters(" O'Brien-Müller ")
    'obrienmüller'
    """
    return _NO_LETTER.sub("", text.lower())


def _meta(person: Person) -> list[str]:
    return [
        hashed(plain_email(person["email"])),
        hashed(person["phone"].removeprefix("+")),
        hashed(letters(person["first_name"])),
        hashed(letters(person["last_name"])),
        hashed(_country(person).lower()),
        hashed(person["zip"].strip().lower().replace(" ", "")),
    ]


def _google(person: Person) -> list[str]:
    return [
        hashed(google_email(person["email"])),
        hashed(person["phone"]),
        hashed(person["first_name"].strip().lower()),
        hashed(person["last_name"].strip().lower()),
        _country(person).upper(),
        person["zip"].strip(),
    ]


def _tiktok(person: Person) -> list[str]:
    return [hashed(plain_email(person["email"])), hashed(person["phone"])]


def _csv(person: Person) -> list[str]:
    return [person["id"], plain_email(person["email"]), person["phone"]]


def _country(person: Person) -> str:
    """The country where it is a code of two letters; networks know no other form."""
    written = person["country"].strip()
    return written if re.fullmatch("[A-Za-z]{2}", written) else ""


HEADERS: Final[Mapping[Network, Sequence[str]]] = {
    "meta": ("email", "phone", "fn", "ln", "country", "zip"),
    "google": ("Email", "Phone", "First Name", "Last Name", "Country", "Zip"),
    "tiktok": ("email_sha256", "phone_sha256"),
    "csv": ("id", "email", "phone"),
}
ROWS: Final[Mapping[Network, Callable[[Person], list[str]]]] = {
    "meta": _meta,
    "google": _google,
    "tiktok": _tiktok,
    "csv": _csv,
}


class NotRecognisedError(RenderError):
    """A network could know somebody by nothing that it asks for."""

    reason = "no_address"


def row_of(network: Network, person: Person) -> list[str]:
    """
    What a network gets of somebody.

    Raises:
        NotRecognisedError: it could know them by nothing.
    """
    row = ROWS[network](person)
    if not any(row[:2]):
        raise NotRecognisedError("there is neither an address nor a number")
    return row
