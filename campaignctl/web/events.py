"""`POST /api/v1/events`: what a shop or any other system tells that contacts did."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Final, Literal

from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from campaignctl.contacts.event_file import EventReport, RejectedLine, bring_in, event_rows
from campaignctl.contacts.request import lines_of
from campaignctl.store.events import EventOutcome
from campaignctl.web.bodies import json_of, media_of, pieces_of
from campaignctl.web.documents import Document, Error, Given, Problem
from campaignctl.web.operations import JSON, NDJSON, Content, Operation, Reply
from campaignctl.web.problems import HttpProblem
from campaignctl.web.service import Service
from campaignctl.web.spooling import LARGEST_REQUEST, pieces_from, spool
from campaignctl.wiring import event_reader

_SHOWN: Final = 100


class Event(Given):
    """
    One thing that happened, with a message or after it.

    The message is named by `token` (the value of the link parameter), by `mark`
    (of its header), or by `campaign`, `step` and `contact`. A conversion has an
    `id` of its own, and may name its `contact` alone.
    """

    event: Literal["open", "click", "bounce", "complaint", "unsubscribe", "conversion"]
    at: str = Field(examples=["2026-12-01T09:30Z"])
    token: str = Field("")
    mark: str = Field("")
    campaign: str = Field("")
    step: str = Field("")
    contact: str | int = Field("")
    list: str = Field("")
    id: str | int = Field("")
    value: float | str | None = Field(None)
    currency: str | None = Field(None, examples=["EUR"])
    url: str = Field("")
    machine: bool = Field(False)
    hard: bool = Field(False)


class Events(Given):
    """All events of a request, where they are few."""

    events: list[Event] = Field(min_length=1)


class RejectedEvent(Given):
    """A line that is no event: why, and what to do."""

    line: int
    reason: str
    hint: str


class ToldEvents(Document):
    """
    What came of the events of a request.

    `known` were told before. Those that are `unmatched` belong to no message
    and no contact here; `unmatched_lines` are the first hundred of them.
    """

    read: int
    added: int
    known: int
    unmatched: int
    unmatched_lines: list[int]
    newly_suppressed: int
    rejected: list[RejectedEvent]
    rejected_count: int


class RejectedEvents(Document):
    """Nothing was taken: why, and the first hundred lines that are no events, where it is because of these."""

    error: Error
    rejected: list[RejectedEvent] = Field([])
    rejected_count: int = Field(0)


class _Rejected:
    """Lines that are no events: all counted, and the first of them kept."""

    def __init__(self) -> None:
        self.count = 0
        self.rows: list[dict[str, object]] = []

    def add(self, line: RejectedLine) -> None:
        self.count += 1
        if len(self.rows) < _SHOWN:
            self.rows.append(line._asdict())


async def tell_events(request: Request, service: Service) -> Response:
    rejected = _Rejected()
    with spool(service.store) as file:
        await _take_in(request, service, file)
        report = await service.at_length(_brought, service, file, rejected)
    told = {"rejected": rejected.rows, "rejected_count": rejected.count}
    if rejected.count and not report.read:
        error = {
            "code": "H157", "message": f"no line is an event: {rejected.rows[0]['reason']}",
            "hint": str(rejected.rows[0]["hint"]),
        }  # fmt: skip
        return JSONResponse({"version": 1, "error": error, **told}, 422)
    known = report.outcomes[EventOutcome.KNOWN]
    return JSONResponse(
        {
            "version": 1,
            "read": report.read,
            "added": report.added,
            "known": known,
            "unmatched": report.read - report.added - known,
            "unmatched_lines": list(report.lost_lines),
            "newly_suppressed": report.newly_suppressed,
            **told,
        }
    )


def _brought(service: Service, file: IO[bytes], rejected: _Rejected) -> EventReport:
    reader = event_reader(service.project, service.store, service.keys)
    rows = event_rows(_lines(file), reader, rejected.add)
    return bring_in(service.store, rows, service.clock.now(), country=reader.country)


def _lines(file: IO[bytes]) -> Iterator[str]:
    for line in lines_of(pieces_from(file)):
        # What is not UTF-8 becomes halves of characters, which no value may hold.
        yield line.decode("utf-8", "surrogateescape")


async def _take_in(request: Request, service: Service, file: IO[bytes]) -> None:
    """Put the events of the body into *file*, a line each."""
    match media_of(request):
        case "application/x-ndjson":
            async for piece in pieces_of(request, LARGEST_REQUEST):
                await service.in_thread(file.write, piece)
        case "application/json":
            given = await json_of(request)
            if not isinstance(given, dict) or set(given) != {"events"} or not isinstance(given["events"], list):
                raise HttpProblem(
                    422, "H155", 'the document is not `{"events": […]}`', "send so, or a line each as NDJSON"
                )
            for event in given["events"]:
                file.write(json.dumps(event).encode() + b"\n")
        case _:
            raise HttpProblem(
                415, "H156", "events come as JSON or NDJSON", f"send `Content-Type: {NDJSON}`, an object a line"
            )


OPERATIONS = (
    Operation(
        "POST",
        "/api/v1/events",
        "tell_events",
        "Tell what contacts did",
        tell_events,
        {
            200: Reply("What came of them.", (Content(model=ToldEvents),)),
            415: Reply("The body is of another kind.", (Content(model=Problem),)),
            422: Reply("No line is an event, so nothing was taken.", (Content(model=RejectedEvents),)),
        },
        scope="events",
        request=(Content(NDJSON, Event), Content(JSON, Events)),
        tag="events",
        description="Every event counts once, however often it is told. Lines that are no events are left out.",
    ),
)
