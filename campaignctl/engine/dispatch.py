"""The delivery loop: intent, wire, result, in this order for every message."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from campaignctl.engine.breaker import FIRST_MESSAGES, bounces_too_often
from campaignctl.engine.destinations import Destinations, domain_of
from campaignctl.engine.messages import Messages, delivery_key
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
    Cohort,
    Finished,
    Ledger,
    Outcome,
    Outgoing,
    Spill,
    Store,
    Verdict,
)

_CHANNEL: Final = "channel/email"

# A slow server must not keep the loop from seeing that it is to end.
_PATIENCE: Final = timedelta(seconds=1)
_GRACE: Final = timedelta(seconds=30)


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
    """A message that the channel has."""

    queue: StepQueue
    candidate: Candidate


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


class Dispatcher:
    """
    Sends the deliveries of any number of steps by one channel, in turns.

    Each round is one transaction: it records what has finished and claims what
    goes next. Nothing is open while the channel talks. Where the store does not
    take results they are kept in the *spill* until it does, and nothing leaves.
    """

    def __init__(self, store: Store, channel: Channel, epoch: int, rules: SendingRules, spill: Spill) -> None:
        self._store = store
        self._channel = channel
        self._epoch = epoch
        self._rules = rules
        self._spill = spill
        self._throttle = Throttle(store)
        self._destinations = Destinations()
        self._queues: list[StepQueue] = []
        self._rounds = 0
        self._served: dict[int, int] = {}  # in which round each step had its last turn
        self._flights: dict[str, _Flight] = {}
        self._landed: list[_Landed] = []
        self._is_spilled = False
        self._has_moved = False  # something, in the last round
        self._down_until: datetime | None = None
        self._troubles_in_a_row = 0

    def is_down(self, now: datetime) -> bool:
        """Whether the channel refused to work a moment ago."""
        # Further ahead than any wait is what a clock says that was put back since.
        return self._down_until is not None and now < self._down_until <= now + FIRST_BACK_OFF

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

        What is in flight at the end is waited for and recorded; when the daemon
        ends, for a grace of half a minute, and then broken off.

        Raises:
            StoreError: the store fails; every outcome is kept, and `settle` writes it down later.
        """
        done = Dispatched()
        self._queues = [StepQueue.of(cohort, messages, self._rules) for cohort, messages in work]
        failure: StoreError | None = None
        ends_at: datetime | None = None
        while True:
            at = now()
            if ends_at is None and is_ending():
                ends_at = at + _GRACE
            is_over = failure is not None or ends_at is not None or self.is_down(at) or at >= until
            outgoing: list[Outgoing] = []
            try:
                outgoing = self._round([] if is_over else self._queues, at, done)
            except StoreError as trouble:
                failure = trouble
            is_out_of_patience = ends_at is not None and at >= ends_at
            outcomes = self._channel.abandon() if is_out_of_patience else self._channel.exchange(outgoing, _PATIENCE)
            self._take_in(outcomes, now(), done)
            done.has_moved = done.has_moved or self._has_moved
            # A round may have found nobody to write to; then the next ones are asked about.
            if not outcomes and not self._flights and not self._has_moved:
                break
        if failure is not None:
            raise failure
        done.blocked_until = {
            queue.cohort.step.id: queue.blocked_until for queue in self._queues if queue.blocked_until is not None
        }
        return done

    def settle(self, now: datetime) -> None:
        """
        Write down outcomes that the store did not take before.

        Raises:
            StoreError: it still does not.
        """
        if self._landed:
            self._round([], now, Dispatched())

    def _round(self, queues: Sequence[StepQueue], now: datetime, done: Dispatched) -> list[Outgoing]:
        """Record what has finished and claim what goes next, in one transaction."""
        self._has_moved = False
        turns = list(self._turns(queues, now))
        if not turns and not self._landed:
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
            self._keep_aside()
            raise
        # From here on the intents are on the disk, and the results as well.
        self._landed = []
        self._has_moved = any(turn.has_moved for turn in turns)
        if self._is_spilled:
            self._keep_aside()
        for turn in turns[len(granted) :]:
            self._return(turn)
        return [message for turn, messages in granted for message in self._begun(turn, messages)]

    def _begun(self, turn: _Turn, granted: Sequence[tuple[Candidate, Outgoing]]) -> list[Outgoing]:
        """These are under way from now on, and the others of the turn are not."""
        under_way = {candidate.contact_id for candidate, _ in granted}
        for candidate, _ in turn.prepared:
            if candidate.contact_id not in under_way:
                self._destinations.gave_back(domain_of(candidate.address))
        self._flights |= {message.key: _Flight(turn.queue, candidate) for candidate, message in granted}
        return [message for _, message in granted]

    def _keep_aside(self) -> None:
        """Put what the store has not taken where it outlives this process."""
        if self._landed or self._is_spilled:
            self._spill.keep([landed.finished for landed in self._landed])
            self._is_spilled = bool(self._landed)

    def _turns(self, queues: Sequence[StepQueue], now: datetime) -> Iterator[_Turn]:
        """What each step does next: the room is shared evenly among those that may go on and have something."""
        for queue in queues:
            if queue.may_go_on(now):
                queue.refill(self._store, now)
        room = self._channel.capacity - self._channel.in_flight
        room = self._throttle.allowance(_CHANNEL, self._rules.rate, now, room)
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
            room -= len(choice.now)
            if choice.now:
                self._served[queue.cohort.step.id] = self._rounds
            if choice.now or choice.later:
                yield _Turn(queue, [(each, _rendered(queue, each, self._rules)) for each in choice.now], choice.later)

    def _next_at(self, queue: StepQueue, now: datetime) -> datetime | None:
        """When a rate that is used up lets the step go on; None where only the channel has no room."""
        marks = [
            self._throttle.next_at(_CHANNEL, self._rules.rate),
            self._throttle.next_at(_rate_name(queue), queue.rate),
        ]
        return max((mark for mark in marks if mark is not None and mark > now), default=None)

    def _return(self, turn: _Turn) -> None:
        """The turn is not taken: its messages are next again."""
        turn.queue.give_back([candidate for candidate, _ in turn.prepared])
        for candidate, _ in turn.prepared:
            self._destinations.gave_back(domain_of(candidate.address))

    def _claim(self, ledger: Ledger, turn: _Turn, now: datetime) -> list[tuple[Candidate, Outgoing]]:
        queue, cohort = turn.queue, turn.queue.cohort
        if turn.later:
            ledger.put_off(cohort, turn.later)
            turn.has_moved = True
        for candidate, failure in turn.prepared:
            if isinstance(failure, RenderError):
                ledger.skip(cohort, candidate, "render_error", str(failure), now)
                turn.has_moved = True
        ready = [(candidate, message) for candidate, message in turn.prepared if isinstance(message, Outgoing)]
        claims = ledger.claim(cohort, [candidate for candidate, _ in ready], self._epoch, now, self._rules.cap)
        granted = []
        for (candidate, message), claim in zip(ready, claims, strict=True):
            turn.has_moved = turn.has_moved or claim is not Claim.REFUSED
            if claim is Claim.GRANTED:
                granted.append((candidate, message))
        queue.has_moved = queue.has_moved or turn.has_moved
        self._throttle.used(_CHANNEL, self._rules.rate, len(granted), now)
        self._throttle.used(_rate_name(queue), queue.rate, len(granted), now)
        return granted

    def _take_in(self, outcomes: Sequence[Outcome], now: datetime, done: Dispatched) -> None:
        """What each outcome means for its delivery; it is written down in the next round."""
        for outcome in outcomes:
            flight = self._flights.pop(outcome.key)
            queue, candidate = flight.queue, flight.candidate
            result = result_of(
                outcome,
                attempts=candidate.attempts + 1,
                made_at=candidate.made_at,
                may_repeat=self._rules.may_repeat,
                now=now,
            )
            finished = Finished(
                queue.cohort.step.id, candidate.contact_id, candidate.address or "", self._epoch, result, now
            )
            self._landed.append(_Landed(queue, outcome, finished))
            self._destinations.ended(domain_of(candidate.address), outcome)
            self._judge_channel(outcome, now, done)
            done.finished += 1
            done.sent += outcome.verdict is Verdict.SENT

    def _record(self, ledger: Ledger, now: datetime, done: Dispatched) -> None:
        ledger.record([landed.finished for landed in self._landed])
        for landed in self._landed:
            if landed.outcome.blames_sender:
                self._pause(ledger, landed.queue, landed.outcome, now, done)
        for queue in {landed.queue for landed in self._landed if landed.finished.result.suppresses}:
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
                self._troubles_in_a_row, self._down_until = 0, None
            return
        if not self.is_down(now):
            self._troubles_in_a_row += 1
            wait = min(FIRST_BACK_OFF, timedelta(seconds=5) * 2 ** min(self._troubles_in_a_row - 1, 10))
            self._down_until = now + wait
            done.troubles.append(f"the channel does not take messages: {outcome.detail or outcome.reason}")


def _rate_name(queue: StepQueue) -> str:
    return f"step/{queue.cohort.step.id}"


def _rendered(queue: StepQueue, candidate: Candidate, rules: SendingRules) -> Outgoing | RenderError:
    campaign, step = queue.cohort.campaign, queue.cohort.step.name
    key = delivery_key(campaign, step, candidate)
    if not candidate.address:
        # Claiming finds out why it is not to be sent, and writes that down.
        return Outgoing(key, "", "", b"")
    try:
        message = queue.messages.render(campaign, step, candidate)
    except RenderError as failure:
        return failure
    sender, step_id = message.envelope_sender, queue.cohort.step.id
    if rules.return_path is not None:
        sender = rules.return_path.of(step_id, candidate.contact_id)
    content = rules.leaving(message.content, step_id, candidate.contact_id, candidate.made_at)
    return Outgoing(key, sender, message.recipient, content)
