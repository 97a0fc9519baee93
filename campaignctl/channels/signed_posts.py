"""Signed posts to endpoints of the project, as Standard Webhooks has them: at gates, and to hooks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from threading import Lock

from campaignctl.channels.http.exchange import HttpAnswer, HttpClient, HttpRequest
from campaignctl.channels.http.signing import signed
from campaignctl.channels.http.verdicts import verdict_on
from campaignctl.ports import Outcome, Verdict
from campaignctl.project import Endpoint, unset_variable

_GONE = 410


class SignedPosts:
    """
    Posts to the endpoints of a project, from any number of threads, over connections that are kept.

    One that cannot be asked as it is written is tried again: it may be mended.
    """

    def __init__(self, endpoints: Mapping[str, Endpoint], connections: int = 8) -> None:
        self._endpoints = endpoints
        self._connections = connections
        self._clients: dict[bool, HttpClient] = {}
        self._making = Lock()

    def post(self, name: str, message_id: str, content: bytes, now: datetime) -> Outcome:
        """What came of posting JSON to the endpoint *name* once; `gone` where it says that it wants no more."""
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            return _unusable(message_id, f"the project has no endpoint `{name}`")
        if not endpoint.secret:
            return _unusable(message_id, f"the endpoint `{name}` has no secret to sign with")
        for text in (endpoint.url, endpoint.secret, *endpoint.headers.values()):
            if (variable := unset_variable(text)) is not None:
                return _unusable(message_id, f"the environment variable `{variable}` is not set")
        headers = {
            **endpoint.headers,
            "content-type": "application/json",
            **signed(endpoint.secret, message_id, now, content),
        }
        answer = self._client(endpoint.allow_private).ask(HttpRequest("POST", endpoint.url, headers, content))
        outcome = verdict_on(message_id, answer, now)
        is_gone = isinstance(answer, HttpAnswer) and answer.status == _GONE
        return outcome._replace(reason="gone") if is_gone else outcome

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def _client(self, allow_private: bool) -> HttpClient:
        with self._making:
            if allow_private not in self._clients:
                self._clients[allow_private] = HttpClient(allow_private=allow_private, connections=self._connections)
            return self._clients[allow_private]


def _unusable(message_id: str, why: str) -> Outcome:
    return Outcome(message_id, Verdict.NOT_SENT, "endpoint_unusable", why)
