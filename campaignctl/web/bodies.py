"""Reading what a request carries: never more than may be, and never for longer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qsl

import anyio
from starlette.requests import ClientDisconnect, Request

from campaignctl.web.problems import HttpProblem

LARGEST_BODY: Final = 5 * 1024 * 1024
_LONGEST: Final = timedelta(seconds=30)
# A stream may take its time, as long as something of it comes.
_LONGEST_SILENCE: Final = timedelta(seconds=30)
_MOST_FIELDS: Final = 100


async def body_of(request: Request, largest: int = LARGEST_BODY) -> bytes:
    """
    The whole body.

    Raises:
        HttpProblem: it is too large, or did not come in time.
    """
    pieces: list[bytes] = []
    with anyio.move_on_after(_LONGEST.total_seconds()):
        async for piece in pieces_of(request, largest):
            pieces.append(piece)  # what came before the time is over is kept
        return b"".join(pieces)
    raise _too_slow()


async def pieces_of(request: Request, largest: int) -> AsyncIterator[bytes]:
    """
    The body as it comes, of at most *largest* bytes.

    Raises:
        HttpProblem: there is more, or nothing comes for a while, or the other side went away.
    """
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > largest:
        raise _too_large(largest)
    seen = 0
    stream = request.stream()
    while True:
        piece = None
        with anyio.move_on_after(_LONGEST_SILENCE.total_seconds()):
            try:
                piece = await anext(stream, b"")
            except ClientDisconnect as failure:
                raise HttpProblem(400, "H105", "the request ended early", "send it again") from failure
            if piece == b"":
                return
        if piece is None:
            raise _too_slow()
        seen += len(piece)
        if seen > largest:
            raise _too_large(largest)
        yield piece


async def json_of(request: Request, largest: int = LARGEST_BODY) -> Any:
    """
    The body as JSON.

    Raises:
        HttpProblem: it is none.
    """
    return parsed_json(await body_of(request, largest))


def parsed_json(content: bytes) -> Any:
    """
    What *content* says, as JSON (RFC 8259: UTF-8, and no numbers that are none).

    Raises:
        HttpProblem: it is none.
    """
    try:
        return json.loads(content.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError) as failure:
        raise HttpProblem(400, "H106", "the body is not JSON", "send a JSON document in UTF-8") from failure


def _no_number(word: str) -> None:
    raise ValueError(word)


async def form_of(request: Request) -> dict[str, str]:
    """
    The fields of a form, as browsers send them; of several with one name the last.

    Raises:
        HttpProblem: it is none.
    """
    content = await body_of(request, 64 * 1024)
    try:
        return dict(parse_qsl(content.decode("utf-8"), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError as failure:
        raise HttpProblem(400, "H107", "the body is no form", "send the fields of the page") from failure


def media_of(request: Request) -> str:
    """The media type of the body, without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _too_large(largest: int) -> HttpProblem:
    return HttpProblem(413, "H108", f"the body is larger than {largest} bytes", "send less at once")


def _too_slow() -> HttpProblem:
    return HttpProblem(408, "H109", "the body did not come in time", "send it again")
