"""Tokens that a provider sends along: all the proof there is where it signs nothing."""

from __future__ import annotations

import hmac
from base64 import b64decode
from collections.abc import Mapping

from campaignctl.providers.request import UnverifiedError

TOKEN_HEADER = "x-campaignctl-token"  # noqa: S105 - the name of a header


def require_token(headers: Mapping[str, str], token: str) -> None:
    """
    Let pass only who knows *token*: as a bearer token, as the password of basic authentication, or in a header of ours.

    Raises:
        UnverifiedError: it is missing, or another one.
    """
    given = _given(headers)
    if not given or not same(given, token):
        raise UnverifiedError("the request does not carry the token")


def same(given: str, expected: str) -> bool:
    """Whether both are equal, found out in a time that says nothing about either."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode("utf-8", "replace"))


def _given(headers: Mapping[str, str]) -> str:
    scheme, _, rest = headers.get("authorization", "").partition(" ")
    match scheme.lower():
        case "bearer":
            return rest.strip()
        case "basic":
            try:
                return b64decode(rest, validate=True).decode("utf-8").partition(":")[2]
            except ValueError:
                return ""
    return headers.get(TOKEN_HEADER, "")
