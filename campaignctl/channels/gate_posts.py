"""Asking at a send gate: one signed POST, which says whom it is about and where to answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from campaignctl.channels.signed_posts import SignedPosts
from campaignctl.clock import utc_text
from campaignctl.ports import GateRequest, Outcome
from campaignctl.project import Endpoint


class GatePosts:
    """Asks the endpoints of a project."""

    def __init__(self, endpoints: Mapping[str, Endpoint]) -> None:
        self._posts = SignedPosts(endpoints)

    def ask(self, request: GateRequest, now: datetime) -> Outcome:
        """What came of asking once."""
        return self._posts.post(request.gate.endpoint, request.message_id, body_of(request), now)

    def close(self) -> None:
        self._posts.close()


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
