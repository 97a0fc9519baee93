"""One channel's part of the delivery loop: intent, wire, result, in this order for every message."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from campaignctl.engine.breaker import FIRST_MESSAGES, bounces_too_often
from campaignctl.engine.destinations import Destinations
from campaignctl.engine.queues import StepQueue
from campaignctl.engine.results import FIRST_BACK_OFF, result_of
from campaignctl.engine.rules import SendingRules
from campaignctl.engine.throttle import Throttle
from campaignctl.errors import StoreError
from campaignctl.message.sandbox import RenderError
from campaignctl.ports import (
    Candidate,
    Channel,
    Claim,
    Finished,
    Ledger,
    Outcome,
    Outgoing,
    Store,
    Verdict,
)


@dataclass
class Dispatched:
    """What a pass did, in numbers, and which steps it may not go on with before when."""

    sent: int = 0
    finished: int = 0
    has_moved: bool = False  # something was claimed, skipped or put off
    troubles: list[str] = field(default_factory=list)
    paused: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    blocked_until: dict[int, datetime] = field(default_factory=dict)


# A message that is ready, or why it cannot be made.
_Prepared = tuple[Candidate, Outgoing | RenderError]


class _Flight(NamedTuple):
    """A message that the channel has: for one contact, or a request about many."""

    queue: StepQueue
    candidates: Sequence[Candidate]


class _Landed(NamedTuple):
    """A message whose outcome is known, and not yet written down."""

    queue: StepQueue
    outcome: Outcome
    finished: Finished


@dataclass
class _Turn:
    """What one step does in one round."""

    queue: StepQueue
    prepared: list[_Prepared]
    later: list[tuple[Candidate, datetime]]
    has_moved: bool = False  # something of it was claimed, skipped or put off


class Lane:
    """
    Sends the deliveries of any number of steps by one channel, in turns.

    Each round is one transaction: it records what has finished and claims what
    goes next. Nothing is open while the channel talks. Outcomes that the store
    does not take stay in `landed`, and *keep_aside* is called.
    """

    def __init__(
        self,
        name: str,
        channel: Channel,
        store: Store,
        epoch: int,
        rules: SendingRules,
        throttle: Throttle,
        keep_aside: Callable[[bool], None],
    ) -> None:
        self.name = name
        self.landed: list[_Landed] = []
        self.down_until: datetime | None = None
        self._channel = channel
        self._store = store
        self._epoch = epoch
        self._rules = rules
        self._throttle = throttle
        self._keep_aside = keep_aside
        self._what = "the channel" if name == "email" else f"the channel `{name}`"
        self._mark = f"channel/{name}"
        self._rate = rules.rate_of(name)
        self._destinations = Destinations()
        self._queues: list[StepQueue] = []
        self._rounds = 0
        self._served: dict[int, int] = {}  # in which round each step had its last turn
        self._flights: dict[str, _Flight] = {}
        self.has_moved = False  # something was claimed, skipped or put off in the last round
        self._troubles_in_a_row = 0

    def is_down(self, now: datetime) -> bool:
        """Whether the channel refused to work a moment ago."""
        # Further ahead than any wait is what a clock says that was put back since.
        return self.down_until is not None and now < self.down_until <= now + FIRST_BACK_OFF

    def begin(self, queues: Sequence[StepQueue]) -> None:
        """These steps are to be worked on from now on."""
        self._queues = list(queues)

    def proceed(
        self, at: datetime, done: Dispatched, *, patience: timedelta, claims: bool, gives_up: bool
    ) -> tuple[Sequence[Outcome], StoreError | None]:
        """
        Record, claim where that is wanted, and let the channel work.

        With *gives_up* the channel breaks off what is under way. What has come
        out is for `take_in`. A store that fails does not keep outcomes from coming in.
        """
        outgoing: list[Outgoing] = []
        failure: StoreError | None = None
        try:
            outgoing = self._round(self._queues if claims and not self.is_down(at) else [], at, done)
        except StoreError as trouble:
            failure = trouble
        done.has_moved = done.has_moved or self.has_moved
        return self._channel.abandon() if gives_up else self._channel.exchange(outgoing, patience), failure

    @property
    def is_flying(self) -> bool:
        """Whether something is under way."""
        return bool(self._flights)

    def blocked_until(self) -> dict[int, datetime]:
        """The steps that a rate, their hours or the channel itself does not let go on, and until when."""
        waits = {queue.cohort.step.id: [queue.blocked_until, self.down_until] for queue in self._queues}
        found = {step: max(filter(None, instants), default=None) for step, instants in waits.items()}
        return {step: at for step, at in found.items() if at is not None}

    def settle(self, now: datetime) -> None:
        """
        Write down outcomes that the store did not take before.

        Raises:
            StoreError: it still does not.
        """
        if self.landed:
            self._round([], now, Dispatched())

    def _round(self, queues: Sequence[StepQueue], now: datetime, done: Dispatched) -> list[Outgoing]:
        """Record what has finished and claim what goes next, in one transaction."""
        self.has_moved = False
        turns = list(self._turns(queues, now))
        if not turns and not self.landed:
            return []
        granted: list[tuple[_Turn, list[tuple[Candidate, Outgoing]]]] = []
        try:
            with self._store.writing() as ledger:
                self._record(ledger, now, done)
                granted = [(turn, self._claim(ledger, turn, now)) for turn in turns if not self.is_down(now)]
                if marks := self._throttle.to_keep():
                    ledger.keep_rate_marks(marks)
        except StoreError:
            for turn in turns:
                self._return(turn)
            self._keep_aside(True)
            raise
        # From here on the intents are on the disk, and the results as well.
        self.landed = []
        self.has_moved = any(turn.has_moved for turn in turns)
        self._keep_aside(False)
        for turn in turns[len(granted) :]:
            self._return(turn)
        return [message for turn, messages in granted for message in self._begun(turn, messages, now)]

    def _begun(self, turn: _Turn, granted: Sequence[tuple[Candidate, Outgoing]], now: datetime) -> list[Outgoing]:
        """These are under way from now on, and the others of the turn are not."""
        queue = turn.queue
        under_way = {candidate.contact_id for candidate, _ in granted}
        for candidate, _ in turn.prepared:
            if candidate.contact_id not in under_way:
                self._destinations.gave_back(queue.destination(candidate))
        if queue.pack is None:
            self._flights |= {message.key: _Flight(queue, (candidate,)) for candidate, message in granted}
            return [message for _, message in granted]
        return self._packed(queue, [candidate for candidate, _ in granted], now)

    def _packed(self, queue: StepQueue, granted: Sequence[Candidate], now: datetime) -> list[Outgoing]:
        """One request for each batch; what of a batch was skipped is not in it."""
        requests = []
        for _, of_batch in groupby(granted, lambda candidate: candidate.batch):
            batch = list(of_batch)
            request = queue.packed(batch)
            flight = _Flight(queue, batch)
            if isinstance(request, RenderError):
                failed = Outcome("", Verdict.FAILED, request.reason, str(request))
                self._land(flight, failed, now)
            else:
                self._flights[request.key] = flight
                requests.append(request)
        return requests

    def _turns(self, queues: Sequence[StepQueue], now: datetime) -> Iterator[_Turn]:
        """What each step does next: the room is shared evenly among those that may go on and have something."""
        for queue in queues:
            if queue.may_go_on(now):
                queue.refill(self._store, now)
        room = self._channel.capacity - self._channel.in_flight
        room = self._throttle.allowance(self._mark, self._rate, now, room)
        busy = [queue for queue in queues if queue.ahead and not queue.blocked_until]
        # Who has waited longest comes first: a slow rate has room for one in a round.
        busy.sort(key=lambda queue: self._served.get(queue.cohort.step.id, 0))
        self._rounds += 1
        for turn, queue in enumerate(busy):
            share = -(-room // (len(busy) - turn))
            share = self._throttle.allowance(_rate_name(queue), queue.rate, now, share)
            if share == 0:
                queue.blocked_until = self._next_at(queue, now)
                continue
            choice = queue.choose(share, now, self._destinations)
            room -= queue.units(choice.now)
            if choice.now:
                self._served[queue.cohort.step.id] = self._rounds
            if choice.now or choice.later:
                yield _Turn(queue, [(each, queue.make(each)) for each in choice.now], choice.later)

    def _next_at(self, queue: StepQueue, now: datetime) -> datetime | None:
        """When a rate that is used up lets the step go on; None where only the channel has no room."""
        marks = [
            self._throttle.next_at(self._mark, self._rate),
            self._throttle.next_at(_rate_name(queue), queue.rate),
        ]
        return max((mark for mark in marks if mark is not None and mark > now), default=None)

    def _return(self, turn: _Turn) -> None:
        """The turn is not taken: its messages are next again."""
        turn.queue.give_back([candidate for candidate, _ in turn.prepared])
        for candidate, _ in turn.prepared:
            self._destinations.gave_back(turn.queue.destination(candidate))

    def _claim(self, ledger: Ledger, turn: _Turn, now: datetime) -> list[tuple[Candidate, Outgoing]]:
        queue, cohort = turn.queue, turn.queue.cohort
        if turn.later:
            ledger.put_off(cohort, turn.later)
            turn.has_moved = True
        for candidate, failure in turn.prepared:
            if isinstance(failure, RenderError):
                ledger.skip(cohort, candidate, failure.reason, str(failure), now)
                turn.has_moved = True
        ready = [(candidate, message) for candidate, message in turn.prepared if isinstance(message, Outgoing)]
        claims = ledger.claim(
            cohort,
            [candidate for candidate, _ in ready],
            self._epoch,
            now,
            queue.cap,
            [message.recipient for _, message in ready] if queue.checks_numbers else None,
        )
        granted = []
        for (candidate, message), claim in zip(ready, claims, strict=True):
            turn.has_moved = turn.has_moved or claim is not Claim.REFUSED
            if claim is Claim.GRANTED:
                granted.append((candidate, message))
        queue.has_moved = queue.has_moved or turn.has_moved
        used = queue.units([candidate for candidate, _ in granted])
        self._throttle.used(self._mark, self._rate, used, now)
        self._throttle.used(_rate_name(queue), queue.rate, used, now)
        return granted

    def take_in(self, outcomes: Sequence[Outcome], now: datetime, done: Dispatched) -> None:
        """What each outcome means for its delivery; it is written down in the next round."""
        for outcome in outcomes:
            flight = self._flights.pop(outcome.key)
            self._land(flight, outcome, now)
            self._judge_channel(outcome, now, done)
            done.finished += len(flight.candidates)
            done.sent += len(flight.candidates) if outcome.verdict is Verdict.SENT else 0

    def _land(self, flight: _Flight, outcome: Outcome, now: datetime) -> None:
        """The contacts of one message, or of one request, share its outcome."""
        queue = flight.queue
        for candidate in flight.candidates:
            result = result_of(
                outcome,
                attempts=candidate.attempts + 1,
                made_at=candidate.made_at,
                may_repeat=self._rules.may_repeat,
                now=now,
            )
            finished = Finished(
                queue.cohort.step.id,
                candidate.contact_id,
                candidate.address or "",
                self._epoch,
                result,
                now,
                outcome.message_id,
            )
            self.landed.append(_Landed(queue, outcome, finished))
            self._destinations.ended(queue.destination(candidate), outcome)

    def _record(self, ledger: Ledger, now: datetime, done: Dispatched) -> None:
        ledger.record([landed.finished for landed in self.landed])
        for landed in self.landed:
            if landed.outcome.blames_sender:
                self._pause(ledger, landed.queue, landed.outcome, now, done)
        for queue in {landed.queue for landed in self.landed if landed.finished.result.suppresses}:
            self._judge_step(ledger, queue, now, done)

    def _pause(self, ledger: Ledger, queue: StepQueue, outcome: Outcome, now: datetime, done: Dispatched) -> None:
        """Every further message would meet the same answer: a person has to look."""
        # A refused password is every campaign's trouble, another refusal only that of the campaign.
        queues = self._queues if outcome.reason == "auth_refused" else [queue]
        for campaign in {each.cohort.campaign.id: each.cohort.campaign for each in queues}.values():
            if ledger.campaign_paused(campaign):
                ledger.note("paused", campaign, {"reason": outcome.reason, "said": outcome.detail}, now)
                done.paused.append(f"{campaign.name}: {outcome.reason}: {outcome.detail}")

    def _judge_step(self, ledger: Ledger, queue: StepQueue, now: datetime, done: Dispatched) -> None:
        """Hold a step whose messages bounce too often, unless a person has let it go on."""
        campaign, step = queue.cohort.campaign, queue.cohort.step
        tried, bounced = ledger.tried_and_bounced(step, FIRST_MESSAGES + 1)
        if step.reason is None and bounces_too_often(tried, bounced) and ledger.step_held(step, "bounces"):
            ledger.note("step_held", campaign, {"step": step.name, "reason": "bounces", "hard_bounces": bounced}, now)
            done.held.append(f"{campaign.name}/{step.name}")

    def _judge_channel(self, outcome: Outcome, now: datetime, done: Dispatched) -> None:
        """A relay that does not take messages is left alone for a while: longer each time."""
        if outcome.verdict is not Verdict.NOT_SENT or outcome.reason == "abandoned":
            if outcome.verdict is Verdict.SENT:
                self._troubles_in_a_row, self.down_until = 0, None
            return
        if not self.is_down(now):
            self._troubles_in_a_row += 1
            wait = min(FIRST_BACK_OFF, timedelta(seconds=5) * 2 ** min(self._troubles_in_a_row - 1, 10))
            self.down_until = now + wait
            done.troubles.append(f"{self._what} does not take messages: {outcome.detail or outcome.reason}")


def _rate_name(queue: StepQueue) -> str:
    return f"step/{queue.cohort.step.id}"
