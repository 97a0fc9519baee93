"""The links of a message that belong to its reader: the way out, and the message in a browser."""

from __future__ import annotations

from html import escape
from typing import Final
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from campaignctl.leaving import Standing, come_back, leave, standing, viewed
from campaignctl.message.links import Purpose
from campaignctl.web.bodies import body_of
from campaignctl.web.operations import FORM, HTML, TEXT, Content, Operation, Reply
from campaignctl.web.pages import message_page, page
from campaignctl.web.service import Service
from campaignctl.web.wording import WORDINGS, language_of

_LARGEST: Final = 64 * 1024


async def ask(request: Request, service: Service) -> Response:
    """A page with a question: following a link changes nothing, whoever follows it."""
    token = service.keys.opened(Purpose.UNSUBSCRIBE, request.path_params["token"])
    found = None if token is None else await service.in_thread(standing, service.store, *token)
    return unknown(request) if found is None else _standing_page(request, found)


async def act(request: Request, service: Service) -> Response:
    """
    Unsubscribe, at once and without a question (RFC 8058); or, by the button of the page, subscribe again.

    Whatever a mail program sends, it means to unsubscribe: only our own page can say something else.
    """
    body = await body_of(request, _LARGEST)
    action = parse_qs(body.decode("utf-8", "replace"), max_num_fields=20).get("action", [""])[-1]
    token = service.keys.opened(Purpose.UNSUBSCRIBE, request.path_params["token"])
    if token is None:
        return unknown(request)
    change = come_back if action == "return" else leave
    found = await service.in_thread(change, service.store, *token, service.clock.now())
    if found is None:
        return unknown(request)
    return _standing_page(request, found, has_acted=True) if action else PlainTextResponse("unsubscribed\n")


async def view(request: Request, service: Service) -> Response:
    token = service.keys.opened(Purpose.VIEW, request.path_params["token"])
    found = None if token is None else await service.in_thread(viewed, service.store, service.signer, *token)
    if found is None:
        return unknown(request)
    kind, text = found
    return message_page(text if kind == "html" else f"<!doctype html><pre>{escape(text)}</pre>")


def _standing_page(request: Request, found: Standing, *, has_acted: bool = False) -> Response:
    language = language_of(found.language, request.headers.get("accept-language", ""))
    words, address = WORDINGS[language], masked(found.address)
    if not found.has_left:
        text = words.is_back if has_acted else words.question
        return page(
            words.title, text.format(address=address), language, sender=found.sender, action="leave", label=words.leave
        )
    if found.may_return:
        return page(
            words.title, words.has_left.format(address=address), language, sender=found.sender, action="return",
            label=words.come_back,
        )  # fmt: skip
    return page(words.title, words.stays_out, language, sender=found.sender)


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
