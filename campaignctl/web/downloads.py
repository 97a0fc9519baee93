"""Requests by reference: their rows are somewhere else, and are fetched."""

from __future__ import annotations

from functools import partial
from typing import IO, Final

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from campaignctl.channels.http.exchange import HttpClient
from campaignctl.channels.http.guard import NotAllowedError, Target, target_of
from campaignctl.errors import ChannelError
from campaignctl.project import Project
from campaignctl.web.problems import HttpProblem
from campaignctl.web.spooling import LARGEST_REQUEST

_AT_ONCE: Final = 4


class Downloads:
    """Fetches what requests refer to, a few at a time."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._room = CapacityLimiter(_AT_ONCE)

    async def fetch(self, url: str, file: IO[bytes]) -> None:
        """
        Put what is at *url* into *file*.

        It has to be public and over TLS, unless an endpoint of the project at
        the same place may be private. No headers of that endpoint are sent:
        whoever may start a campaign need not speak in its name.

        Raises:
            HttpProblem: it cannot be had whole.
        """
        client = HttpClient(allow_private=may_be_private(self._project, url))
        try:
            # Nobody waits for a slow server when the service ends: closing the client ends the thread.
            await run_sync(partial(_download, client, url, file), abandon_on_cancel=True, limiter=self._room)
        except ChannelError as failure:
            raise HttpProblem(422, failure.code, failure.message, failure.hint) from failure
        finally:
            client.close()


def _download(client: HttpClient, url: str, file: IO[bytes]) -> None:
    for piece in client.download(url, most=LARGEST_REQUEST):
        file.write(piece)


def may_be_private(project: Project, url: str) -> bool:
    """Whether *url* begins like that of an endpoint which may lead into a private network."""
    place = _place(url)
    private = (endpoint.url for endpoint in project.endpoints.values() if endpoint.allow_private)
    return place is not None and place in map(_place, private)


def _place(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port."""
    try:
        target: Target = target_of(url, allow_private=True)
    except NotAllowedError:
        return None
    return target.scheme, target.host.lower(), target.port
