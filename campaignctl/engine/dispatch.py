"""The delivery loop: intent, wire, result, in this order for every message."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from campaignctl.engine.messages import Messages, delivery_key
from campaignctl.engine.results import FIRST_BACK_OFF, result_of
from campaignctl.message.sandbox import RenderError
from campaignctl.ports import Candidate, Channel, Claim, Cohort, Ledger, Outcome, Outgoing, Result, Store, Verdict

_BATCH: Final = 500


@dataclass
class Dispatched:
    """What a pass did, in numbers."""

    sent: int = 0
    finished: int = 0
    troubles: list[str] = field(default_factory=list)


# A message that is ready, or why it cannot be made.
_Prepared = tuple[Candidate, Outgoing | RenderError]


@dataclass(frozen=True)
class _Flight:
    """A message that the channel has."""

    queue: _Queue
    candidate: Candidate


@dataclass(eq=False)
class _Queue:
    """What one step still has to send, read ahead a little."""

    cohort: Cohort
    messages: Messages
    ahead: deque[Candidate] = field(default_factory=deque)
    has_moved: bool = True  # since it was read last, something of it was claimed or skipped
    is_over: bool = False

    def refill(self, store: Store, now: datetime) -> None:
        """
        Read on where nothing is left of what was read.

        What was claimed is not read again. Where nothing could be claimed of
        all that was read, the rest has to wait for another pass.
        """
        if self.ahead or self.is_over:
            return
        if self.has_moved:
            with store.reading() as ledger:
                self.ahead.extend(ledger.candidates(self.cohort, _BATCH, now))
        self.has_moved = False
        self.is_over = not self.ahead


class Dispatcher:
    """
    Sends the deliveries of any number of steps by one channel, in turns.

    Each round is one transaction: it records what has finished and claims what
    goes next. Nothing is open while the channel talks.
    """

    def __init__(self, store: Store, channel: Channel, epoch: int, *, may_repeat: bool) -> None:
        self._store = store
        self._channel = channel
        self._epoch = epoch
        self._may_repeat = may_repeat
        self._flights: dict[str, _Flight] = {}
        self._finished: list[Outcome] = []
        self._down_until: datetime | None = None
        self._troubles_in_a_row = 0

    def is_down(self, now: datetime) -> bool:
        """Whether the channel refused to work a moment ago."""
        return self._down_until is not None and now < self._down_until

    @property
    def down_until(self) -> datetime | None:
        return self._down_until

    def send(
        self,
        work: Sequence[tuple[Cohort, Messages]],
        now: Callable[[], datetime],
        is_ending: Callable[[], bool],
        until: datetime,
    ) -> Dispatched:
        """
        Send what is due of these steps, until all of it went out, something stops it, or it is *until*.

        What is in flight at the end is waited for and recorded.
        """
        done = Dispatched()
        queues = [_Queue(cohort, messages) for cohort, messages in work]
        while True:
            at = now()
            is_over = is_ending() or self.is_down(at) or at >= until
            outgoing = self._round([] if is_over else queues, at, done)
            self._finished = list(self._channel.exchange(outgoing))
            if not self._finished and not self._flights:
                return done

    def _round(self, queues: Sequence[_Queue], now: datetime, done: Dispatched) -> list[Outgoing]:
        """Record what has finished and claim what goes next, in one transaction."""
        room = self._channel.capacity - self._channel.in_flight
        prepared = [
            (queue, [(each, _rendered(queue, each)) for each in chosen])
            for queue, chosen in self._chosen(queues, room, now)
        ]
        outgoing: list[Outgoing] = []
        if not prepared and not self._finished:
            return outgoing
        with self._store.writing() as ledger:
            self._record(ledger, now, done)
            for queue, messages in prepared:
                if self.is_down(now):
                    queue.ahead.extendleft(candidate for candidate, _ in reversed(messages))
                else:
                    outgoing += self._claim(ledger, queue, messages, now)
        return outgoing

    def _chosen(self, queues: Sequence[_Queue], room: int, now: datetime) -> Iterator[tuple[_Queue, list[Candidate]]]:
        """The next candidates of each step: the room is shared evenly among those that have some."""
        for queue in queues:
            queue.refill(self._store, now)
        busy = sorted((queue for queue in queues if queue.ahead), key=lambda queue: len(queue.ahead))
        for turn, queue in enumerate(busy):
            share = min(-(-room // (len(busy) - turn)), len(queue.ahead))
            room -= share
            if share:
                yield queue, [queue.ahead.popleft() for _ in range(share)]

    def _claim(self, ledger: Ledger, queue: _Queue, prepared: Sequence[_Prepared], now: datetime) -> list[Outgoing]:
        ready = [(candidate, message) for candidate, message in prepared if isinstance(message, Outgoing)]
        for candidate, failure in prepared:
            if isinstance(failure, RenderError):
                ledger.skip(queue.cohort, candidate, "render_error", str(failure), now)
                queue.has_moved = True
        claims = ledger.claim(queue.cohort, [candidate for candidate, _ in ready], self._epoch, now)
        granted = []
        for (candidate, message), claim in zip(ready, claims, strict=True):
            queue.has_moved = queue.has_moved or claim is not Claim.REFUSED
            if claim is Claim.GRANTED:
                self._flights[message.key] = _Flight(queue, candidate)
                granted.append(message)
        return granted

    def _record(self, ledger: Ledger, now: datetime, done: Dispatched) -> None:
        results: dict[_Queue, list[tuple[Candidate, Result]]] = {}
        for outcome in self._finished:
            flight = self._flights.pop(outcome.key)
            result = result_of(
                outcome,
                attempts=flight.candidate.attempts + 1,
                made_at=flight.candidate.made_at,
                may_repeat=self._may_repeat,
                now=now,
            )
            results.setdefault(flight.queue, []).append((flight.candidate, result))
            done.finished += 1
            done.sent += outcome.verdict is Verdict.SENT
            self._judge_channel(outcome, now, done)
        for queue, finished in results.items():
            ledger.record(queue.cohort, finished, self._epoch, now)
        self._finished = []

    def _judge_channel(self, outcome: Outcome, now: datetime, done: Dispatched) -> None:
        """A relay that does not take messages is left alone for a while: longer each time."""
        if outcome.verdict is not Verdict.NOT_SENT:
            if outcome.verdict is Verdict.SENT:
                self._troubles_in_a_row, self._down_until = 0, None
            return
        if not self.is_down(now):
            self._troubles_in_a_row += 1
            wait = min(FIRST_BACK_OFF, timedelta(seconds=5) * 2 ** min(self._troubles_in_a_row - 1, 10))
            self._down_until = now + wait
            done.troubles.append(outcome.detail or outcome.reason)


def _rendered(queue: _Queue, candidate: Candidate) -> Outgoing | RenderError:
    campaign, step = queue.cohort.campaign, queue.cohort.step.name
    key = delivery_key(campaign, step, candidate)
    if not candidate.address:
        # Claiming finds out why it is not to be sent, and writes that down.
        return Outgoing(key, "", "", b"")
    try:
        message = queue.messages.render(campaign, step, candidate)
    except RenderError as failure:
        return failure
    return Outgoing(key, message.envelope_sender, message.recipient, message.content)
