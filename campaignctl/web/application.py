"""The application: every operation of the service, behind its door."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from campaignctl.errors import CampaignctlError
from campaignctl.web import (
    events,
    gates,
    health,
    metrics,
    provider_events,
    tracking,
    triggers,
    unsubscribing,
    uploads,
)
from campaignctl.web.access import Door
from campaignctl.web.operations import Operation
from campaignctl.web.problems import HttpProblem, not_found, problem_answer
from campaignctl.web.service import Service

# Every subject of the service.
OPERATIONS: Final[tuple[Operation, ...]] = (
    *events.OPERATIONS,
    *gates.OPERATIONS,
    *health.OPERATIONS,
    *metrics.OPERATIONS,
    *provider_events.OPERATIONS,
    *tracking.OPERATIONS,
    *triggers.OPERATIONS,
    *unsubscribing.OPERATIONS,
    *uploads.OPERATIONS,
)

# What holds for every answer. Pages of ours say for themselves what they may show.
_HEADERS: Final = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}


def application(service: Service, operations: Sequence[Operation] = OPERATIONS) -> Starlette:
    """The service as an ASGI application."""
    door = Door()
    return Starlette(
        routes=[_route(operation, service, door) for operation in operations],
        middleware=[Middleware(_Headers)],
        exception_handlers={CampaignctlError: problem_answer, HTTPException: _unknown},
    )


def _route(operation: Operation, service: Service, door: Door) -> Route:
    return Route(operation.path, _endpoint(operation, service, door), methods=[operation.method], name=operation.name)


def _endpoint(operation: Operation, service: Service, door: Door) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        request.state.token = await door.let_in(request, operation, service)
        return await operation.handle(request, service)

    return endpoint


def _unknown(request: Request, failure: Exception) -> Response:
    """No operation has this path or this method."""
    if isinstance(failure, HTTPException) and failure.status_code == 405:
        told = HttpProblem(405, "H110", f"`{request.method}` is not for this", "see `schemas/openapi.json`")
        told.headers.update(failure.headers or {})
        return problem_answer(request, told)
    return problem_answer(request, not_found())


class _Headers:
    """Adds to every answer what it does not say itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                missing = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
                message["headers"] = [*message["headers"], *(each for each in missing if each[0] not in given)]
            await send(message)

        await self._app(scope, receive, told)
