"""Sending in virtual time: what the delivery loop does for each message, for a whole part of a cohort."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from campaignctl.campaign.when import zone_named
from campaignctl.engine.lane import Dispatched
from campaignctl.engine.messages import Messages
from campaignctl.engine.queues import StepQueue
from campaignctl.engine.rules import SendingRules
from campaignctl.flow.pace import Lane, Meter, paced
from campaignctl.flow.states import StepState
from campaignctl.flow.windows import Hours, Opening
from campaignctl.ports import Cohort
from campaignctl.simulation.assumptions import Assumptions
from campaignctl.simulation.rendering import MessageCheck
from campaignctl.store.virtual.leaving import Part
from campaignctl.store.virtual.ledger import VirtualLedger, VirtualStore

# By a rate a cohort leaves in so many parts, where what is asked of a contact may
# change meanwhile, or steps take turns. Of a small cohort each message is a part.
_PARTS: Final = 100
_EVERYBODY: Final = 2**62
_UNMETERED: Final = Meter(None, None)


@dataclass
class _Leg:
    """A step whose messages are leaving: its queue, its rate, the zones of its contacts, and who comes next."""

    queue: StepQueue
    meter: Meter
    zones: list[object] = field(default_factory=list)
    is_fresh: bool = False
    all_made: bool = False
    after: int = 0
    awake: frozenset[object] = frozenset()
    served: int = 0
    passed: int = 0  # how many who are next were looked at, and are not written to

    @property
    def cohort(self) -> Cohort:
        return self.queue.cohort

    @property
    def has_own_nights(self) -> bool:
        """Whether quiet hours are those of each contact."""
        return self.queue.zone_attribute is not None and self.queue.opening.quiet is not None


@dataclass
class VirtualSending:
    """
    Takes the place of the dispatcher; nothing later than *ends_at* is looked at.

    *is_watchful* says that whether a contact may be written to may change while
    a step sends: by events, by the frequency cap, with the time.
    """

    store: VirtualStore
    rules: SendingRules
    assumed: Assumptions
    check: MessageCheck
    channels: Mapping[str, Meter]
    ends_at: datetime
    is_watchful: bool
    _legs: dict[int, _Leg] = field(default_factory=dict)
    _rounds: int = 0

    def settle(self, now: datetime) -> None:
        """Nothing is kept back here."""

    def send(
        self,
        work: Sequence[tuple[Cohort, Messages]],
        now: Callable[[], datetime],
        is_ending: Callable[[], bool],  # noqa: ARG002 # nobody ends a simulation
        until: datetime,  # noqa: ARG002 # it takes no time
    ) -> Dispatched:
        """Let messages leave that may before something else happens."""
        at = now()
        done = Dispatched()
        with self.store.writing() as ledger:
            legs = [self._leg(cohort, messages, ledger, at) for cohort, messages in work]
            ready = [(leg, part) for leg in legs if (part := self._ready(leg, ledger, at)) is not None]
            lanes = []
            for leg, part in ready:
                number, last = self._next_to_leave(leg, part, ledger, is_alone=len(ledger.progress.next_at) == 1)
                if number:
                    lanes.append((leg, replace(part, to=last), Lane(leg.meter, number, served=leg.served)))
                else:
                    self._send_all(leg, part, ledger, at)
            for name in dict.fromkeys(leg.queue.channel for leg, _, _ in lanes):
                self._send_by(name, [each for each in lanes if each[0].queue.channel == name], ledger, at)
            done.sent = len(ready)
        return done

    def _send_by(
        self, channel: str, lanes: Sequence[tuple[_Leg, Part, Lane]], ledger: VirtualLedger, at: datetime
    ) -> None:
        """Messages of one channel leave by their rates."""
        if len(lanes) > 1:
            for leg, part, lane in lanes:
                lane.unsent = ledger.waiting_count(part) - lane.waiting - leg.passed
        self._send_paced(lanes, self._channel(channel), ledger, at)

    def _channel(self, name: str) -> Meter:
        return self.channels.get(name, _UNMETERED)

    def _next_to_leave(self, leg: _Leg, part: Part, ledger: VirtualLedger, *, is_alone: bool) -> tuple[int, int | None]:
        """How many messages wait for their turn by a rate, and the last contact of them; none without a rate."""
        if self._channel(leg.queue.channel).rate is None and leg.meter.rate is None:
            return 0, None
        most = leg.cohort.step.cohort or 1
        in_parts = self.is_watchful or not is_alone or leg.has_own_nights
        return ledger.next_to_leave(part, -(-most // _PARTS) if in_parts else most)

    def _leg(self, cohort: Cohort, messages: Messages, ledger: VirtualLedger, at: datetime) -> _Leg:
        leg = self._legs.get(cohort.step.id)
        if leg is None:
            queue = StepQueue.of(cohort, messages, self.rules)
            leg = self._legs[cohort.step.id] = _Leg(
                queue, Meter(queue.rate_of_contacts, ledger.rate_marks().get(f"step/{cohort.step.id}"))
            )
            leg.zones = ledger.zones(cohort) if leg.has_own_nights else []
            leg.is_fresh = not ledger.has_deliveries(cohort) and not leg.has_own_nights
            self.check.look_at(queue, messages, ledger, at)
            leg.all_made = not ledger.has_unmade(cohort)
        leg.queue.cohort = cohort
        return leg

    def _ready(self, leg: _Leg, ledger: VirtualLedger, at: datetime) -> Part | None:
        """The members whose messages may leave now; None, and when it goes on, where it has to wait."""
        if not ledger.has_waiting(leg.cohort, 0 if leg.has_own_nights else leg.after):
            self._drained(leg, ledger, at)
            return None
        leg.queue.blocked_until = None
        if not leg.queue.may_go_on(at):
            self._goes_on(leg, ledger, leg.queue.blocked_until or at)
            return None
        if self._next_at(leg, at) > at:
            self._goes_on(leg, ledger, self._next_at(leg, at))
            return None
        return self._part(leg, ledger, at)

    def _part(self, leg: _Leg, ledger: VirtualLedger, at: datetime) -> Part:
        part = Part(
            leg.cohort,
            at,
            leg.queue.cap,
            leg.after,
            is_first=leg.is_fresh,
            all_made=leg.all_made,
            country=self.rules.sms.country,
        )
        if not leg.has_own_nights:
            return part
        quiet = Opening(quiet=leg.queue.opening.quiet)
        here = leg.cohort.version.zone
        awake = frozenset(name for name in leg.zones if quiet.is_open(at, _zone_of(name, here)))
        if awake != leg.awake:
            leg.awake, leg.after = awake, 0  # somebody who was passed over may be awake now
        is_awake = ledger.is_in_zone(leg.cohort, awake)
        return replace(part, after=leg.after, is_awake=is_awake)

    def _send_all(self, leg: _Leg, part: Part, ledger: VirtualLedger, at: datetime) -> None:
        """Nothing of this part waits for a rate: whoever may be written to is, and the others are skipped."""
        ledger.let_leave(part, at, at, 0)
        leg.after = 0 if leg.has_own_nights else _EVERYBODY
        self._go_on_or_end(leg, ledger, at, only_asleep=True)

    def _send_paced(
        self, lanes: Sequence[tuple[_Leg, Part, Lane]], channel: Meter, ledger: VirtualLedger, at: datetime
    ) -> None:
        """Messages of several steps leave by their rates, until one has none left or something else happens."""
        until = min(self.ends_at, *(self._changes_at(leg, at) for leg, _, _ in lanes))
        unsent = [lane.unsent for _, _, lane in lanes]
        self._rounds = paced([lane for _, _, lane in lanes], channel, at, until, self._rounds)
        for (leg, part, lane), before in zip(lanes, unsent, strict=True):
            leg.served = lane.served
            leg.passed = 0 if lane.left else leg.passed + before - lane.unsent
            if lane.first_at is not None and lane.last_at is not None:
                if lane.waiting:
                    _, last = ledger.next_to_leave(part, lane.left)
                    part = replace(part, to=last)
                ledger.let_leave(part, lane.first_at, lane.last_at, lane.left)
                leg.after = part.to or _EVERYBODY
            if part.to is None and lane.left and ledger.ends_with_skipped(leg.cohort):
                # Those who are skipped at the end are looked at when there is room for a message.
                self._goes_on(leg, ledger, self._next_at(leg, lane.last_at or at))
            else:
                self._go_on_or_end(leg, ledger, lane.last_at or at)

    def _go_on_or_end(self, leg: _Leg, ledger: VirtualLedger, at: datetime, *, only_asleep: bool = False) -> None:
        """The step goes on when its rate lets it, or the first sleeper wakes up; or it is drained at *at*."""
        if not ledger.has_waiting(leg.cohort, 0 if leg.has_own_nights else leg.after):
            self._goes_on(leg, ledger, at)
            return
        next_at = self._next_at(leg, at)
        if leg.has_own_nights and only_asleep:
            quiet, here = Opening(quiet=leg.queue.opening.quiet), leg.cohort.version.zone
            opens = [quiet.next_open(at, _zone_of(name, here)) for name in leg.zones if name not in leg.awake]
            next_at = max(next_at, min((each for each in opens if each is not None), default=next_at))
        self._goes_on(leg, ledger, next_at)

    def _goes_on(self, leg: _Leg, ledger: VirtualLedger, at: datetime) -> None:
        ledger.progress.next_at[leg.cohort.step.id] = at

    def _drained(self, leg: _Leg, ledger: VirtualLedger, at: datetime) -> None:
        del ledger.progress.next_at[leg.cohort.step.id]
        self.assumed.react(leg.cohort, ledger, at)

    def _next_at(self, leg: _Leg, at: datetime) -> datetime:
        return max(self._channel(leg.queue.channel).next_at(at), leg.meter.next_at(at))

    def _changes_at(self, leg: _Leg, at: datetime) -> datetime:
        """When something else happens: hours end, somebody falls asleep or wakes up, another step is due."""
        here = leg.cohort.version.zone
        opening = leg.queue.opening
        edges = [] if opening.window is None else [_begins(_complement(opening.window), at, here)]
        if opening.quiet is not None:
            zones = [here, *(_zone_of(name, here) for name in leg.zones)]
            hours = (opening.quiet, _complement(opening.quiet))
            edges += [_begins(each, at, zone) for zone in dict.fromkeys(zones) for each in hours]
        edges += [
            step.effective_at
            for step in leg.cohort.campaign.steps
            if step.state is StepState.SCHEDULED and step.effective_at is not None and step.effective_at > at
        ]
        return min(edges, default=self.ends_at)


def _complement(hours: Hours) -> Hours:
    return Hours(hours.end, hours.start)


def _begins(hours: Hours, at: datetime, zone: ZoneInfo) -> datetime:
    """The next instant, after *at*, at which it is within these hours; a day later where it is all day."""
    found = Opening(window=hours).next_open(at, zone)
    return found if found is not None and found > at else at + timedelta(days=1)


def _zone_of(value: object, otherwise: ZoneInfo) -> ZoneInfo:
    try:
        return zone_named(str(value))
    except ValueError:
        return otherwise
