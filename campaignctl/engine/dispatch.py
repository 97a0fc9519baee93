"""The delivery loop: intent, wire, result, in this order for every message."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from campaignctl.engine.messages import Messages, delivery_key
from campaignctl.engine.results import FIRST_BACK_OFF, result_of
from campaignctl.message.sandbox import RenderError
from campaignctl.ports import Candidate, Channel, Claim, Cohort, Ledger, Outcome, Outgoing, Store, Verdict

_BATCH: Final = 500


@dataclass
class Dispatched:
    """What a pass did, in numbers."""

    sent: int = 0
    finished: int = 0
    troubles: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Flight:
    """A message that the channel has."""

    cohort: Cohort
    candidate: Candidate


@dataclass
class _Queue:
    """What one step still has to send: candidates read ahead, and where reading goes on."""

    cohort: Cohort
    messages: Messages
    ahead: deque[Candidate] = field(default_factory=deque)
    after: int = 0
    is_read: bool = False


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
        until: datetime | None = None,
    ) -> Dispatched:
        """
        Send what is due of these steps, until all of it went out, something stops it, or it is *until*.

        What is in flight at the end is waited for and recorded.
        """
        done = Dispatched()
        queues = [_Queue(cohort, messages) for cohort, messages in work]
        while True:
            at = now()
            is_over = is_ending() or self.is_down(at) or (until is not None and at >= until)
            outgoing = self._round([] if is_over else queues, at, done)
            self._finished = list(self._channel.exchange(outgoing))
            if not self._finished and not self._flights:
                return done

    def _round(self, queues: Sequence[_Queue], now: datetime, done: Dispatched) -> list[Outgoing]:
        """Record what has finished and claim what goes next, in one transaction."""
        room = self._channel.capacity - self._channel.in_flight
        rendered = [self._prepare(queue, room, now) for queue in queues] if room and queues else []
        outgoing: list[Outgoing] = []
        with self._store.writing() as ledger:
            self._record(ledger, now, done)
            if not self.is_down(now):
                for queue, prepared in _in_turns(queues, rendered, room):
                    outgoing += self._claim(ledger, queue, prepared, now)
        return outgoing

    def _prepare(self, queue: _Queue, wanted: int, now: datetime) -> list[tuple[Candidate, Outgoing | RenderError]]:
        """The next messages of a step, rendered outside the transaction."""
        if not queue.ahead and not queue.is_read:
            with self._store.reading() as ledger:
                queue.ahead.extend(ledger.candidates(queue.cohort, queue.after, _BATCH, now))
            queue.is_read = len(queue.ahead) < _BATCH
            if queue.ahead:
                queue.after = queue.ahead[-1].contact_id
        chosen = [queue.ahead.popleft() for _ in range(min(wanted, len(queue.ahead)))]
        return [(candidate, self._rendered(queue, candidate)) for candidate in chosen]

    def _rendered(self, queue: _Queue, candidate: Candidate) -> Outgoing | RenderError:
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

    def _claim(
        self, ledger: Ledger, queue: _Queue, prepared: Sequence[tuple[Candidate, Outgoing | RenderError]], now: datetime
    ) -> list[Outgoing]:
        ready = [(candidate, message) for candidate, message in prepared if isinstance(message, Outgoing)]
        for candidate, failure in prepared:
            if isinstance(failure, RenderError):
                ledger.skip(queue.cohort, candidate, "render_error", str(failure), now)
        claims = ledger.claim(queue.cohort, [candidate for candidate, _ in ready], self._epoch, now)
        granted = []
        for (candidate, message), claim in zip(ready, claims, strict=True):
            if claim is Claim.GRANTED:
                self._flights[message.key] = _Flight(queue.cohort, replace(candidate, attempts=candidate.attempts + 1))
                granted.append(message)
        return granted

    def _record(self, ledger: Ledger, now: datetime, done: Dispatched) -> None:
        for outcome in self._finished:
            flight = self._flights.pop(outcome.key)
            result = result_of(
                outcome,
                attempts=flight.candidate.attempts,
                made_at=flight.candidate.made_at,
                may_repeat=self._may_repeat,
                now=now,
            )
            ledger.record(flight.cohort, flight.candidate, result, self._epoch, now)
            done.finished += 1
            if outcome.verdict is Verdict.SENT:
                done.sent += 1
            self._judge_channel(outcome, now, done)
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


def _in_turns(
    queues: Sequence[_Queue], rendered: Sequence[list[tuple[Candidate, Outgoing | RenderError]]], room: int
) -> Iterator[tuple[_Queue, list[tuple[Candidate, Outgoing | RenderError]]]]:
    """Share the room among the steps; what does not fit goes back to the front of its queue."""
    busy = [index for index, prepared in enumerate(rendered) if prepared]
    for turn, index in enumerate(busy):
        share = max(room // (len(busy) - turn), 1) if room > 0 else 0
        chosen, left = rendered[index][:share], rendered[index][share:]
        room -= len(chosen)
        queues[index].ahead.extendleft(candidate for candidate, _ in reversed(left))
        if chosen:
            yield queues[index], chosen
