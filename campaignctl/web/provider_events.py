"""`POST /hooks/{provider}`: what providers tell about messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from campaignctl.channels.http.exchange import HttpAnswer, HttpClient, HttpRequest
from campaignctl.contacts.event_file import bring_in
from campaignctl.contacts.event_line import Row
from campaignctl.errors import ChannelError
from campaignctl.providers.configured import Provider, provider_of, require_variables
from campaignctl.providers.generic import signed_rows
from campaignctl.providers.request import ProviderRequest, UnreachableError, UnreadableError, UnverifiedError
from campaignctl.providers.taking import Taken, take
from campaignctl.store.events import EventOutcome
from campaignctl.store.ledger import SqlStore
from campaignctl.web.access import Bucket, too_often
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


class Limits:
    """
    How often a provider may tell us something, and how often an address may come without a proof.

    What is not proven takes nothing from a provider, so nobody else can use up
    what is theirs. An address is never shut out: other customers of a provider
    may come from the same.
    """

    def __init__(self) -> None:
        self._told = Bucket(at_once=2000, per_second=200)
        self._unproven = Bucket(at_once=100, per_second=10)

    def look_at(self, address: str, now: datetime) -> None:
        """
        Look before anything is read.

        Raises:
            HttpProblem: too much came from there that nothing proved.
        """
        if self._unproven.is_empty(address, now):
            raise too_often(timedelta(seconds=1))

    def unproven(self, address: str, now: datetime) -> None:
        """Something came from there that nothing proved."""
        self._unproven.take(address, now)

    def proven(self, provider: str, now: datetime) -> None:
        """
        Look before anything is brought in.

        Raises:
            HttpProblem: the provider tells more than we take at once, and shall come again.
        """
        if (wait := self._told.take(provider, now)) is not None:
            raise too_often(wait)


async def take_events(request: Request, service: Service) -> Response:
    """Verify what a provider sends, and bring it in; it tries again only where that may help."""
    # What a provider remembers (certificates, used tokens) lasts as long as the service, and so do its limits.
    kept = request.app.state.__dict__
    providers, limits = kept.setdefault("providers", {}), kept.setdefault("hook_limits", Limits())
    name, address = request.path_params["provider"], request.client.host if request.client else ""
    limits.look_at(address, service.clock.now())
    told = ProviderRequest(request.headers, await body_of(request), str(request.url))
    try:
        bring = await service.in_thread(_proven, service, providers, name, told)
    except (UnverifiedError, UnreadableError, UnreachableError) as failure:
        if not isinstance(failure, UnreadableError):
            limits.unproven(address, service.clock.now())
        raise HttpProblem(_STATUS[type(failure)], failure.code, failure.message, failure.hint) from failure
    limits.proven(name, service.clock.now())
    taken = await service.in_thread(bring)
    return JSONResponse({"version": 1, **taken._asdict()})


def _proven(
    service: Service, providers: dict[str, Provider], name: str, request: ProviderRequest
) -> Callable[[], Taken]:
    """
    What brings in the events of a request.

    Raises:
        UnverifiedError: nothing proves that the provider sent it.
        UnreadableError: it is not in the provider's form.
        UnreachableError: it cannot be verified now.
        HttpProblem: the provider is not set up.
    """
    now = service.clock.now()
    try:
        if name == "generic" and (generic := service.project.project.providers.generic) is not None:
            require_variables(name, service.project.project)
            reader = event_reader(service.project, service.store, service.keys)
            rows = signed_rows(generic.secret, request, reader, now)
            return partial(_lines_taken, service.store, rows, reader.country, now)
        if name not in providers:
            providers[name] = _provider(name, service)
        return partial(take, service.store, service.keys, providers[name].events(request, now), now)
    except ChannelError as failure:
        # Who asks may be anybody: which variable is not set is for `doctor` to say.
        raise HttpProblem(
            503, failure.code, f"the provider `{name}` is not set up here", "see `campaignctl doctor`"
        ) from failure


def _lines_taken(store: SqlStore, rows: Iterator[Row], country: str | None, now: datetime) -> Taken:
    report = bring_in(store, rows, now, country=country)
    unmatched = report.read - report.added - report.outcomes[EventOutcome.KNOWN]
    return Taken(report.read, report.added, unmatched, report.newly_suppressed)


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
            429: Reply("Too many requests: the provider shall come again."),
        },
        description="The body is in the form of the provider, and proven by its signature or token.",
        request=(Content(),),
        tag="providers",
        path_patterns={"provider": "^[a-z]+$"},
    ),
)
