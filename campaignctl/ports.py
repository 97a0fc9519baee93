"""What the inside needs from the outside: channels that carry messages, and a store that remembers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Verdict(StrEnum):
    """What is known of one try to hand a message over."""

    SENT = "sent"  # the other side took it
    DEFERRED = "deferred"  # refused for now; to be tried again later
    FAILED = "failed"  # refused for good
    UNCERTAIN = "uncertain"  # no answer after the last byte may have left
    NOT_SENT = "not_sent"  # nothing left, and no attempt was used


@dataclass(frozen=True)
class Outgoing:
    """
    One message on its way out: the delivery's key, the envelope and the bytes.

    `content` is RFC 5322 with CRLF line ends, not yet dot-stuffed.
    """

    key: str
    sender: str
    recipient: str
    content: bytes


@dataclass(frozen=True)
class Outcome:
    """
    What became of the message with this key.

    `reason` is a word of the contract (`hard_bounce`, `refused`, `relay_down`…);
    `detail` is what the other side said, for people, without line breaks.
    `is_hard_bounce` says that the address must not be written to again.
    `blames_sender` says that every further message would meet the same answer.
    """

    key: str
    verdict: Verdict
    reason: str = ""
    detail: str = ""
    is_hard_bounce: bool = False
    blames_sender: bool = False


class Channel(Protocol):
    """
    Carries messages to one kind of address, as many at a time as it has connections.

    The conversations inside may overlap; the calls do not. A channel never
    raises for what one message meets: that is an outcome. It raises
    `errors.ChannelError` only where it cannot be used at all.
    """

    @property
    def capacity(self) -> int:
        """How many messages may be under way at once."""
        ...

    @property
    def in_flight(self) -> int:
        """How many were taken and have no outcome yet."""
        ...

    def exchange(self, messages: Sequence[Outgoing]) -> Sequence[Outcome]:
        """
        Take *messages* (at most `capacity - in_flight`) and return what has finished since the last call.

        Waits for at least one outcome while something is under way, so that a
        caller that loops does not spin; returns at once with nothing otherwise.
        """
        ...

    def close(self) -> None:
        """Finish politely; nothing may be in flight."""
        ...
