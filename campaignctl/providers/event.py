"""What a provider says has happened with one message, in one form for all of them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from campaignctl.providers.request import UnreadableError, UnverifiedError

# How far a request's own clock may differ: providers try again for up to a day
# with what they signed at first, and what comes twice counts once.
OLDEST: Final = timedelta(days=1)
_AHEAD: Final = timedelta(minutes=5)

_LONGEST_URL: Final = 2000
# Policy, a full mailbox, or the message itself: a refusal that says nothing against the address.
_NOT_THE_ADDRESS: Final = re.compile(r"[45]\.(?:7\.\d+|2\.2|6\.\d+|3\.4)")
_STATUS: Final = re.compile(r"\b[245]\.\d{1,3}\.\d{1,3}\b")
_FRACTION: Final = re.compile(r"(\.\d{6})\d+")


class Happened(StrEnum):
    """What happened with a message."""

    DELIVERED = "delivered"  # the other side took it: evidence, and no event of its own
    OPEN = "open"  # it was looked at
    CLICK = "click"  # a link in it was followed
    BOUNCE = "bounce"  # it came back
    COMPLAINT = "complaint"  # it was called spam
    UNSUBSCRIBE = "unsubscribe"  # no more of these


class ProviderEvent(NamedTuple):
    """
    One thing that happened.

    `mark` is the token that our message carried; without one nobody knows whose
    it is. `at` is None where the provider does not say. `is_hard` says of a
    bounce that there is no such address. `phone` is the number that a text
    message went to, or came from, in its international form. `message_id` is
    what the provider calls the message, where that may stand in for a mark.
    """

    kind: Happened
    at: datetime | None
    mark: str
    url: str = ""
    is_machine: bool = False
    is_hard: bool = False
    phone: str = ""
    message_id: str = ""


def is_hard(is_permanent: bool, told: str) -> bool:
    """
    Whether a bounce is about the address: the provider calls it permanent, and no code in *told* says otherwise.

    >>> is_hard(True, "550 5.1.1 user unknown"), is_hard(True, "550 5.7.1 blocked"), is_hard(False, "")
    (True, False, False)
    """
    status = _STATUS.search(told)
    return is_permanent and not (status and _NOT_THE_ADDRESS.fullmatch(status[0]))


def kept_url(url: str) -> str:
    """The address of a click as it is kept: bounded, and in printable characters."""
    return url[:_LONGEST_URL] if url.isprintable() else ""


def instant_in(text: str) -> datetime:
    """
    An instant as providers write it.

    >>> instant_in("2026-12-01T10:28:10.2735393-04:00").isoformat()
    '2026-12-01T14:28:10.273539+00:00'

    Raises:
        UnreadableError: it is none, or has no offset.
    """
    try:
        found = datetime.fromisoformat(_FRACTION.sub(r"\1", text))
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise UnreadableError(f"`{text[:40]}` is not an instant")


def instant_at(seconds: float | None) -> datetime:
    """
    An instant as seconds since 1970.

    Raises:
        UnreadableError: it is none.
    """
    try:
        if seconds is not None:
            return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise UnreadableError("an event does not say when it happened")


def refuse_stale(signed_at: datetime, now: datetime, oldest: timedelta = OLDEST) -> None:
    """
    Refuse what was signed long ago, or will be.

    Raises:
        UnverifiedError: it was.
    """
    if not now - oldest <= signed_at <= now + _AHEAD:
        raise UnverifiedError("the request was signed too long ago, or its clock is wrong")
