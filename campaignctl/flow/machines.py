"""
Machines among those who open and click: mail programs, proxies and scanners that nobody sits at.

`docs/machines.md` says what each rule is for, and where the names come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

VERSION: Final = 1  # of these rules; hits are looked at again when it changes

_AT_ONCE: Final = timedelta(seconds=2)
_BURST: Final = timedelta(seconds=10)
_LINKS_OF_A_BURST: Final = 3
_VISIT: Final = timedelta(minutes=10)

# Parts of what programs call themselves, in small letters. Gmail's and Yahoo's
# image proxies are not here: they fetch an image when a person opens the mail.
_NAMES: Final = (
    "barracuda", "mimecast", "proofpoint", "safelinks", "microsoft-atp", "msoffice-preview", "trendmicro",
    "symantec", "fireeye", "cloudmark", "bot", "spider", "crawler", "curl/", "wget/", "python-", "go-http-client",
    "java/", "okhttp", "libwww", "headlesschrome", "phantomjs", "facebookexternalhit", "whatsapp/", "slack-imgproxy",
)  # fmt: skip
# Apple's Mail Privacy Protection says this and no more; a browser names itself.
_ALL_THAT_APPLE_SAYS: Final = "mozilla/5.0"


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
    """
    Which of the hits on one contact's message machines made, in the order given.

    A request that only a machine makes (HEAD, the hidden link, many links at
    once) tells of everything that the same program asked for around it.
    """
    telling = [hit for hit in hits if hit.method == "HEAD" or hit.link == 0 or _is_in_burst(hit, hits)]
    return [
        is_known_machine(hit.agent)
        or (hit.delay is not None and hit.delay < _AT_ONCE)
        or any(hit.agent == other.agent and abs(hit.at - other.at) <= _VISIT for other in telling)
        for hit in hits
    ]


def _is_in_burst(hit: Hit, hits: Sequence[Hit]) -> bool:
    """Whether the same program followed three links or more within ten seconds from this one on."""
    links = {
        other.link
        for other in hits
        if other.agent == hit.agent and other.link is not None and timedelta(0) <= other.at - hit.at <= _BURST
    }
    return hit.link is not None and len(links) >= _LINKS_OF_A_BURST
