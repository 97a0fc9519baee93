"""`HttpChannel`: one request for each message, a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from queue import Empty, SimpleQueue
from time import monotonic

from campaignctl.channels.http.exchange import HttpAnswer, HttpClient, HttpFailure, HttpRequest
from campaignctl.channels.http.verdicts import verdict_on
from campaignctl.clock import Clock
from campaignctl.ports import Outcome, Outgoing, Verdict

Composer = Callable[[Outgoing, datetime], HttpRequest]
Judge = Callable[[Outgoing, HttpAnswer | HttpFailure, datetime], Outcome]


def by_status(message: Outgoing, answer: HttpAnswer | HttpFailure, now: datetime) -> Outcome:
    """What the status of an answer says, for those whose status says all."""
    return verdict_on(message.key, answer, now)


class HttpChannel:
    """
    Carries messages to an endpoint, each in a thread of its own that waits for the answer.

    *compose* makes the request of a message, and *judge* says what an answer
    means. *is_idempotent* says that the
    other side tells a request that it had from a new one, so that one without
    an answer may be made again at once.
    """

    def __init__(
        self,
        client: Callable[[], HttpClient],
        compose: Composer,
        clock: Clock,
        *,
        is_idempotent: bool,
        judge: Judge = by_status,
        connections: int = 8,
    ) -> None:
        self._open = client
        self._client: HttpClient | None = None
        self._compose = compose
        self._clock = clock
        self._judge = judge
        self._is_idempotent = is_idempotent
        self._connections = connections
        self._in_flight = 0
        self._finished: SimpleQueue[Outcome] = SimpleQueue()
        self._workers = ThreadPoolExecutor(connections, thread_name_prefix="http")

    @property
    def capacity(self) -> int:
        return self._connections

    @property
    def in_flight(self) -> int:
        return self._in_flight

    def exchange(self, messages: Sequence[Outgoing], patience: timedelta | None = None) -> Sequence[Outcome]:
        """See `ports.Channel.exchange`."""
        if len(messages) > self.capacity - self._in_flight:
            raise ValueError("more messages than the channel has room for")
        if messages and self._client is None:
            # Most projects name endpoints that no campaign of the day needs.
            self._client = self._open()
        for message in messages:
            self._in_flight += 1
            self._workers.submit(self._carry, message)
        return self._landed(None if patience is None else patience.total_seconds())

    def abandon(self, grace: timedelta = timedelta(0)) -> Sequence[Outcome]:
        """See `ports.Channel.abandon`."""
        ends_at, outcomes = monotonic() + grace.total_seconds(), list[Outcome]()
        while self._in_flight and (left := ends_at - monotonic()) > 0:
            outcomes += self._landed(left)
        while self._in_flight:
            # Again and again: a request that was only about to begin is broken off when it has.
            if self._client is not None:
                self._client.break_off()
            outcomes += self._landed(0.05)
        return outcomes

    def close(self) -> None:
        """Finish; nothing may be in flight."""
        self._workers.shutdown()
        if self._client is not None:
            self._client.close()

    def _carry(self, message: Outgoing) -> None:
        """In a thread of its own: ask, and judge the answer."""
        outcome = Outcome(message.key, Verdict.NOT_SENT, "endpoint_down", "the request could not be made")
        try:
            if self._client is not None:
                answer = self._client.ask(self._compose(message, self._clock.now()))
                outcome = self._judge(message, answer, self._clock.now())
        finally:
            # Whatever happens, somebody waits for this message.
            self._finished.put(outcome._replace(is_repeatable=self._is_idempotent))

    def _landed(self, seconds: float | None) -> list[Outcome]:
        """What has finished; waits for the first, so long at the most."""
        outcomes: list[Outcome] = []
        try:
            if self._in_flight:
                outcomes.append(self._finished.get(timeout=seconds) if seconds != 0 else self._finished.get_nowait())
                while True:
                    outcomes.append(self._finished.get_nowait())
        except Empty:
            pass
        self._in_flight -= len(outcomes)
        return outcomes
