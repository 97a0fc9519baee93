"""Telling hooks: one signed POST for each event."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from campaignctl.channels.signed_posts import SignedPosts
from campaignctl.hook_settings import Hook
from campaignctl.message.event_body import event_body
from campaignctl.ports import HookPost, Outcome
from campaignctl.project import Endpoint


class HookPosts:
    """Tells the hooks of a project, each at its endpoint."""

    def __init__(self, endpoints: Mapping[str, Endpoint], hooks: Mapping[str, Hook], connections: int) -> None:
        self._hooks = hooks
        self._posts = SignedPosts(endpoints, connections)

    def tell(self, post: HookPost, now: datetime) -> Outcome:
        """See `ports.HookEndpoints.tell`."""
        endpoint = self._hooks[post.hook].endpoint
        return self._posts.post(endpoint, post.message_id, event_body(post.happened), now)

    def close(self) -> None:
        self._posts.close()
