"""Whether the service is alive, and whether it can work."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from campaignctl.web.documents import Document
from campaignctl.web.operations import Content, Operation, Reply
from campaignctl.web.service import Service


class Health(Document):
    """That all is well."""

    ok: bool


async def alive(_request: Request, _service: Service) -> Response:
    return JSONResponse({"version": 1, "ok": True})


async def ready(_request: Request, service: Service) -> Response:
    await service.in_thread(_look, service)
    return JSONResponse({"version": 1, "ok": True})


def _look(service: Service) -> None:
    with service.store.reading() as ledger:
        ledger.signing_keys()


_WELL = {200: Reply("All is well.", (Content(model=Health),))}

OPERATIONS = (
    Operation("GET", "/healthz", "alive", "Whether the service runs", alive, _WELL, tag="health"),
    Operation("GET", "/readyz", "ready", "Whether the store can be read", ready, _WELL, tag="health"),
)
