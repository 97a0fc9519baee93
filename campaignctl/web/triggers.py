"""Starting campaigns by a request."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from typing import IO, Any, Final

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from campaignctl.triggering import OtherBodyError, RowsRefusedError, as_json, trigger
from campaignctl.triggering import Request as TriggerRequest
from campaignctl.web.bodies import json_of, media_of, pieces_of
from campaignctl.web.documents import Error, Given, Problem
from campaignctl.web.operations import JSON, NDJSON, Content, Operation, Parameter, Reply
from campaignctl.web.problems import HttpProblem
from campaignctl.web.service import Service

LARGEST_REQUEST: Final = 2 * 1024**3
_PIECE: Final = 256 * 1024
_LONGEST_KEY: Final = 200


class Contact(Given):
    """A contact that takes part: its key in the list, its attributes, and what is said of it in this campaign only."""

    id: str | int
    properties: dict[str, Any] = Field({})
    data: dict[str, Any] = Field({})


class Contacts(Given):
    """All contacts of a request, where they are few."""

    contacts: list[Contact] = Field(min_length=1)


class StartedStep(Given):
    """When a step runs."""

    id: str
    at: str | None
    effective_at: str | None


class StartedCampaign(Given):
    """What the request started; `version` is the campaign's."""

    campaign: str
    version: int
    state: str
    members: int
    not_in_project_segment: int
    contacts_added: int
    contacts_changed: int
    steps: list[StartedStep]


class RejectedContact(Given):
    """A row that cannot be taken."""

    line: int
    id: str
    reason: str
    detail: str


class RejectedContacts(Given):
    """Why nothing was started: the first hundred rows that cannot be taken, where it is because of some."""

    version: int
    error: Error
    rejected: list[RejectedContact] = Field([])
    rejected_count: int = Field(0)


async def start(request: Request, service: Service) -> Response:
    key = request.headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= _LONGEST_KEY:
        raise HttpProblem(400, "H120", "the idempotency key is too long, or empty", f"use up to {_LONGEST_KEY} letters")
    # On the disk of the store there has to be room for the contacts anyway.
    with tempfile.TemporaryFile(dir=service.project.folder) as file:
        await _take_in(request, service, file)
        who, topics = f"token {request.state.token.id}", service.project.project.topic_attributes
        asked = TriggerRequest(request.path_params["name"], _pieces(file), who, key, topics)
        try:
            done = await service.in_thread(trigger, service.store, asked, service.clock.now)
        except RowsRefusedError as failure:
            told = {"code": failure.code, "message": failure.message, "hint": failure.hint}
            rows = [as_json(row) for row in failure.rows]
            return JSONResponse(
                {"version": 1, "error": told, "rejected": rows, "rejected_count": failure.count}, status_code=422
            )
        except OtherBodyError as failure:
            raise HttpProblem(422, failure.code, failure.message, failure.hint) from failure
    return JSONResponse(done.answer, 202, {} if done.is_new else {"Idempotent-Replayed": "true"})


async def _take_in(request: Request, service: Service, file: IO[bytes]) -> None:
    """Put the rows of the body into *file*, a line each."""
    match media_of(request):
        case "application/x-ndjson":
            async for piece in pieces_of(request, LARGEST_REQUEST):
                await service.in_thread(file.write, piece)
        case "application/json":
            given = await json_of(request)
            if not isinstance(given, dict) or set(given) != {"contacts"} or not isinstance(given["contacts"], list):
                raise HttpProblem(
                    422, "H121", 'the document is not `{"contacts": […]}`', "send so, or a line each as NDJSON"
                )
            for contact in given["contacts"]:
                file.write(json.dumps(contact).encode() + b"\n")
        case _:
            raise HttpProblem(
                415, "H122", "contacts come as JSON or NDJSON", f"send `Content-Type: {NDJSON}`, an object a line"
            )
    file.seek(0)


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(_PIECE):
        yield piece


_PROBLEM: Final = (Content(model=Problem),)

OPERATIONS = (
    Operation(
        "POST",
        "/api/v1/campaigns/{name}/trigger",
        "trigger",
        "Start a campaign with these contacts",
        start,
        {
            202: Reply(
                "Started; the same request with the same key gets the same answer again.",
                (Content(model=StartedCampaign),),
            ),
            409: Reply("It is not the moment, or the campaign was started already.", _PROBLEM),
            415: Reply("The body is of another kind.", _PROBLEM),
            422: Reply("Rows cannot be taken, so nothing was started.", (Content(model=RejectedContacts),)),
        },
        scope="trigger:{name}",
        request=(Content(NDJSON, Contact), Content(JSON, Contacts)),
        parameters=(Parameter("Idempotency-Key", "What the asker calls this request.", longest=_LONGEST_KEY),),
        tag="campaigns",
        description="All contacts take part, or nothing is started. A campaign starts once.",
        path_patterns={"name": "^[a-z0-9][a-z0-9-]{0,62}$"},
    ),
)
