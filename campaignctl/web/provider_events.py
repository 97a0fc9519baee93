"""`POST /hooks/{provider}`: what providers tell about messages."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from campaignctl.channels.http.exchange import HttpAnswer, HttpClient, HttpRequest
from campaignctl.contacts.event_file import bring_in
from campaignctl.errors import ChannelError
from campaignctl.providers.configured import Provider, provider_of, require_variables
from campaignctl.providers.generic import signed_rows
from campaignctl.providers.request import ProviderRequest, UnreachableError, UnreadableError, UnverifiedError
from campaignctl.providers.taking import Taken, take
from campaignctl.store.events import EventOutcome
from campaignctl.web.bodies import body_of
from campaignctl.web.documents import Document
from campaignctl.web.operations import Content, Operation, Reply
from campaignctl.web.problems import HttpProblem
from campaignctl.web.service import Service
from campaignctl.wiring import event_reader

_STATUS: Final = {UnverifiedError: 401, UnreadableError: 400, UnreachableError: 503}


class TakenEvents(Document):
    """
    What came of the events of a request.

    Those that are not new were known, or only prove that a message arrived;
    those that are unmatched are about other mail of the account.
    """

    read: int
    added: int
    unmatched: int
    newly_suppressed: int


async def take_events(request: Request, service: Service) -> Response:
    """Verify what a provider sends, and bring it in; it tries again only where that may help."""
    content = await body_of(request)
    name = request.path_params["provider"]
    told = ProviderRequest(request.headers, content, str(request.url))
    # What a provider remembers (certificates, used tokens) lasts as long as the service.
    providers = request.app.state.__dict__.setdefault("providers", {})
    taken = await service.in_thread(_taken, service, providers, name, told)
    return JSONResponse({"version": 1, **taken._asdict()})


def _taken(service: Service, providers: dict[str, Provider], name: str, request: ProviderRequest) -> Taken:
    now = service.clock.now()
    try:
        if name == "generic" and (generic := service.project.project.providers.generic) is not None:
            require_variables(name, service.project.project)
            reader = event_reader(service.project, service.store, service.keys)
            report = bring_in(service.store, signed_rows(generic.secret, request, reader, now), now)
            unmatched = report.read - report.added - report.outcomes[EventOutcome.KNOWN]
            return Taken(report.read, report.added, unmatched, report.newly_suppressed)
        if name not in providers:
            providers[name] = _provider(name, service)
        return take(service.store, service.keys, providers[name].events(request, now), now)
    except (UnverifiedError, UnreadableError, UnreachableError) as failure:
        raise HttpProblem(_STATUS[type(failure)], failure.code, failure.message, failure.hint) from failure
    except ChannelError as failure:
        # Who asks may be anybody: which variable is not set is for `doctor` to say.
        raise HttpProblem(
            503, failure.code, f"the provider `{name}` is not set up here", "see `campaignctl doctor`"
        ) from failure


def _provider(name: str, service: Service) -> Provider:
    found = provider_of(name, service.project.project, _fetched)
    if found is None:
        hint = f"add `{name}` below `providers` in campaignctl.yaml"
        raise HttpProblem(404, "S243", "the project names no such provider", hint)
    return found


def _fetched(url: str) -> bytes | None:
    """What is at an address outside, where it can be had."""
    client = HttpClient(connections=1)
    try:
        answer = client.ask(HttpRequest("GET", url, {}))
    finally:
        client.close()
    return answer.content if isinstance(answer, HttpAnswer) and answer.status == 200 else None


OPERATIONS = (
    Operation(
        "POST",
        "/hooks/{provider}",
        "take_events",
        "Take what a provider tells about messages",
        take_events,
        {
            200: Reply(
                "What came of it; also where no event is about a message of this store.", (Content(model=TakenEvents),)
            ),
            401: Reply("Nothing proves that the provider sent it."),
        },
        description="The body is in the form of the provider, and proven by its signature or token.",
        request=(Content(),),
        tag="providers",
        path_patterns={"provider": "^[a-z]+$"},
    ),
)
