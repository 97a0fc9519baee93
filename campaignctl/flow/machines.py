"""
Machines among those who open and click: mail programs, proxies and scanners that nobody sits at.

`docs/machines.md` says what each rule is for, and where the names come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

VERSION: Final = 1  # of these rules; hits are looked at again when it changes

_AT_ONCE: Final = timedelta(seconds=2)
_BURST: Final = timedelta(seconds=10)
_LINKS_OF_A_BURST: Final = 3
VISIT: Final = timedelta(minutes=10)

# Parts of what programs call themselves, in small letters. Gmail's and Yahoo's
# image proxies are not here: they fetch an image when a person opens the mail.
_NAMES: Final = (
    "barracuda", "mimecast", "proofpoint", "safelinks", "microsoft-atp", "msoffice-preview", "trendmicro",
    "symantec", "fireeye", "cloudmark", "bot", "spider", "crawler", "curl/", "wget/", "python-", "go-http-client",
    "java/", "okhttp", "libwww", "headlesschrome", "phantomjs", "facebookexternalhit", "whatsapp/", "slack-imgproxy",
)  # fmt: skip
# Apple's Mail Privacy Protection says this and no more; a browser names itself.
_ALL_THAT_APPLE_SAYS: Final = "mozilla/5.0"


class Sign(StrEnum):
    """What says that a machine did something."""

    NAME = "name"  # the program calls itself so, or nothing
    AT_ONCE = "at_once"  # quicker after the sending than anybody reads
    HEAD = "head"  # asked for as no browser does
    HIDDEN_LINK = "hidden_link"  # the link that nobody sees
    MANY_LINKS = "many_links"  # the first of several links at once
    SAME_PROGRAM = "same_program"  # the same program did one of these around it
    REPORTED = "reported"  # whoever told of it says so


class Hit(NamedTuple):
    """
    One request for the image or a link of one message.

    `delay` is how long after its sending that was, where it is known. `link` is
    the link's number: None for the image, 0 for the link that nobody sees.
    """

    at: datetime
    method: str
    agent: str
    link: int | None = None
    delay: timedelta | None = None


def is_known_machine(agent: str) -> bool:
    """
    Whether this is the name of a program that opens mail and follows links by itself.

    >>> is_known_machine("Mozilla/5.0"), is_known_machine("Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0")
    (True, False)
    """
    name = agent.strip().lower()
    return name in ("", _ALL_THAT_APPLE_SAYS) or any(part in name for part in _NAMES)


def machines_among(hits: Sequence[Hit]) -> list[bool]:
    """Which of the hits on one contact's message machines made, in the order given."""
    return [sign is not None for sign in signs_among(hits)]


def signs_among(hits: Sequence[Hit]) -> list[Sign | None]:
    """
    What says of each hit on one contact's message that a machine made it; None where a person did.

    A request that only a machine makes (HEAD, the hidden link, many links at
    once) tells of everything that the same program asked for around it.
    """
    telling = [_only_machines_do(hit, hits) for hit in hits]
    others = [hit for hit, own in zip(hits, telling, strict=True) if own is not None]

    def sign(hit: Hit, own: Sign | None) -> Sign | None:
        if is_known_machine(hit.agent):
            return Sign.NAME
        if hit.delay is not None and hit.delay < _AT_ONCE:
            return Sign.AT_ONCE
        if own is not None:
            return own
        is_same = any(hit.agent == other.agent and abs(hit.at - other.at) <= VISIT for other in others)
        return Sign.SAME_PROGRAM if is_same else None

    return [sign(hit, own) for hit, own in zip(hits, telling, strict=True)]


def _only_machines_do(hit: Hit, hits: Sequence[Hit]) -> Sign | None:
    if hit.method == "HEAD":
        return Sign.HEAD
    if hit.link == 0:
        return Sign.HIDDEN_LINK
    return Sign.MANY_LINKS if _is_in_burst(hit, hits) else None


def _is_in_burst(hit: Hit, hits: Sequence[Hit]) -> bool:
    """Whether the same program followed three links or more within ten seconds from this one on."""
    links = {
        other.link
        for other in hits
        if other.agent == hit.agent and other.link is not None and timedelta(0) <= other.at - hit.at <= _BURST
    }
    return hit.link is not None and len(links) >= _LINKS_OF_A_BURST
