"""Send gates: the other system fetches whom it is asked about, and answers."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import AsyncIterator, Mapping
from typing import IO, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from campaignctl.answering import Answered, GateClosedError, answer, open_gate
from campaignctl.message.links import Purpose
from campaignctl.ports import Candidate, Cohort
from campaignctl.web.bodies import pieces_of
from campaignctl.web.documents import Document, Given, Problem
from campaignctl.web.operations import NDJSON, Content, Operation, Reply
from campaignctl.web.problems import HttpProblem, not_found
from campaignctl.web.service import Service

_ROWS_AT_ONCE: Final = 2000
_LARGEST_ANSWER: Final = 1024 * 1024 * 1024
_KEPT_IN_MEMORY: Final = 1024 * 1024


class GateContactLine(BaseModel):
    """A contact that the gate is about."""

    model_config = ConfigDict(extra="forbid")

    id: str
    email: str | None
    phone: str | None
    attributes: dict[str, Any]
    data: dict[str, Any]
    properties: dict[str, Any]


class AnswerLine(Given):
    """What the other system says about a contact. Contacts that are not named pass unchanged."""

    id: str = Field(min_length=1)
    reject: bool = False
    properties: dict[str, Any] | None = None


class GateAnswer(Document):
    """What an answer came to."""

    version: Literal[1] = 1
    campaign: str
    step: str
    contacts: int
    rejected: int
    changed: int


async def contacts(request: Request, service: Service) -> Response:
    gate_id = _gate_of(request, service)
    cohort = await service.in_thread(_cohort_of, service, gate_id)
    return StreamingResponse(_lines(service, cohort), media_type=NDJSON)


def _cohort_of(service: Service, gate_id: int) -> Cohort:
    with service.store.reading() as ledger:
        try:
            return ledger.gate_cohort(open_gate(ledger, gate_id, service.clock.now()))
        except LookupError:
            raise not_found() from None
        except GateClosedError as failure:
            raise _gone(failure) from failure


async def _lines(service: Service, cohort: Cohort) -> AsyncIterator[bytes]:
    """A contact a line; the store is not kept busy while the other side reads."""
    after = 0
    while some := await service.in_thread(_next_contacts, service, cohort, after):
        yield "".join(_line(cohort, each) for each in some).encode()
        after = some[-1].contact_id


def _next_contacts(service: Service, cohort: Cohort, after: int) -> list[Candidate]:
    with service.store.reading() as ledger:
        return ledger.gate_candidates(cohort, after, _ROWS_AT_ONCE)


def _line(cohort: Cohort, contact: Candidate) -> str:
    phone = cohort.version.content.contacts.phone
    number = contact.values.get(phone) if phone else None
    said: Mapping[str, object] = {
        "id": contact.contact_key,
        "email": contact.address,
        "phone": None if number is None else str(number),
        "attributes": contact.values,
        "data": contact.data,
        "properties": contact.gate,
    }
    return json.dumps(said, default=str) + "\n"


async def finish(request: Request, service: Service) -> Response:
    gate_id = _gate_of(request, service)
    digest = hashlib.sha256()
    with tempfile.SpooledTemporaryFile(max_size=_KEPT_IN_MEMORY) as body:
        async for piece in pieces_of(request, _LARGEST_ANSWER):
            digest.update(piece)
            await service.in_thread(body.write, piece)
        done = await service.at_length(_answer, service, gate_id, body, digest.hexdigest())
    return JSONResponse({"version": 1, **vars(done)})


def _answer(service: Service, gate_id: int, body: IO[bytes], digest: str) -> Answered:
    body.seek(0)
    try:
        return answer(service.store, gate_id, body, digest, service.clock.now())
    except LookupError:
        raise not_found() from None
    except GateClosedError as failure:
        raise _gone(failure) from failure


def _gate_of(request: Request, service: Service) -> int:
    """The number of the gate that the link is for; what is no such link is not told from one that never was."""
    found = service.keys.opened(Purpose.GATE, request.path_params["token"])
    if found is None:
        raise not_found()
    return found[1]


def _gone(failure: GateClosedError) -> HttpProblem:
    return HttpProblem(410, failure.code, failure.message, failure.hint)


_PROBLEM = (Content(model=Problem),)
_GONE = Reply("The gate is closed: its time is over, or its campaign was stopped.", _PROBLEM)
_TOKEN = {"token": "^[A-Za-z0-9_-]{36}$"}

OPERATIONS = (
    Operation(
        "GET", "/gates/{token}/contacts", "gate_contacts", "The contacts that a send gate is about", contacts,
        {200: Reply("A contact a line.", (Content(NDJSON, GateContactLine),)), 410: _GONE},
        tag="gates", path_patterns=_TOKEN,
    ),
    Operation(
        "POST", "/gates/{token}/finish", "finish_gate", "The answer at a send gate", finish,
        {
            200: Reply("It was taken, now or before.", (Content(model=GateAnswer),)),
            409: Reply("Another answer, or a person, has decided.", _PROBLEM),
            410: _GONE,
            422: Reply("A line is wrong, and nothing was changed.", _PROBLEM),
        },
        request=(Content(NDJSON, AnswerLine),), tag="gates", path_patterns=_TOKEN,
        description="All of it counts, or nothing. The same answer again comes to the same.",
    ),
)  # fmt: skip
