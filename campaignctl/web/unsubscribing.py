"""The links of a message that belong to its reader: the way out, and the message in a browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from html import escape
from typing import Final
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from campaignctl.leaving import ReaderLink, Standing
from campaignctl.message.links import Purpose
from campaignctl.project import Project
from campaignctl.topic_settings import text_in
from campaignctl.web.bodies import body_of
from campaignctl.web.operations import FORM, HTML, TEXT, Content, Operation, Reply
from campaignctl.web.pages import Box, Button, Choice, message_page, page
from campaignctl.web.service import Service
from campaignctl.web.wording import WORDINGS, language_of

_LARGEST: Final = 64 * 1024
_MOST_FIELDS: Final = 1000


async def ask(request: Request, service: Service) -> Response:
    """A page with a question: following a link changes nothing, whoever follows it."""
    link = _link(request, service, Purpose.UNSUBSCRIBE)
    found = None if link is None else await service.in_thread(link.standing)
    return unknown(request) if found is None else _standing_page(request, service, found)


async def act(request: Request, service: Service) -> Response:
    """
    Unsubscribe, at once and without a question (RFC 8058); or do what a button of the page says.

    Whatever a mail program sends, it means to unsubscribe: only our own page can say something else.
    """
    said = _fields(await body_of(request, _LARGEST))
    link = _link(request, service, Purpose.UNSUBSCRIBE)
    if link is None:
        return unknown(request)
    action, now = said.get("action", [""])[-1], service.clock.now()
    match action:
        case "return":
            found = await service.in_thread(link.come_back, now)
        case "choose":
            found = await service.in_thread(link.choose, said.get("shown", []), said.get("topic", []), now)
        case "leave":
            found = await service.in_thread(link.leave, now)
        case _:
            found = await service.in_thread(link.leave_topic, now)
    if found is None:
        return unknown(request)
    return _standing_page(request, service, found, action) if action else PlainTextResponse("unsubscribed\n")


async def view(request: Request, service: Service) -> Response:
    link = _link(request, service, Purpose.VIEW)
    found = None if link is None else await service.in_thread(link.viewed, service.signer)
    if found is None:
        return unknown(request)
    kind, text = found
    return message_page(text if kind == "html" else f"<!doctype html><pre>{escape(text)}</pre>")


def _link(request: Request, service: Service, purpose: Purpose) -> ReaderLink | None:
    """The link that was followed, where it is one of ours."""
    token = service.keys.opened(purpose, request.path_params["token"])
    return None if token is None else ReaderLink(service.store, service.project.project.topic_attributes, *token)


def _fields(body: bytes) -> Mapping[str, Sequence[str]]:
    """What a form says; nothing where it is none, or none of ours."""
    try:
        return parse_qs(body.decode("utf-8", "replace"), max_num_fields=_MOST_FIELDS)
    except ValueError:
        return {}


def _standing_page(request: Request, service: Service, found: Standing, action: str = "") -> Response:
    """How the contact stands now, after this action, and what they can do about it."""
    language = language_of(found.language, request.headers.get("accept-language", ""))
    words, address = WORDINGS[language], masked(found.address)
    show = partial(page, words.title, language=language, sender=found.sender)
    if found.has_left and not found.may_return:
        return show(words.stays_out)
    if found.has_left:
        return show(words.has_left.format(address=address), buttons=[Button("return", words.come_back)])
    boxes = _boxes(service.project.project, found, language)
    own = next((box for box in boxes if box.name == found.topic), None)
    match action:
        case "":
            text = (words.which if boxes else words.question).format(address=address)
        case "choose":
            text = words.is_saved
        case "return":
            text = words.is_back.format(address=address)
        case _:
            text = words.has_left_topic.format(topic="" if own is None else own.title, address=address)
    if not boxes:
        return show(text, buttons=[Button("leave", words.leave)])
    buttons = [Button("leave-topic", words.leave_topic.format(topic=own.title))] if own and own.is_ticked else []
    buttons.append(Button("leave", words.leave_all))
    return show(text, buttons=buttons, choice=Choice(words.choose, boxes, Button("choose", words.save)))


def _boxes(project: Project, found: Standing, language: str) -> list[Box]:
    """The topics, in the order in which they are found: the message's own is the first."""
    boxes = []
    for name in found.topics:
        topic = project.topics.get(name)
        title = name if topic is None else text_in(topic.title, language)
        description = "" if topic is None or topic.description is None else text_in(topic.description, language)
        boxes.append(Box(name, title, description, found.topics[name]))
    return boxes


def unknown(request: Request) -> Response:
    """The same answer for a link that nobody signed and for one whose message is gone."""
    language = language_of("", request.headers.get("accept-language", ""))
    words = WORDINGS[language]
    return page(words.unknown_title, words.unknown, language, status=404)


def masked(address: str) -> str:
    """
    An address that its owner knows again, and nobody else learns.

    >>> masked("ada@example.org")
    'a…@example.org'
    """
    name, at, domain = address.partition("@")
    return f"{name[:1]}…{at}{domain}" if at else "…"


_PAGE: Final = Reply("A page.", (Content(HTML),))
_GONE: Final = Reply("The link is not whole, or its message is gone.", (Content(HTML),))
_TOKEN: Final = {"token": "^[A-Za-z0-9_-]{36}$"}

OPERATIONS = (
    Operation(
        "GET", "/u/{token}", "ask_unsubscribe", "The page to unsubscribe on", ask, {200: _PAGE, 404: _GONE},
        tag="links", path_patterns=_TOKEN, description="Changes nothing, whoever follows the link.",
    ),
    Operation(
        "POST", "/u/{token}", "unsubscribe", "Unsubscribe, in one step (RFC 8058)", act,
        {200: Reply("It is on the disk: no message leaves any more.", (Content(HTML), Content(TEXT))), 404: _GONE},
        request=(Content(FORM),), tag="links", path_patterns=_TOKEN,
    ),
    Operation(
        "GET", "/v/{token}", "view", "A message in the browser", view, {200: _PAGE, 404: _GONE},
        tag="links", path_patterns=_TOKEN,
    ),
)  # fmt: skip
