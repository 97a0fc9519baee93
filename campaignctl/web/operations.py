"""What the service answers, as a table: the application and its description are made from the same one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from campaignctl.web.service import Service

Handler = Callable[[Request, Service], Awaitable[Response]]

JSON = "application/json"
NDJSON = "application/x-ndjson"
FORM = "application/x-www-form-urlencoded"
HTML = "text/html"
TEXT = "text/plain"


@dataclass(frozen=True)
class Content:
    """A body: its media type, and of JSON the model that it fits; of NDJSON the model of a line."""

    media: str = JSON
    model: type[BaseModel] | None = None


@dataclass(frozen=True)
class Parameter:
    """A header or a value of the query that an operation reads."""

    name: str
    description: str
    place: str = "header"  # or "query"
    is_required: bool = False
    longest: int = 200
    one_of: tuple[str, ...] = ()  # its values, where they are known
    pattern: str = ""  # what it looks like otherwise


@dataclass(frozen=True)
class Reply:
    """One way in which an operation answers."""

    description: str
    content: tuple[Content, ...] = ()


@dataclass(frozen=True)
class Operation:
    """
    One thing that can be asked: how, by whom, and what comes back.

    `scope` is what a bearer token has to be good for, with the names of the
    path in it (`trigger:{name}`); None where nobody has to say who they are.
    `replies` are those beside the errors that any operation may end with.
    """

    method: str
    path: str
    name: str
    summary: str
    handle: Handler
    replies: Mapping[int, Reply]
    scope: str | None = None
    request: tuple[Content, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    description: str = ""
    tag: str = "service"
    path_patterns: Mapping[str, str] = field(default_factory=dict)  # what a name in the path looks like
