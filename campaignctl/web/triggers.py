"""Starting campaigns by a request: with its contacts, or with the address at which they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from pydantic import Field, RootModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from campaignctl.contacts.records import Record
from campaignctl.contacts.request import rows_of_document, rows_of_lines
from campaignctl.incoming import Identity, RowsRefusedError
from campaignctl.incoming import Request as TriggerRequest
from campaignctl.triggering import answered_before, as_json, trigger, try_out
from campaignctl.web.bodies import body_of, media_of, parsed_json, pieces_of
from campaignctl.web.documents import Error, Given, Problem
from campaignctl.web.operations import JSON, NDJSON, Content, Operation, Parameter, Reply
from campaignctl.web.problems import HttpProblem
from campaignctl.web.service import Service
from campaignctl.web.spooling import LARGEST_REQUEST, pieces_from, spool

_LONGEST_KEY: Final = 200
_LONGEST_URL: Final = 2000


class Contact(Given):
    """A contact that takes part: its key in the list, its attributes, and what is said of it in this campaign only."""

    id: str | int
    properties: dict[str, Any] = Field({})
    data: dict[str, Any] = Field({})


class Contacts(Given):
    """All contacts of a request, where they are few."""

    contacts: list[Contact] = Field(min_length=1)


class Reference(Given):
    """Where the contacts of a request are, an object a line."""

    download_url: str = Field(min_length=1, max_length=_LONGEST_URL)


class ContactsOrReference(RootModel[Contacts | Reference]):
    """The contacts of a request, or where they are."""


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


class TriedCampaign(StartedCampaign):
    """What the request would start. Nothing was changed."""

    dry_run: bool
    would_start: bool
    rows: int
    accepted: int
    rejected_count: int
    rejected_by_reason: dict[str, int]
    rejected: list[RejectedContact]


@dataclass(frozen=True)
class _Body:
    """What a request carries: its rows or where they are, and the SHA-256 of all of it."""

    sha256: str
    rows: Callable[[], Iterable[Record]] | None = None
    url: str = ""


async def start(request: Request, service: Service) -> Response:
    name, key, is_trial = request.path_params["name"], key_of(request), is_dry_run(request)
    async with _taken_in(request, service) as body:
        identity = None if key is None or is_trial else Identity(key, body.sha256)
        if body.rows is not None:
            asked = asked_by(request, service, body.rows, identity)
            return await service.at_length(answered, service, asked, is_trial=is_trial)
        # What was answered before is not fetched again, and what cannot start not at all.
        before = await service.in_thread(answered_before, service.store, name, identity, service.clock.now())
        if before is not None:
            return JSONResponse(before.answer, 202, REPLAYED)
        with spool(service.store) as file:
            await service.downloads.fetch(body.url, file)
            asked = asked_by(request, service, lambda: rows_of_lines(pieces_from(file)), identity)
            return await service.at_length(answered, service, asked, is_trial=is_trial)


def asked_by(
    request: Request, service: Service, rows: Callable[[], Iterable[Record]], identity: Identity | None
) -> TriggerRequest:
    """What asks for the start of the campaign that the path names."""
    topics = service.project.project.topic_attributes
    return TriggerRequest(request.path_params["name"], rows, actor_of(request), identity, topics)


def answered(service: Service, asked: TriggerRequest, *, is_trial: bool) -> Response:
    """Start the campaign, or only say what that would come to."""
    try:
        if is_trial:
            return JSONResponse(try_out(service.store, asked, service.clock.now).answer)
        done = trigger(service.store, asked, service.clock.now)
    except RowsRefusedError as failure:
        told = {"code": failure.code, "message": failure.message, "hint": failure.hint}
        rows = [as_json(row) for row in failure.rows]
        return JSONResponse(
            {"version": 1, "error": told, "rejected": rows, "rejected_count": failure.count}, status_code=422
        )
    return JSONResponse(done.answer, 202, {} if done.is_new else REPLAYED)


@asynccontextmanager
async def _taken_in(request: Request, service: Service) -> AsyncIterator[_Body]:
    """The body, as long as the block lasts."""
    match media_of(request):
        case "application/x-ndjson":
            digest = sha256()
            with spool(service.store) as file:
                async for piece in pieces_of(request, LARGEST_REQUEST):
                    digest.update(piece)
                    await service.in_thread(file.write, piece)
                yield _Body(digest.hexdigest(), lambda: rows_of_lines(pieces_from(file)))
        case "application/json":
            content = await body_of(request)
            yield _document(parsed_json(content), sha256(content).hexdigest())
        case _:
            raise HttpProblem(
                415, "H122", "contacts come as JSON or NDJSON", f"send `Content-Type: {NDJSON}`, an object a line"
            )


def _document(given: object, digest: str) -> _Body:
    match given:
        case {"contacts": list(contacts), **more} if not more:
            return _Body(digest, lambda: rows_of_document(contacts))
        case {"download_url": str(url), **more} if not more and len(url) <= _LONGEST_URL:
            return _Body(digest, url=url)
        case _:
            raise HttpProblem(
                422, "H121", 'the document is neither `{"contacts": […]}` nor `{"download_url": "https://…"}`',
                "send one of them, or a line each as NDJSON",
            )  # fmt: skip


def key_of(request: Request) -> str | None:
    """
    What the asker calls the request.

    Raises:
        HttpProblem: it is no such name.
    """
    key = request.headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= _LONGEST_KEY:
        raise HttpProblem(400, "H120", "the idempotency key is too long, or empty", f"use up to {_LONGEST_KEY} letters")
    return key


def is_dry_run(request: Request) -> bool:
    """
    Whether the asker only wants to know what would happen.

    Raises:
        HttpProblem: it is not clear.
    """
    said = request.query_params.get("dry_run", "false")
    if said not in ("true", "false"):
        raise HttpProblem(400, "H140", "`dry_run` is neither true nor false", "write `?dry_run=true`, or leave it out")
    return said == "true"


def actor_of(request: Request) -> str:
    return f"token {request.state.token.id}"


PROBLEM: Final = (Content(model=Problem),)
NAME: Final[Mapping[str, str]] = {"name": "^[a-z0-9][a-z0-9-]{0,62}$"}
STARTED: Final[Mapping[int, Reply]] = {
    200: Reply("What would be started, where `dry_run` is true.", (Content(model=TriedCampaign),)),
    202: Reply(
        "Started; the same request with the same key gets the same answer again.", (Content(model=StartedCampaign),)
    ),
    409: Reply("It is not the moment, or the campaign was started already.", PROBLEM),
    422: Reply("Contacts cannot be taken or not be had, so nothing was started.", (Content(model=RejectedContacts),)),
}
PARAMETERS: Final = (
    Parameter("Idempotency-Key", "What the asker calls this request.", longest=_LONGEST_KEY),
    Parameter("dry_run", "Say what would be started, and change nothing.", "query", one_of=("true", "false")),
)
REPLAYED: Final = {"Idempotent-Replayed": "true"}

OPERATIONS = (
    Operation(
        "POST",
        "/api/v1/campaigns/{name}/trigger",
        "trigger",
        "Start a campaign with these contacts",
        start,
        {**STARTED, 415: Reply("The body is of another kind.", PROBLEM)},
        scope="trigger:{name}",
        request=(Content(NDJSON, Contact), Content(JSON, ContactsOrReference)),
        parameters=PARAMETERS,
        tag="campaigns",
        description="All contacts take part, or nothing is started. A campaign starts once.",
        path_patterns=NAME,
    ),
)
