"""`SmtpChannel`: messages to a relay, over a few connections at a time, in one loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from math import inf
from selectors import DefaultSelector
from time import monotonic
from typing import Final

from campaignctl.channels.smtp.connection import GOODBYE_PATIENCE, Connection, Phase
from campaignctl.channels.smtp.content import is_address
from campaignctl.channels.smtp.settings import SmtpSettings
from campaignctl.channels.smtp.trust import trust_for
from campaignctl.channels.smtp.verdicts import Answer, Fault, FaultKind, Stage, bad_address, verdict_on
from campaignctl.ports import Outcome, Outgoing

# Members of an enumeration are slow to look up in Python 3.11, and these are met with every message.
_BUSY, _IDLE = Phase.BUSY, Phase.IDLE
# A relay that lets us have fewer connections than we want is asked again for more after so many seconds.
_NO_MORE_FOR: Final = 30.0
# Who asks pays for a commit each time: an outcome waits so many seconds for others to come with it.
_GATHERING: Final = 0.002
_ABANDONED: Final = Fault(FaultKind.ABANDONED, "the channel was abandoned before the message could be sent")


class SmtpChannel:
    """
    A relay with some connections that are opened when there is work for them, and kept.

    A message waits until a connection is free or open. One that cannot be
    opened is nobody's failure while others can: its message goes out there.
    """

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._trust = trust_for(settings)
        self._selector = DefaultSelector()
        self._connections: set[Connection] = set()
        self._idle: dict[Connection, None] = {}  # the last one used comes last
        self._waiting: deque[Outgoing] = deque()
        self._finished: list[Outcome] = []
        self._in_flight = 0
        self._no_more_until = 0.0
        self._look_at = 0.0  # no deadline passes before
        self._least_patience = min(
            settings.timeout.total_seconds(), settings.answer_timeout.total_seconds(), GOODBYE_PATIENCE
        )

    @property
    def capacity(self) -> int:
        return self._settings.connections

    @property
    def in_flight(self) -> int:
        return self._in_flight

    def exchange(self, messages: Sequence[Outgoing], patience: timedelta | None = None) -> Sequence[Outcome]:
        """See `ports.Channel.exchange`."""
        if len(messages) > self.capacity - self._in_flight:
            raise ValueError("more messages than the channel has room for")
        end = inf if patience is None else monotonic() + patience.total_seconds()
        self._in_flight += len(messages)
        for message in messages:
            self._take(message)
        if self._waiting and self._idle:
            # A server may have said good-bye to an idle connection. What it says now would be taken for an answer.
            self._work(0.0)
        self._share_out()
        while len(self._finished) < self._in_flight:
            self._work(end)
            if self._waiting:
                self._share_out()
            now = monotonic()
            if self._finished:
                end = min(end, now + _GATHERING)
            if now >= end:
                break
        return self._released()

    def abandon(self, grace: timedelta = timedelta(0)) -> Sequence[Outcome]:
        """See `ports.Channel.abandon`. What waits for a connection gets no grace: nothing of it was said."""
        end = monotonic() + grace.total_seconds()
        self._settle_waiting(Stage.CONNECT, _ABANDONED)
        while monotonic() < end and any(connection.message for connection in self._connections):
            self._work(end)
        for connection in tuple(self._connections):
            if connection.phase is not Phase.IDLE:
                connection.break_off()
                self._look_after(connection)
        # An idle connection that was found closed gives its message back.
        self._settle_waiting(Stage.CONNECT, _ABANDONED)
        return self._released()

    def close(self) -> None:
        """Say QUIT on each connection, and end; what is still under way is broken off."""
        for connection in tuple(self._connections):
            if connection.phase is Phase.IDLE:
                connection.leave()
            else:
                connection.break_off()
            self._look_after(connection)
        while self._connections:
            self._work(inf)
        self._selector.close()

    def _released(self) -> list[Outcome]:
        finished, self._finished = self._finished, []
        self._in_flight -= len(finished)
        return finished

    def _take(self, message: Outgoing) -> None:
        if not is_address(message.sender):
            self._finished.append(bad_address(message.key, "sender's", blames_sender=True))
        elif not is_address(message.recipient):
            self._finished.append(bad_address(message.key, "recipient's", blames_sender=False))
        else:
            self._waiting.append(message)

    def _share_out(self) -> None:
        """Give waiting messages to idle connections, and open others for the rest."""
        while self._waiting and self._idle:
            connection, _ = self._idle.popitem()
            if connection.is_worn(monotonic()):
                connection.leave()
            else:
                connection.carry(self._waiting.popleft())
            self._look_after(connection)
        opening = sum(connection.phase is Phase.OPENING for connection in self._connections)
        while opening < len(self._waiting) and self._may_open():
            connection = Connection(self._settings, self._trust, self._selector)
            self._connections.add(connection)
            connection.proceed()
            self._look_after(connection)
            opening += 1

    def _may_open(self) -> bool:
        if len(self._connections) >= self._settings.connections:
            return False
        return not self._connections or monotonic() >= self._no_more_until

    def _work(self, until: float) -> None:
        """Let the connections proceed that can, at the latest when it is *until*."""
        for key, _ in self._selector.select(max(min(until, self._look_at) - monotonic(), 0.0)):
            connection: Connection = key.data
            connection.proceed()
            if connection.phase is not _BUSY:
                self._look_after(connection)
        # After what has come in: who was in time is not late because we are.
        if monotonic() >= self._look_at:
            self._expire()

    def _expire(self) -> None:
        now = monotonic()
        for connection in tuple(self._connections):
            if connection.phase is not Phase.IDLE and connection.deadline <= now:
                connection.expire()
                self._look_after(connection)
        deadlines = (connection.deadline for connection in self._connections if connection.phase is not Phase.IDLE)
        self._look_at = min([now + self._least_patience, *deadlines])

    def _look_after(self, connection: Connection) -> None:
        """Take over what came of a *connection* that did something."""
        if connection.outcome is not None:
            self._finished.append(connection.outcome)
            connection.outcome = None
        if connection.phase is _IDLE:
            self._idle[connection] = None
        elif connection.phase is Phase.GONE:
            self._connections.discard(connection)
            self._idle.pop(connection, None)
            if connection.message is not None:
                self._waiting.appendleft(connection.message)
                connection.message = None
            if connection.failure is not None:
                self._could_not_open(*connection.failure)

    def _could_not_open(self, stage: Stage, answer: Answer) -> None:
        if any(connection.phase is not Phase.LEAVING for connection in self._connections):
            self._no_more_until = monotonic() + _NO_MORE_FOR
            return
        self._settle_waiting(stage, answer)

    def _settle_waiting(self, stage: Stage, answer: Answer) -> None:
        self._finished += [verdict_on(message.key, stage, answer) for message in self._waiting]
        self._waiting.clear()
