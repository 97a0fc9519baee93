"""What messages ask for: the hidden image, and the links that count."""

from __future__ import annotations

from base64 import b64decode
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from campaignctl.message.links import Purpose
from campaignctl.store.events import EventKind
from campaignctl.store.hits import SeenHit
from campaignctl.web.operations import HTML, Content, Operation, Reply
from campaignctl.web.service import Service
from campaignctl.web.unsubscribing import unknown

_PIXEL: Final = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")


async def opened(request: Request, service: Service) -> Response:
    found = service.keys.opened(Purpose.OPEN, request.path_params["token"])
    if found is not None:
        _note(request, service, EventKind.OPEN, *found)
    return Response(_PIXEL, media_type="image/gif")


async def clicked(request: Request, service: Service) -> Response:
    found = service.keys.opened_click(request.path_params["token"])
    if found is None:
        return unknown(request)
    step_id, contact_id, number = found
    url = service.known_links.get((step_id, number))
    if url is None:
        url = await service.in_thread(_looked_up, service, step_id, number)
    if url is None:
        return unknown(request)
    _note(request, service, EventKind.CLICK, step_id, contact_id, number, url)
    if service.landing.is_for(url):
        url = service.landing.with_token(url, service.signer.token(Purpose.CONVERSION, step_id, contact_id))
    return RedirectResponse(url, 302)


def _note(
    request: Request, service: Service, kind: EventKind, step_id: int, contact_id: int,
    link: int | None = None, url: str = "",
) -> None:  # fmt: skip
    agent = request.headers.get("user-agent", "")
    service.writer.note(SeenHit(kind, step_id, contact_id, service.clock.now(), request.method, agent, link, url))


def _looked_up(service: Service, step_id: int, number: int) -> str | None:
    with service.store.reading() as ledger:
        found = ledger.links_of(step_id)
    service.known_links.update({(step_id, each): url for each, url in found.items()})
    return found.get(number)


_PAGE: Final = (Content(HTML),)
_NOWHERE: Final = Reply("Nobody made this link, or what it led to is gone.", _PAGE)

OPERATIONS = (
    Operation(
        "GET", "/o/{token}", "opened", "The hidden image of a message", opened,
        {200: Reply("An image of one pixel, whatever the token.", (Content("image/gif"),))}, tag="links",
    ),
    Operation(
        "GET", "/c/{token}", "clicked", "A counted link of a message", clicked,
        {302: Reply("To where the link leads, as it was published."), 404: _NOWHERE}, tag="links",
    ),
)  # fmt: skip
