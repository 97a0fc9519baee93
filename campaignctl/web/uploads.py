"""Requests that come in parts: created, filled in any order, and commenced."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from campaignctl.clock import utc_text
from campaignctl.contacts.request import rows_of_lines
from campaignctl.errors import RefusedError, StoreError
from campaignctl.incoming import Identity
from campaignctl.incoming import Request as TriggerRequest
from campaignctl.store.uploads import Upload
from campaignctl.triggering import answered_before, refuse_what_cannot_start
from campaignctl.uploading import (
    MOST_PARTS,
    IncomingPart,
    UnknownUploadError,
    begin,
    discard,
    known_upload,
    opened_parts,
    parts_of,
    pieces_of_parts,
)
from campaignctl.web.bodies import pieces_of
from campaignctl.web.documents import Document, Given
from campaignctl.web.operations import NDJSON, Content, Operation, Parameter, Reply
from campaignctl.web.problems import HttpProblem
from campaignctl.web.service import Service
from campaignctl.web.spooling import LARGEST_REQUEST, disk_told
from campaignctl.web.triggers import (
    NAME,
    PARAMETERS,
    REPLAYED,
    STARTED,
    Contact,
    actor_of,
    answered,
    asked_by,
    is_dry_run,
    key_of,
)


class UploadMade(Document):
    """Where the parts of a request go, and until when. The addresses begin at the service's own."""

    id: str
    campaign: str
    expires_at: str
    parts_url: str
    commence_url: str


class UploadedPart(Given):
    """A part that has come."""

    number: int
    size: int


class UploadState(Document):
    """What has come of an upload."""

    id: str
    campaign: str
    expires_at: str
    parts: list[UploadedPart]


class PartTaken(Document):
    """A part that has come whole; its SHA-256 tells whether it is what was sent."""

    number: int
    size: int
    sha256: str


async def create(request: Request, service: Service) -> Response:
    name, now = request.path_params["name"], service.clock.now()
    await service.in_thread(refuse_what_cannot_start, service.store, name, now)
    made = await service.in_thread(begin, service.store, name, actor=actor_of(request), now=now)
    here = f"/api/v1/campaigns/{name}/uploads/{made.id}"
    told = {"parts_url": f"{here}/parts/{{number}}", "commence_url": f"{here}/commence"}
    return JSONResponse(_about(name, made) | told, 201, {"Location": here})


async def show(request: Request, service: Service) -> Response:
    upload = await _upload(request, service)
    parts = await service.in_thread(parts_of, service.store, upload)
    told = {"parts": [{"number": part.number, "size": part.size} for part in parts]}
    return JSONResponse(_about(request.path_params["name"], upload) | told)


async def put_part(request: Request, service: Service) -> Response:
    """Take a part to its place; until it is whole, the one before stays there."""
    number = _whole_number(request.path_params["number"])
    upload = await _upload(request, service)
    others = [part.size for part in await service.in_thread(parts_of, service.store, upload) if part.number != number]
    with disk_told(), IncomingPart(service.store, upload, number) as part:
        async for piece in pieces_of(request, max(LARGEST_REQUEST - sum(others), 0)):
            await service.in_thread(part.write, piece)
        try:
            digest = await service.in_thread(part.keep)
        except UnknownUploadError as failure:
            raise _not_found(failure) from failure
        return JSONResponse({"version": 1, "number": number, "size": part.size, "sha256": digest})


async def commence(request: Request, service: Service) -> Response:
    """Start the campaign with all parts."""
    is_trial, key = is_dry_run(request), key_of(request)
    upload_id = request.path_params["id"]
    # An upload has no body of its own: it is the same request where it is the same upload.
    identity = None if key is None or is_trial else Identity(key, sha256(f"upload {upload_id}".encode()).hexdigest())
    asked = asked_by(request, service, lambda: (), identity)
    expected = request.query_params.get("parts")
    number = None if expected is None else _whole_number(expected)
    return await service.at_length(_commenced, service, asked, upload_id, number, is_trial=is_trial)


def _commenced(
    service: Service, asked: TriggerRequest, upload_id: str, expected: int | None, *, is_trial: bool
) -> Response:
    store, now = service.store, service.clock.now
    try:
        upload = known_upload(store, asked.campaign, upload_id, now())
        with opened_parts(store, upload, expected) as parts:
            with_rows = replace(asked, rows=lambda: rows_of_lines(pieces_of_parts(parts)))
            answer = answered(service, with_rows, is_trial=is_trial)
    except UnknownUploadError as failure:
        # It is gone when it has done its work.
        before = answered_before(store, asked.campaign, asked.identity, now())
        if before is None:
            raise _not_found(failure) from failure
        return JSONResponse(before.answer, 202, REPLAYED)
    if answer.status_code == 202:
        with suppress(StoreError):  # it has started, and the upload expires in any case
            discard(store, upload_id)
    return answer


async def delete(request: Request, service: Service) -> Response:
    upload = await _upload(request, service)
    await service.in_thread(discard, service.store, upload.id)
    return Response(status_code=204)


async def _upload(request: Request, service: Service) -> Upload:
    name, upload_id = request.path_params["name"], request.path_params["id"]
    try:
        return await service.in_thread(known_upload, service.store, name, upload_id, service.clock.now())
    except UnknownUploadError as failure:
        raise _not_found(failure) from failure


def _about(name: str, upload: Upload) -> dict[str, object]:
    return {"version": 1, "id": upload.id, "campaign": name, "expires_at": utc_text(upload.expires_at)}


def _whole_number(text: str) -> int:
    if text.isascii() and text.isdecimal() and len(text) <= len(str(MOST_PARTS)) and 1 <= int(text) <= MOST_PARTS:
        return int(text)
    raise HttpProblem(400, "H142", f"parts have the numbers 1 to {MOST_PARTS}", "send fewer and larger parts")


def _not_found(failure: RefusedError) -> HttpProblem:
    return HttpProblem(404, failure.code, failure.message, failure.hint)


_NUMBER: Final = "^([1-9][0-9]{0,2}|1000)$"
_PATTERNS: Final = {**NAME, "id": "^[0-9a-f]{32}$", "number": _NUMBER}
_PLACE: Final = "/api/v1/campaigns/{name}/uploads"

OPERATIONS = (
    Operation(
        "POST", _PLACE, "create_upload", "Begin a request that comes in parts", create,
        {201: Reply("Parts may come.", (Content(model=UploadMade),)), 409: STARTED[409]},
        scope="trigger:{name}", tag="campaigns", path_patterns=_PATTERNS,
        description="What is not commenced within a day is thrown away.",
    ),
    Operation(
        "GET", _PLACE + "/{id}", "upload", "What has come of an upload", show,
        {200: Reply("Its parts.", (Content(model=UploadState),))},
        scope="trigger:{name}", tag="campaigns", path_patterns=_PATTERNS,
    ),
    Operation(
        "PUT", _PLACE + "/{id}/parts/{number}", "put_part", "Send a part, or send it again", put_part,
        {200: Reply("It has come.", (Content(model=PartTaken),))},
        scope="trigger:{name}", request=(Content(NDJSON, Contact),), tag="campaigns", path_patterns=_PATTERNS,
        description="Parts come in any order, and are put together in the order of their numbers; a line may begin in "
        "one and end in the next. A part that comes again takes the place of the one before.",
    ),
    Operation(
        "POST", _PLACE + "/{id}/commence", "commence_upload", "Start the campaign with all parts", commence, STARTED,
        scope="trigger:{name}", tag="campaigns", path_patterns=_PATTERNS,
        parameters=(
            *PARAMETERS,
            Parameter("parts", "How many there are, so that the last one is not missed.", "query", pattern=_NUMBER),
        ),
        description="The same rules as for a request that comes at once.",
    ),
    Operation(
        "DELETE", _PLACE + "/{id}", "delete_upload", "Throw an upload away", delete, {204: Reply("It is gone.")},
        scope="trigger:{name}", tag="campaigns", path_patterns=_PATTERNS,
    ),
)  # fmt: skip
