"""E-mail messages: compiled once for a step, finished for each contact."""

from __future__ import annotations

import hashlib
import mimetypes
from base64 import encodebytes
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

from campaignctl.message.address import is_address, parse_mailbox
from campaignctl.message.body import Bodies, bodies_of
from campaignctl.message.content import Attachment, EmailContent, Recipient, RenderedEmail, Surroundings
from campaignctl.message.headers import encoded, is_url, mailbox_text, one_line
from campaignctl.message.links import StepLinks, link_number
from campaignctl.message.parts import Names, TextPart
from campaignctl.message.proof import Proof, Types, proof_of
from campaignctl.message.sandbox import CompiledTemplate, RenderError, contact_names, safe_link
from campaignctl.message.skeleton import Known, UnusualError, skeleton_of
from campaignctl.message.tracked import OPEN_NAME, name_of, with_counted_links, with_image

_NOTHING: Final[Mapping[str, object]] = {}


class EmailTemplate:
    """
    The message of one step; the same contact always gets the same bytes.

    With *links*, each contact has ways to unsubscribe and to view the message
    that are theirs; what the content asks to be tracked is. *is_spliced* is for tests: without it every template is
    rendered, though its values could be put between its texts.
    """

    def __init__(
        self,
        content: EmailContent,
        surroundings: Surroundings,
        links: StepLinks | None = None,
        *,
        is_spliced: bool = True,
    ) -> None:
        """
        Raises:
            TemplateSyntaxProblem: a template cannot be read.
            ValueError: the sender is no mailbox.
        """
        self._sender = parse_mailbox(content.sender)
        self._reply_to = None if content.reply_to is None else parse_mailbox(content.reply_to)
        self._constants = constant_names(surroundings)
        self._links = links
        bodies = self._tracked(content, bodies_of(content.bodies, content.preheader or ""))
        sources = (content.subject, *content.headers.values(), bodies.html, bodies.text)
        self._has_view = any("view_url" in source for source in sources)
        name = content.bodies[0].name if content.bodies else "body"
        self._subject = HeaderText("subject", content.subject, self._constants, is_spliced=is_spliced)
        self._headers = [
            (f"\r\n{key}: ", len(key) + 2, HeaderText(f"header {key}", value, self._constants, is_spliced=is_spliced))
            for key, value in content.headers.items()
        ]
        text = CompiledTemplate(name, bodies.text, is_html=False)
        html = CompiledTemplate(name, bodies.html, is_html=True) if bodies.html else None
        self._text = TextPart(text, self._constants, is_spliced=is_spliced)
        self._html = None if html is None else TextPart(html, self._constants, is_spliced=is_spliced)
        self._frame = _frame(self._text, self._html, content.attachments)
        parts = [self._subject, *(header for *_, header in self._headers), self._text, self._html]
        self._templates = [part.template for part in parts if part is not None]
        self._fixed_head(surroundings)

    def _tracked(self, content: EmailContent, bodies: Bodies) -> Bodies:
        """The bodies with what is to be measured: done once, so that only tokens are left for each contact."""
        self._clicks: tuple[str, ...] = ()
        self._click_numbers: tuple[bytes, ...] = ()
        self._has_image = False
        if self._links is None:
            return bodies
        if content.tracks_clicks:
            bodies, links = with_counted_links(bodies, self._links.click_start)
            numbers = sorted(links.numbered())
            self._clicks = tuple(map(name_of, numbers))
            self._click_numbers = tuple(map(link_number, numbers))
        if content.tracks_opens:
            bodies = with_image(bodies, self._links.open_start)
            self._has_image = bool(bodies.html)
        return bodies

    def _fixed_head(self, surroundings: Surroundings) -> None:
        self._mailto = f"mailto:{quote((self._reply_to or self._sender).address, safe='@')}?subject=unsubscribe"
        self._domain = self._sender.address.rpartition("@")[2]
        self._from = f"From: {mailbox_text(self._sender)}\r\n"
        if self._reply_to is not None:
            self._from += f"Reply-To: {mailbox_text(self._reply_to)}\r\n"
        self._from += f"List-Id: <{list_id(surroundings, self._domain)}>\r\nTo: "
        self._fixed_lines = self._from.count("\r\n") - self._from.count("\r\n ") + 6 + len(self._headers)

    def proof(self, types: Types) -> Proof | None:
        """For whom this message can be made, of contacts with attributes of these types; None if nobody can tell."""
        return proof_of(self._templates, self._constants, types)

    def render(self, recipient: Recipient) -> RenderedEmail:
        """
        The message for one contact.

        Raises:
            RenderError: a template cannot be filled in.
        """
        return self.finished(
            recipient.key, recipient.address, recipient.contact, recipient.made_at, contact_id=recipient.contact_id,
            data=recipient.data, gate=recipient.gate, unsubscribe_url=recipient.unsubscribe_url,
            view_url=recipient.view_url,
        )  # fmt: skip

    def finished(
        self,
        key: str,
        address: str,
        contact: Mapping[str, object],
        made_at: datetime,
        *,
        contact_id: int = 0,
        data: Mapping[str, object] = _NOTHING,
        gate: Mapping[str, object] = _NOTHING,
        unsubscribe_url: str = "",
        view_url: str = "",
    ) -> RenderedEmail:
        """
        The message for one contact, from what `Recipient` describes, without making one.

        Raises:
            RenderError: a template cannot be filled in, or the address is none.
        """
        links = self._links
        if links is not None:
            unsubscribe_url = unsubscribe_url or links.unsubscribe_url(contact_id)
            if self._has_view:
                view_url = view_url or links.view_url(contact_id)
        known: dict[str, Any] = {
            "contact": contact, "data": data, "gate": gate, "unsubscribe_url": unsubscribe_url or self._mailto,
        }  # fmt: skip
        if view_url:
            known["view_url"] = view_url
        if links is not None:
            if self._clicks:
                known.update(zip(self._clicks, links.click_tokens(contact_id, self._click_numbers), strict=True))
            if self._has_image:
                known[OPEN_NAME] = links.open_token(contact_id)
        names = _Names(self._constants, known)
        subject = self._subject.filled(known, names)
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        message_id = f"<{digest[:40]}@{self._domain}>"
        head = self._head(subject, address, message_id, made_at, known, names)
        before, between, after = self._frame
        pieces = [head, before, self._text.encoded(known, names)]
        if self._html is not None:
            pieces += (between, self._html.encoded(known, names))
        content = "".join([*pieces, after]).encode("ascii")
        return RenderedEmail(message_id, self._sender.address, address, subject, content)

    def _head(self, subject: str, address: str, message_id: str, made_at: datetime, known: Known, names: Names) -> str:
        """The header, checked: no value has become a line of its own."""
        pieces = [
            self._from, _address(address), "\r\nSubject: ", encoded(subject, 9), "\r\nDate: ", _date(made_at),
            "\r\nMessage-ID: ", message_id, "\r\nList-Unsubscribe: ",
        ]  # fmt: skip
        lines, url = self._fixed_lines, known["unsubscribe_url"]
        if url.startswith("https://") and is_url(url):
            pieces.append(f"<{url}>,\r\n <{self._mailto}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click")
            lines += 1
        else:
            pieces.append(f"<{self._mailto}>")
        for start, used, template in self._headers:
            pieces += (start, encoded(template.filled(known, names), used))
        pieces.append("\r\nMIME-Version: 1.0\r\n")
        head = "".join(pieces)
        ends = head.count("\n")
        if ends - head.count("\r\n ") != lines or head.count("\r\n") != ends or head.count("\r") != ends:
            raise RenderError("a header's value would become another header")
        return head


class HeaderText:
    """The template of a header's value."""

    def __init__(self, name: str, source: str, constants: Known, *, is_spliced: bool) -> None:
        self.template = CompiledTemplate(name, source, is_html=False)
        self._skeleton = skeleton_of(self.template, constants) if is_spliced else None

    def filled(self, known: Known, names: Names) -> str:
        """
        The value for one contact, on one line.

        Raises:
            RenderError: the template cannot be filled in.
        """
        if self._skeleton is not None:
            try:
                return one_line(self._skeleton.joined([str(slot(known)) for slot in self._skeleton.slots]))
            except UnusualError:
                pass
        return one_line(self.template.render(names()))


class _Names:
    """Every name that a template knows, for one contact; made when the first template has to be rendered."""

    def __init__(self, constants: Known, known: Known) -> None:
        self._constants = constants
        self._known = known
        self._made: dict[str, Any] | None = None

    def __call__(self) -> dict[str, Any]:
        if self._made is None:
            made = {**self._constants, **self._known}
            made |= {name: contact_names(self._known[name]) for name in ("contact", "data", "gate")}
            self._made = made
        return self._made


def list_id(surroundings: Surroundings, domain: str) -> str:
    """
    What names the list of a message: its topic's, for that is what one click leaves.

    RFC 2919, section 2: it is below a domain of the sender's own.
    """
    return ".".join(filter(None, (surroundings.topic, surroundings.list_name, surroundings.project, domain)))


def constant_names(surroundings: Surroundings) -> dict[str, Any]:
    """The names that are the same in every copy of a message."""
    names: dict[str, Any] = {
        "campaign": {"name": surroundings.campaign, "title": surroundings.title},
        "step": surroundings.step,
        "link": safe_link,
    }
    if surroundings.postal_address:
        names["postal_address"] = surroundings.postal_address
    return names


def names_for(recipient: Recipient, surroundings: Surroundings, unsubscribe_url: str) -> dict[str, Any]:
    """Every name that a template knows, for one contact."""
    known = {"contact": recipient.contact, "data": recipient.data, "gate": recipient.gate}
    names = _Names(constant_names(surroundings), known)() | {"unsubscribe_url": unsubscribe_url}
    return names | ({"view_url": recipient.view_url} if recipient.view_url else {})


@lru_cache(maxsize=1024)
def _date(made_at: datetime) -> str:
    # Equal instants of two zones are one key here, so it must not matter which.
    return format_datetime(made_at.astimezone(UTC))


def _address(address: str) -> str:
    """
    An address for To, which is exactly the one in the envelope.

    Raises:
        RenderError: it is none, or written in a way that no list keeps.
    """
    if is_address(address):
        return address
    raise RenderError("the contact's address is no e-mail address")


def _frame(text: TextPart, html: TextPart | None, attachments: tuple[Attachment, ...]) -> tuple[str, str, str]:
    """
    What stands before the text, between the text and the HTML, and after both.

    No encoding that is used here can write `=_`, so no content can look like a
    boundary.
    """
    before, between, after = text.head, "", ""
    if html is not None:
        edge = "--=_alternative"
        before = f'Content-Type: multipart/alternative; boundary="=_alternative"\r\n\r\n{edge}\r\n{before}'
        between, after = f"\r\n{edge}\r\n{html.head}", f"\r\n{edge}--\r\n"
    if attachments:
        edge = "--=_mixed"
        before = f'Content-Type: multipart/mixed; boundary="=_mixed"\r\n\r\n{edge}\r\n{before}'
        files = "".join(f"\r\n{edge}\r\n{_attachment(each)}" for each in attachments)
        after += f"{files}\r\n{edge}--\r\n"
    return before, between, after


def _attachment(attachment: Attachment) -> str:
    kind = mimetypes.guess_type(attachment.name, strict=True)[0] or "application/octet-stream"
    name = quote(one_line(attachment.name), safe="._-")
    return (
        f"Content-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n"
        f"Content-Disposition: attachment; filename*=utf-8''{name}\r\n\r\n"
        + encodebytes(attachment.content).replace(b"\n", b"\r\n").decode("ascii")
    )
