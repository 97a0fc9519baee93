"""What a message is made from, before it is anybody's: the frozen texts of one published step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

BodyFormat = Literal["md", "html", "mjml", "txt"]


@dataclass(frozen=True)
class Body:
    """One template, with the name of the file it came from (for error messages) and the format its ending says."""

    name: str
    format: BodyFormat
    source: str


@dataclass(frozen=True)
class Attachment:
    """A file that goes with every copy of a message."""

    name: str
    content: bytes


@dataclass(frozen=True)
class EmailContent:
    """
    An e-mail as it was published, all templates still to be filled in.

    `bodies` is one body, or an HTML-like one (md, html, mjml) and a text one.
    `sender` and `reply_to` are mailboxes (`Name <address>`).
    """

    subject: str
    bodies: tuple[Body, ...]
    sender: str
    reply_to: str | None = None
    preheader: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    tracks_opens: bool = False
    tracks_clicks: bool = False


@dataclass(frozen=True)
class Surroundings:
    """What is the same in every copy of one step's message."""

    campaign: str
    title: str
    step: str
    list_name: str
    project: str
    postal_address: str = ""
    public_url: str = ""
    topic: str = ""


@dataclass(frozen=True)
class Recipient:
    """
    One contact as the templates see it.

    `key` is the delivery's key, from which everything that has to be equal at
    each attempt is made; `made_at` becomes the Date header. `contact` holds
    plain values: text, numbers, truth values, dates or None. `contact_id` is
    the store's, for links; a URL that is given stands in the place of one.
    """

    key: str
    address: str
    contact: Mapping[str, object]
    made_at: datetime
    data: Mapping[str, object] = field(default_factory=dict)
    gate: Mapping[str, object] = field(default_factory=dict)
    unsubscribe_url: str = ""
    view_url: str = ""
    contact_id: int = 0


class RenderedEmail(NamedTuple):
    """A finished message: RFC 5322 bytes with CRLF line ends, and its envelope."""

    message_id: str
    envelope_sender: str
    recipient: str
    subject: str
    content: bytes
