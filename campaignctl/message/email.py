"""E-mail messages: compiled once for a step, finished for each contact."""

from __future__ import annotations

import hashlib
import mimetypes
import re
from base64 import encodebytes
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote

from campaignctl.message.address import parse_mailbox
from campaignctl.message.body import bodies_of
from campaignctl.message.content import Attachment, EmailContent, Recipient, RenderedEmail, Surroundings
from campaignctl.message.headers import encoded, mailbox_text, one_line
from campaignctl.message.sandbox import CompiledTemplate, RenderError, contact_names, safe_link

_LINE_ENDS = re.compile(r"\r\n|\r|\n|\u2028|\u2029|\x0b|\x0c|\x85")
_EMPTY_LINES = re.compile(r"\n(?:[ \t]*\n){2,}")
_HEADER_NAME = re.compile(rb"^([!-9;-~]+):", re.MULTILINE)


class EmailTemplate:
    """The message of one step; the same contact always gets the same bytes."""

    def __init__(self, content: EmailContent, surroundings: Surroundings) -> None:
        """
        Raises:
            TemplateSyntaxProblem: a template cannot be read.
            ValueError: the sender is no mailbox.
        """
        self._sender = parse_mailbox(content.sender)
        self._reply_to = None if content.reply_to is None else parse_mailbox(content.reply_to)
        self._surroundings = surroundings
        bodies = bodies_of(content.bodies, content.preheader or "")
        name = content.bodies[0].name if content.bodies else "body"
        self._subject = CompiledTemplate("subject", content.subject, is_html=False)
        self._html = CompiledTemplate(name, bodies.html, is_html=True) if bodies.html else None
        self._text = CompiledTemplate(name, bodies.text, is_html=False)
        self._headers = {
            key: CompiledTemplate(f"header {key}", value, is_html=False) for key, value in content.headers.items()
        }
        self._attachments = [_attachment(each) for each in content.attachments]

    def render(self, recipient: Recipient) -> RenderedEmail:
        """
        The message for one contact.

        Raises:
            RenderError: a template cannot be filled in.
        """
        unsubscribe_url = recipient.unsubscribe_url or self._unsubscribe_mailto()
        names = names_for(recipient, self._surroundings, unsubscribe_url)
        subject = one_line(self._subject.render(names))
        digest = hashlib.sha256(recipient.key.encode()).hexdigest()
        message_id = f"<{digest[:40]}@{self._sender.address.rpartition('@')[2]}>"
        headers = [
            ("From", mailbox_text(self._sender)),
            ("To", recipient.address),
            ("Subject", encoded(subject, 9)),
            ("Date", format_datetime(recipient.made_at)),
            ("Message-ID", message_id),
            ("List-Id", f"<{self._surroundings.list_name}.{self._surroundings.project}.campaignctl.invalid>"),
            ("List-Unsubscribe", f"<{unsubscribe_url}>"),
        ]
        if self._reply_to is not None:
            headers.append(("Reply-To", mailbox_text(self._reply_to)))
        if unsubscribe_url.startswith("https://"):
            headers.append(("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
        headers += [(name, encoded(template.render(names), len(name) + 2)) for name, template in self._headers.items()]
        headers.append(("MIME-Version", "1.0"))
        content = "".join(f"{name}: {value}\r\n" for name, value in headers).encode("ascii") + self._body(names, digest)
        _check(content, [name for name, _ in headers])
        return RenderedEmail(message_id, self._sender.address, recipient.address, subject, content)

    def _unsubscribe_mailto(self) -> str:
        """A working way out where no address of the service is known."""
        return f"mailto:{quote((self._reply_to or self._sender).address, safe='@')}?subject=unsubscribe"

    def _body(self, names: dict[str, Any], digest: str) -> bytes:
        # Blocks that are left out for this contact leave their empty lines behind.
        part = _text_part("plain", _EMPTY_LINES.sub("\n\n", self._text.render(names)))
        if self._html is not None:
            part = _multipart("alternative", digest[40:56], [part, _text_part("html", self._html.render(names))])
        if self._attachments:
            part = _multipart("mixed", digest[48:64], [part, *self._attachments])
        return part


def names_for(recipient: Recipient, surroundings: Surroundings, unsubscribe_url: str) -> dict[str, Any]:
    """Every name that a template knows, for one contact."""
    names: dict[str, Any] = {
        "contact": contact_names(recipient.contact),
        "data": contact_names(recipient.data),
        "gate": contact_names(recipient.gate),
        "campaign": {"name": surroundings.campaign, "title": surroundings.title},
        "step": surroundings.step,
        "link": safe_link,
        "unsubscribe_url": unsubscribe_url,
    }
    if recipient.view_url:
        names["view_url"] = recipient.view_url
    if surroundings.postal_address:
        names["postal_address"] = surroundings.postal_address
    return names


def _text_part(kind: str, text: str) -> bytes:
    """A text part in base64, which no server has a reason to change."""
    clean = _LINE_ENDS.sub("\r\n", text).replace("\0", "").encode("utf-8", "replace")
    head = f'Content-Type: text/{kind}; charset="utf-8"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    return head.encode() + encodebytes(clean).replace(b"\n", b"\r\n")


def _multipart(kind: str, boundary: str, parts: list[bytes]) -> bytes:
    edge = f"--=_{boundary}"
    head = f'Content-Type: multipart/{kind}; boundary="=_{boundary}"\r\n\r\n'.encode()
    return head + b"".join(f"{edge}\r\n".encode() + part + b"\r\n" for part in parts) + f"{edge}--\r\n".encode()


def _attachment(attachment: Attachment) -> bytes:
    kind = mimetypes.guess_type(attachment.name, strict=True)[0] or "application/octet-stream"
    name = quote(one_line(attachment.name), safe=" ._-")
    head = (
        f"Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n"
        f"Content-Disposition: attachment; filename*=utf-8''{quote(name, safe='%._-')}\r\n\r\n"
    )
    return head.encode() + encodebytes(attachment.content).replace(b"\n", b"\r\n")


def _check(content: bytes, expected: list[str]) -> None:
    """The finished bytes are read again: they have exactly the headers that were meant."""
    head = content.partition(b"\r\n\r\n")[0]
    found = [name.decode() for name in _HEADER_NAME.findall(head)]
    if found[: len(expected)] != expected or len(found) > len(expected) + 2:
        raise RenderError("a header's value would become another header")
