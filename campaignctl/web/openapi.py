"""The service's description in the form of OpenAPI 3.1, made from the table of operations."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from campaignctl import __version__
from campaignctl.web.application import OPERATIONS
from campaignctl.web.documents import Problem
from campaignctl.web.operations import Content, Operation, Parameter, Reply

_REFERENCE: Final = "#/components/schemas/{model}"
_NAMES: Final = re.compile(r"\{(\w+)\}")
_PROBLEM: Final = (Content(model=Problem),)

# What any operation may end with.
_ERRORS: Final = {
    400: "The request is not as it has to be.",
    404: "There is nothing of this name.",
    503: "The store cannot be used at the moment.",
}
_BODY_ERRORS: Final = {408: "The body did not come in time.", 413: "The body is too large."}
_TOKEN_ERRORS: Final = {
    401: "No token that is good here.",
    403: "The token is not good for this.",
    429: "Too many requests.",
}


def openapi_text(operations: Sequence[Operation] = OPERATIONS) -> str:
    """The document, the same at every call."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation)
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "campaignctl",
            "version": __version__,
            "summary": "Starts campaigns, answers send gates, takes events and lets people unsubscribe.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": _schemas(operations),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of `campaignctl token create`.",
                }
            },
        },
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _described(operation: Operation) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.tag],
    }
    if operation.description:
        told["description"] = operation.description
    parameters = [*_of_path(operation), *map(_parameter, operation.parameters)]
    if parameters:
        told["parameters"] = parameters
    if operation.request:
        told["requestBody"] = {"required": True, "content": _content(operation.request)}
    errors = dict(_ERRORS)
    errors |= _BODY_ERRORS if operation.method in ("POST", "PUT", "PATCH") else {}
    errors |= {} if operation.scope is None else _TOKEN_ERRORS
    replies = {status: Reply(text, _PROBLEM) for status, text in errors.items()} | dict(operation.replies)
    told["responses"] = {str(status): _reply(reply) for status, reply in sorted(replies.items())}
    if operation.scope is not None:
        told["security"] = [{"token": []}]
        told["x-scope"] = operation.scope
    return told


def _of_path(operation: Operation) -> Iterable[dict[str, Any]]:
    for name in _NAMES.findall(operation.path):
        schema: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 200}
        if name in operation.path_patterns:
            schema["pattern"] = operation.path_patterns[name]
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "maxLength": parameter.longest}
    if parameter.one_of:
        schema["enum"] = list(parameter.one_of)
    if parameter.pattern:
        schema["pattern"] = parameter.pattern
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.is_required,
        "description": parameter.description,
        "schema": schema,
    }


def _reply(reply: Reply) -> dict[str, Any]:
    told: dict[str, Any] = {"description": reply.description}
    if reply.content:
        told["content"] = _content(reply.content)
    return told


def _content(contents: Iterable[Content]) -> dict[str, Any]:
    return {content.media: {"schema": _schema(content)} for content in contents}


def _schema(content: Content) -> dict[str, Any]:
    if content.model is None:
        return {"type": "string"}
    reference = {"$ref": _REFERENCE.format(model=content.model.__name__)}
    if content.media.endswith("ndjson"):
        # OpenAPI 3.1 has no word for it: a line each.
        return {"type": "string", "contentMediaType": content.media, "x-line": reference}
    return reference


def _schemas(operations: Iterable[Operation]) -> dict[str, Any]:
    models: dict[str, type[BaseModel]] = {Problem.__name__: Problem}
    for operation in operations:
        contents = [*operation.request, *(each for reply in operation.replies.values() for each in reply.content)]
        models |= {each.model.__name__: each.model for each in contents if each.model is not None}
    _, schema = models_json_schema(
        [(model, "validation") for model in models.values()], by_alias=True, ref_template=_REFERENCE
    )
    found: dict[str, Any] = schema.get("$defs", {})
    return dict(sorted(found.items()))
