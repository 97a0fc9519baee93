"""Text messages: compiled once for a step, finished for each contact."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from campaignctl.message.content import Recipient, Surroundings
from campaignctl.message.email import constant_names
from campaignctl.message.headers import one_line
from campaignctl.message.links import StepLinks
from campaignctl.message.phone import countries_of, normal_phone
from campaignctl.message.sandbox import CompiledTemplate, RenderError, contact_names
from campaignctl.message.sms import sms_size
from campaignctl.message.sms_request import SAMPLE, ContentType, TextRequestTemplate

MOST_PARTS: Final = 4


@dataclass(frozen=True)
class SmsRules:
    """
    What the project says about text messages.

    `country` is that of numbers without a country code; `countries` are those
    that messages may go to, all where it is None. `request` is the project's
    own template of requests, and the form of what it makes.
    """

    sender: str | None = None
    country: str | None = None
    countries: Collection[str] | None = None
    max_parts: int = MOST_PARTS
    request: tuple[str, ContentType] | None = None


ANY_SMS: Final = SmsRules()


class CannotBeTextedError(RenderError):
    """A text message must not go to this contact, for a reason of its own."""

    def __init__(self, reason: str, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason


class RenderedText(NamedTuple):
    """A finished text message: the number it goes to in E.164, and how many parts it takes."""

    sender: str
    recipient: str
    text: str
    parts: int


class TextTemplate:
    """The text of one step; the same contact always gets the same."""

    def __init__(
        self,
        text: str,
        sender: str | None,
        surroundings: Surroundings,
        rules: SmsRules = ANY_SMS,
        links: StepLinks | None = None,
    ) -> None:
        """
        Raises:
            TemplateSyntaxProblem: the template cannot be read.
        """
        self._template = CompiledTemplate("text", text, is_html=False)
        self._sender = sender or rules.sender or ""
        self._rules = rules
        self._constants = constant_names(surroundings)
        self._links = links

    def finished(self, recipient: Recipient) -> RenderedText:
        """
        The message for one contact, whose `address` is the number as the list has it.

        Raises:
            RenderError: the template cannot be filled in, the number is none or
                of a country that is not allowed, or the text is too long.
        """
        number = self._number(recipient.address)
        text = self._template.render(self._names(recipient)).replace("\r\n", "\n").strip()
        if not text:
            raise CannotBeTextedError("render_error", "the text is empty")
        parts = sms_size(text).parts
        if parts > self._rules.max_parts:
            raise CannotBeTextedError(
                "too_long", f"the text takes {parts} parts, and `max_parts` is {self._rules.max_parts}"
            )
        return RenderedText(one_line(self._sender), number, text, parts)

    def _number(self, written: str) -> str:
        number = normal_phone(written, self._rules.country)
        if number is None:
            raise CannotBeTextedError("no_address", "what the list has is no phone number")
        allowed = self._rules.countries
        if allowed is not None and countries_of(number).isdisjoint(allowed):
            raise CannotBeTextedError("country_not_allowed", f"no messages go to {number[:3]}…: see `countries`")
        return number

    def _names(self, recipient: Recipient) -> dict[str, Any]:
        names = dict(self._constants)
        for name, values in (("contact", recipient.contact), ("data", recipient.data), ("gate", recipient.gate)):
            names[name] = contact_names(values)
        if self._links is not None:
            names["unsubscribe_url"] = self._links.unsubscribe_url(recipient.contact_id)
        return names


def as_document(message: RenderedText, request: TextRequestTemplate | None = None, **more: str) -> bytes:
    """
    The message as the outbox keeps it, and as presets of providers read it.

    With a *request* of the project's own its body is in it, ready to leave.

    Raises:
        RenderError: the body cannot be made.
    """
    document = {"version": 1, **more, "from": message.sender, "to": message.recipient, "text": message.text}
    document["parts"] = message.parts
    if request is not None:
        document["body"] = request.body({name: document[name] for name in SAMPLE})
    return json.dumps(document, ensure_ascii=False).encode()
