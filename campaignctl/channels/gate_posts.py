"""Asking at a send gate: one signed POST, which says whom it is about and where to answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from campaignctl.channels.http.exchange import HttpClient, HttpRequest
from campaignctl.channels.http.signing import signed
from campaignctl.channels.http.verdicts import verdict_on
from campaignctl.clock import utc_text
from campaignctl.ports import GateRequest, Outcome, Verdict
from campaignctl.project import Endpoint, unset_variable


class GatePosts:
    """Asks the endpoints of a project. One that cannot be asked as it is written is tried again: it may be mended."""

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        self._endpoints = endpoints
        self._clients: dict[bool, HttpClient] = {}

    def ask(self, request: GateRequest, now: datetime) -> Outcome:
        """What came of asking once."""
        name = request.gate.endpoint
        endpoint = self._endpoints.get(name)
        if endpoint is None:
            return _unusable(request, f"the project has no endpoint `{name}`")
        if not endpoint.secret:
            return _unusable(request, f"the endpoint `{name}` has no secret to sign with")
        for text in (endpoint.url, endpoint.secret, *endpoint.headers.values()):
            if (variable := unset_variable(text)) is not None:
                return _unusable(request, f"the environment variable `{variable}` is not set")
        content = body_of(request)
        headers = {
            **endpoint.headers,
            "content-type": "application/json",
            **signed(endpoint.secret, request.message_id, now, content),
        }
        answer = self._client(endpoint).ask(HttpRequest("POST", endpoint.url, headers, content))
        return verdict_on(request.message_id, answer, now)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def _client(self, endpoint: Endpoint) -> HttpClient:
        if endpoint.allow_private not in self._clients:
            self._clients[endpoint.allow_private] = HttpClient(allow_private=endpoint.allow_private)
        return self._clients[endpoint.allow_private]


def body_of(request: GateRequest) -> bytes:
    """What the endpoint is told, the same at each attempt."""
    gate = request.gate
    said = {
        "version": 1,
        "type": "gate.opened",
        "campaign": gate.campaign,
        "campaign_version": gate.version,
        "step": gate.step,
        "count": gate.contacts,
        "hold": gate.is_holding,
        "actions": request.actions,
        "download_url": request.download_url,
        "finish_url": request.finish_url,
        "opened_at": utc_text(gate.opened_at),
        "expires_at": utc_text(gate.expires_at),
    }
    return json.dumps(said, ensure_ascii=False).encode()


def _unusable(request: GateRequest, why: str) -> Outcome:
    return Outcome(request.message_id, Verdict.NOT_SENT, "endpoint_unusable", why)
