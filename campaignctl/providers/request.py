"""A provider's request as it came in, and why one is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from campaignctl.errors import CampaignctlError


class ProviderRequest(NamedTuple):
    """
    One POST to the address of a provider.

    Names of headers are in lower case; `content` are the bytes as they came,
    because signatures are over these; `url` is the address that was asked for,
    with its query.
    """

    headers: Mapping[str, str]
    content: bytes
    url: str


class UnverifiedError(CampaignctlError):
    """Nothing proves that the provider sent it."""

    def __init__(self, what: str) -> None:
        super().__init__("S240", what, "check the key or the token of the provider in campaignctl.yaml")


class UnreadableError(CampaignctlError):
    """The provider sent it, and it is not in the form that it documents."""

    def __init__(self, what: str) -> None:
        super().__init__("S241", what, "see docs/provider-events.md for what can be read")


class UnreachableError(CampaignctlError):
    """Whether the provider sent it cannot be found out now: it should try again."""

    def __init__(self, what: str) -> None:
        super().__init__("S242", what, "let this machine reach the provider over https")


def json_in(content: bytes) -> Any:
    """
    The JSON of a body.

    Raises:
        UnreadableError: it is none.
    """
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as failure:
        raise UnreadableError("the body is not JSON") from failure


def objects_in(content: bytes) -> Iterator[Part]:
    """
    The objects of a body that is one, or a list of some.

    Raises:
        UnreadableError: it is neither.
    """
    found = json_in(content)
    for each in found if isinstance(found, list) else [found]:
        if not isinstance(each, dict):
            raise UnreadableError("the body is not made of JSON objects")
        yield Part(each)


class Part:
    """An object in a provider's JSON, of which nothing is sure: what is missing or of another kind is nothing."""

    def __init__(self, content: object) -> None:
        self._content: dict[str, Any] = content if isinstance(content, dict) else {}

    def text(self, name: str) -> str:
        value = self._content.get(name)
        return value if isinstance(value, str) else ""

    def number(self, name: str) -> float | None:
        """A number, also one that is written as text."""
        value = self._content.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return None
        try:
            return float(value)
        except (ValueError, OverflowError):
            return None

    def is_true(self, name: str) -> bool:
        return self._content.get(name) is True

    def part(self, name: str) -> Part:
        return Part(self._content.get(name))

    def parts(self, name: str) -> list[Part]:
        value = self._content.get(name)
        return [Part(each) for each in value] if isinstance(value, list) else []

    def texts(self, name: str) -> list[str]:
        value = self._content.get(name)
        return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
