"""What the inside needs from the outside: channels that carry messages, and a store that remembers."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

from campaignctl.campaign.fields import Literal
from campaignctl.campaign.steps.base import Gate
from campaignctl.campaign.steps.effects import ByCondition, ByEngagement, ByShare
from campaignctl.campaign.version import Version
from campaignctl.flow.rates import FrequencyCap
from campaignctl.flow.states import CampaignState, DeliveryState, GateState, StepState
from campaignctl.flow.tree import Turn
from campaignctl.message.event_body import Happened

NOTHING: Final[Mapping[str, object]] = {}


class Verdict(StrEnum):
    """What is known of one try to hand a message over."""

    SENT = "sent"  # the other side took it
    DEFERRED = "deferred"  # refused for now; to be tried again later
    FAILED = "failed"  # refused for good
    UNCERTAIN = "uncertain"  # no answer after the last byte may have left
    NOT_SENT = "not_sent"  # nothing left, and no attempt was used


class Outgoing(NamedTuple):
    """
    One message on its way out: the delivery's key, the envelope and the bytes.

    `content` is RFC 5322 with CRLF line ends, not yet dot-stuffed.
    """

    key: str
    sender: str
    recipient: str
    content: bytes


class Outcome(NamedTuple):
    """
    What became of the message with this key.

    `reason` is a word of the contract (`hard_bounce`, `refused`, `relay_down`…);
    `detail` is what the other side said, for people, without line breaks.
    `is_hard_bounce` says that the address must not be written to again.
    `blames_sender` says that every further message would meet the same answer.
    `retry_at` is from when on the other side wants to be asked again;
    `is_repeatable` says that it would know a second try from another message.
    `message_id` is what it calls a message that it took, where it says that.
    """

    key: str
    verdict: Verdict
    reason: str = ""
    detail: str = ""
    is_hard_bounce: bool = False
    blames_sender: bool = False
    retry_at: datetime | None = None
    is_repeatable: bool = False
    message_id: str = ""


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

    def exchange(self, messages: Sequence[Outgoing], patience: timedelta | None = None) -> Sequence[Outcome]:
        """
        Take *messages* (at most `capacity - in_flight`) and return what has finished since the last call.

        Waits for at least one outcome while something is under way, so that a
        caller that loops does not spin, and may give others a moment to come
        with it. Waits no longer than *patience*: then it returns with nothing,
        and the caller can look at other things. Returns at once with nothing
        where nothing is under way.
        """
        ...

    def abandon(self, grace: timedelta = ...) -> Sequence[Outcome]:
        """
        Give what is under way so much *grace*, and break off what is left then: an outcome for all of it.

        What cannot have been accepted is not sent; what may have been is
        uncertain. Nothing is in flight afterwards.
        """
        ...

    def close(self) -> None:
        """Finish politely; nothing may be in flight, and nothing comes after it."""
        ...


@dataclass(frozen=True)
class LiveStep:
    """A step of a published campaign, as the store knows it."""

    id: int
    name: str
    position: int
    verb: str
    state: StepState
    version: int
    at: datetime | None
    effective_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    cohort: int | None
    reason: str | None

    @property
    def has_begun(self) -> bool:
        """Whether it has worked on something, or is over: no edit changes it any more."""
        return self.started_at is not None or self.state.is_final


@dataclass(frozen=True)
class LiveCampaign:
    """
    A published campaign, as the store knows it.

    A recurring one is a series: it has occurrences in place of steps, and
    `counts_from` says after which instant its starts count. Each occurrence is
    a campaign with the `series_id` of its series, and the instant of its start.
    """

    id: int
    name: str
    list_name: str
    seed: str
    version: int
    state: CampaignState
    published_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    members: int | None
    steps: tuple[LiveStep, ...]
    counts_from: datetime | None = None
    series_id: int | None = None
    starts_at: datetime | None = None

    @property
    def is_series(self) -> bool:
        """Whether it recurs, and has occurrences in place of steps."""
        return self.counts_from is not None

    @property
    def has_begun(self) -> bool:
        """Whether a step of it has begun or is over."""
        return any(step.has_begun for step in self.steps)

    def step(self, name: str) -> LiveStep:
        return next(step for step in self.steps if step.name == name)


@dataclass(frozen=True)
class Cohort:
    """The members that one step works on: those who took `turn` and have not left; all of them where it is None."""

    campaign: LiveCampaign
    step: LiveStep
    version: Version
    turn: Turn | None


# Why a step is held that waits for a send gate.
FOR_GATE: Final = "gate"


@dataclass(frozen=True)
class LiveGate:
    """
    A send gate of a step that has begun, as the store knows it.

    It is bound to one version and to one set of contacts, by their number and
    a `fingerprint`. `next_attempt_at` is when the endpoint is asked again;
    without it, and not `asked` yet, a person has to look, and `said` is why.
    `answer` is the SHA-256 of the answer that decided.
    """

    id: int
    campaign: str
    step: str
    verb: str
    step_id: int
    version: int
    endpoint: str
    is_holding: bool
    on_timeout: str
    state: GateState
    contacts: int
    fingerprint: str
    opened_at: datetime
    expires_at: datetime | None
    attempts: int
    next_attempt_at: datetime | None
    asked_at: datetime | None
    said: str | None
    closed_at: datetime | None
    closed_by: str | None
    answer: str | None
    rejected: int
    changed: int

    @property
    def needs_person(self) -> bool:
        """Whether its endpoint has refused to be asked, so that nothing goes on by itself."""
        return self.state is GateState.REQUESTED and self.next_attempt_at is None

    def is_expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now


@dataclass(frozen=True)
class GateRequest:
    """
    What the endpoint of a gate is told.

    `message_id` is the same at each attempt, so that the other side can tell
    that it has heard this before.
    """

    gate: LiveGate
    actions: Mapping[str, Literal]
    download_url: str
    finish_url: str
    message_id: str


class GateEndpoints(Protocol):
    """Asks the other systems that decide at send gates."""

    def ask(self, request: GateRequest, now: datetime) -> Outcome:
        """
        What came of asking once. It waits for the answer, ten seconds at the most.

        It does not raise for what the other side does: that is an outcome.
        """
        ...


class HookLane(NamedTuple):
    """What waits to be told to one hook of one campaign: one event after the other, the first of them then."""

    hook: str
    hook_id: int
    campaign_id: int
    next_attempt_at: datetime


class HookPost(NamedTuple):
    """Something that a hook is told. `message_id` is the same at each attempt; the first was at `tried_since`."""

    id: int
    hook: str
    message_id: str
    happened: Happened
    attempts: int
    tried_since: datetime | None


class HookFate(StrEnum):
    """What became of an event after a try to tell it."""

    TOLD = "told"  # the other side took it
    AGAIN = "again"  # to be tried again; what happened later waits for it
    GAVE_UP = "gave_up"  # a dead letter: it is kept, and what happened later is told
    GONE = "gone"  # the other side wants to be told nothing more


class HookResult(NamedTuple):
    """What one try to tell an event means, and when that was known."""

    post: HookPost
    fate: HookFate
    at: datetime
    said: str = ""
    again_at: datetime | None = None


class HookEndpoints(Protocol):
    """Tells other systems what happened."""

    def tell(self, post: HookPost, now: datetime) -> Outcome:
        """
        What came of telling once; may be called from several threads. It waits for the answer, ten seconds at the most.

        `reason` is `gone` where the other side wants to be told nothing more.
        """
        ...


class Candidate(NamedTuple):
    """
    A delivery that may be sent, with its contact as templates see it.

    `data` is what the request brought beside the contact, `gate` what a send
    gate answered about it. `batch` is the number of the request that it shares
    with others, where there is one.
    """

    contact_id: int
    contact_key: str
    address: str | None
    values: Mapping[str, object]
    made_at: datetime
    attempts: int
    data: Mapping[str, object] = NOTHING
    gate: Mapping[str, object] = NOTHING
    batch: int = 0


class Claim(StrEnum):
    """What came of asking whether a delivery may leave now."""

    GRANTED = "granted"  # the intent is written: it is ours to send
    SKIPPED = "skipped"  # not to be sent to this contact; the reason is written
    REFUSED = "refused"  # not now: stopped, taken by somebody else, or another address


@dataclass(frozen=True)
class Result:
    """What a try means for its delivery: the state it goes to, and when it is tried again."""

    state: DeliveryState
    reason: str = ""
    detail: str = ""
    next_attempt_at: datetime | None = None
    used_attempt: bool = True
    suppresses: bool = False


class Finished(NamedTuple):
    """A try that has ended: whose delivery it was, by which epoch, what it means, and when that was known."""

    step_id: int
    contact_id: int
    address: str
    epoch: int
    result: Result
    at: datetime
    message_id: str = ""


class ExportFile(Protocol):
    """A table that is written, and not in its place yet."""

    @property
    def written(self) -> int:
        """How many rows it has."""
        ...

    def put(self) -> None:
        """Let it take its place, in one step."""
        ...

    def close(self) -> None:
        """Throw it away, unless it has taken its place."""
        ...


class Exports(Protocol):
    """Writes tables to files that take their place when they are whole."""

    def prepare(self, path: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> ExportFile: ...


class Spill(Protocol):
    """Keeps results while the store does not take them."""

    def keep(self, results: Sequence[Finished]) -> None: ...


class Ledger(Protocol):
    """What the engine asks and writes, inside one transaction of the store."""

    # campaigns and steps
    def live_campaigns(self, states: Iterable[CampaignState] = ...) -> Sequence[LiveCampaign]: ...
    def campaign_named(self, name: str) -> LiveCampaign | None: ...
    def version(self, campaign: LiveCampaign, number: int) -> Version: ...
    def freeze_audience(self, campaign: LiveCampaign, version: Version, now: datetime) -> int: ...
    def step_started(
        self, step: LiveStep, version: int, effective_at: datetime, cohort: int, now: datetime
    ) -> None: ...
    def step_finished(self, step: LiveStep, now: datetime) -> None: ...
    def step_skipped(self, step: LiveStep, reason: str, now: datetime) -> None: ...
    def step_held(self, step: LiveStep, reason: str) -> bool: ...
    def campaign_paused(self, campaign: LiveCampaign) -> bool: ...
    def campaign_completed(self, campaign: LiveCampaign, now: datetime) -> None: ...
    def note(self, action: str, campaign: LiveCampaign, detail: Mapping[str, object], now: datetime) -> None: ...

    # recurring campaigns
    def last_start(self, series: LiveCampaign, now: datetime) -> datetime | None: ...
    def made_starts(self, series: LiveCampaign, since: datetime) -> Collection[datetime]: ...
    def skipped_starts(self, series: LiveCampaign) -> Collection[datetime]: ...
    def open_occurrences(self, series: LiveCampaign) -> Sequence[LiveCampaign]: ...
    def add_occurrence(
        self,
        series: LiveCampaign,
        version: Version,
        starts_at: datetime,
        seed: str,
        planned: Sequence[LiveStep],
        now: datetime,
    ) -> None: ...

    # what steps do with their cohorts
    def cohort_size(self, cohort: Cohort) -> int: ...
    def queue_deliveries(self, cohort: Cohort, now: datetime, batch: int | None = None) -> None: ...
    def hold_deliveries(self, cohort: Cohort, now: datetime) -> None: ...
    def open_gate(self, cohort: Cohort, gate: Gate, now: datetime) -> bool: ...
    def move_by_share(self, cohort: Cohort, rule: ByShare) -> None: ...
    def move_by_condition(self, cohort: Cohort, rule: ByCondition, now: datetime) -> None: ...
    def move_by_engagement(self, cohort: Cohort, rule: ByEngagement) -> None: ...
    def set_attributes(self, cohort: Cohort, attributes: Mapping[str, Literal]) -> None: ...
    def cohort_contacts(self, cohort: Cohort) -> Iterator[Candidate]: ...
    def contacts_and_reasons(
        self, cohort: Cohort, now: datetime, after: int, most: int
    ) -> Sequence[tuple[Candidate, str]]: ...
    def suppressed_numbers(self) -> Collection[str]: ...
    def write_attributes(self, cohort: Cohort, rows: Iterable[tuple[int, Mapping[str, Literal]]]) -> None: ...
    def end_members(self, cohort: Cohort) -> None: ...

    # deliveries
    def recover(self, epoch: int, may_repeat: bool, now: datetime) -> int: ...
    def candidates(self, cohort: Cohort, limit: int, now: datetime) -> Sequence[Candidate]: ...
    def batch_candidates(self, cohort: Cohort, most: int, now: datetime) -> Sequence[Candidate]: ...
    def claim(
        self,
        cohort: Cohort,
        candidates: Sequence[Candidate],
        epoch: int,
        now: datetime,
        cap: FrequencyCap | None,
        numbers: Sequence[str] | None = None,
    ) -> Sequence[Claim]: ...
    def put_off(self, cohort: Cohort, until: Sequence[tuple[Candidate, datetime]]) -> None: ...
    def skip(self, cohort: Cohort, candidate: Candidate, reason: str, detail: str, now: datetime) -> None: ...
    def record(self, finished: Sequence[Finished]) -> Sequence[Finished]: ...
    def is_drained(self, step: LiveStep) -> bool: ...
    def rate_marks(self) -> Mapping[str, datetime]: ...
    def keep_rate_marks(self, marks: Mapping[str, datetime]) -> None: ...
    def tried_and_bounced(self, step: LiveStep, most: int) -> tuple[int, int]: ...
    def sent_and_complained(self, step: LiveStep) -> tuple[int, int]: ...
    def next_attempts(self) -> Mapping[int, datetime]: ...

    # send gates
    def open_gates(self) -> Sequence[LiveGate]: ...
    def asking_gate(self, gate: LiveGate, again_at: datetime) -> bool: ...
    def gate_asked(self, gate: LiveGate, now: datetime) -> None: ...
    def gate_not_asked(self, gate: LiveGate, said: str, again_at: datetime | None) -> None: ...
    def time_out_gate(self, gate: LiveGate, now: datetime) -> bool: ...

    # hooks
    def hook_lanes(self, names: Collection[str]) -> Sequence[HookLane]: ...
    def hook_posts(self, lane: HookLane, most: int) -> Sequence[HookPost]: ...
    def record_hooks(self, results: Sequence[HookResult], now: datetime) -> None: ...


class Store(Protocol):
    """Remembers everything; each block is one transaction."""

    def reading(self) -> AbstractContextManager[Ledger]: ...
    def writing(self) -> AbstractContextManager[Ledger]: ...
