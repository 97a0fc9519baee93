"""`UnusableChannel`: stands where a channel cannot be made, and says why to whatever would go by it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from campaignctl.errors import ChannelError
from campaignctl.ports import Outcome, Outgoing, Verdict


class UnusableChannel:
    """Sends nothing, so that a setting that one endpoint lacks does not stop the others, nor e-mail."""

    capacity = 1
    in_flight = 0

    def __init__(self, why: ChannelError) -> None:
        self._why = why

    def exchange(self, messages: Sequence[Outgoing], patience: timedelta | None = None) -> Sequence[Outcome]:  # noqa: ARG002 # nothing takes time here
        """No message leaves."""
        detail = f"{self._why.message} ({self._why.code})"
        return [Outcome(message.key, Verdict.NOT_SENT, "endpoint_unusable", detail) for message in messages]

    def abandon(self, grace: timedelta = timedelta(0)) -> Sequence[Outcome]:  # noqa: ARG002 # nothing is under way
        return []

    def close(self) -> None:
        """Nothing is held open."""
