"""The service does what its description says, whatever is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import schemathesis
from campaigns.test_triggering import THANKS
from hypothesis import HealthCheck, settings
from schemathesis import Case
from web.serving import served, token_for
from world import World

from campaignctl.web.application import OPERATIONS
from campaignctl.web.openapi import openapi_text


@schemathesis.serializer("application/x-ndjson")
def lines(_context: object, value: object) -> bytes:
    """What is tried in the place of lines: any text, and any values, one a line."""
    return value.encode("utf-8", "replace") if isinstance(value, str) else json.dumps(value).encode()


DESCRIPTION = schemathesis.openapi.from_dict(json.loads(openapi_text()))


def test_every_operation_has_a_name_of_its_own_and_says_what_it_is_for() -> None:
    names = [operation.name for operation in OPERATIONS]
    assert len(set(names)) == len(names)
    assert all(operation.summary for operation in OPERATIONS)


def test_no_two_models_have_the_same_name() -> None:
    """One would stand in the description for both."""
    contents = [
        content
        for operation in OPERATIONS
        for content in (*operation.request, *(each for reply in operation.replies.values() for each in reply.content))
    ]
    models = {content.model for content in contents if content.model is not None}
    assert len({model.__name__ for model in models}) == len(models)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """Where a service listens, and a token that opens all of it."""
    world = World(tmp_path_factory.mktemp("service"))
    world.at("2026-11-20 10:00")
    world.publish(THANKS)
    with served(world) as client:
        yield str(client.base_url), token_for(world, "trigger:*", "events", "read")


@DESCRIPTION.parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_request_meets_what_the_description_does_not_tell(case: Case, service: tuple[str, dict[str, str]]) -> None:
    url, headers = service
    answer = case.call(base_url=url, headers=headers)
    assert answer.status_code < 500
    case.validate_response(
        answer,
        checks=[
            schemathesis.checks.not_a_server_error,
            schemathesis.checks.status_code_conformance,
            schemathesis.checks.content_type_conformance,
            schemathesis.checks.response_schema_conformance,
        ],
    )
