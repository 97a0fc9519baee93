"""One pass over what is due."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from campaignctl.campaign.steps.effects import Effect, Write
from campaignctl.campaign.steps.union import RunnableStep
from campaignctl.engine.breaker import is_complained_about
from campaignctl.engine.carry_out import Outside, carry_out
from campaignctl.engine.exporting import WrittenAhead, write_ahead
from campaignctl.engine.gates import GateKeeper
from campaignctl.engine.lane import Dispatched
from campaignctl.engine.lateness import Late, verdict_on
from campaignctl.engine.messages import Messages
from campaignctl.engine.occurring import NOTHING_MISSING, Missing, make, missing
from campaignctl.errors import ChannelError
from campaignctl.flow.states import CampaignState, StepState
from campaignctl.flow.tree import Stop, stops
from campaignctl.message.links import Signer
from campaignctl.message.sandbox import RenderError
from campaignctl.ports import FOR_GATE, Cohort, GateEndpoints, Ledger, LiveCampaign, LiveStep, Store

# After so long a pass looks whether other steps have become due.
_SLICE: Final = timedelta(seconds=5)


@dataclass
class TickReport:
    """What a pass did, and what is left."""

    started: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    sent: int = 0
    has_moved: bool = False  # deliveries were claimed, skipped or put off
    paused: list[str] = field(default_factory=list)
    gates: list[str] = field(default_factory=list)  # what became of send gates
    is_awaiting: bool = False  # another system has been asked, and has not answered
    troubles: list[str] = field(default_factory=list)
    wake_at: datetime | None = None

    @property
    def did_something(self) -> bool:
        return bool(
            self.started or self.finished or self.made or self.held or self.gates or self.sent or self.has_moved
        )


@dataclass(frozen=True)
class _Running:
    """A version: its messages, and its steps in their places, by id."""

    messages: Messages
    stops: Mapping[str, Stop]


@dataclass(frozen=True)
class _Due:
    """A step that can begin, and since when it could."""

    campaign: LiveCampaign
    step: LiveStep
    running: _Running
    at: datetime


class _CannotBeDoneError(Exception):
    """A value cannot be filled in for a contact, or a file not be written: the transaction is taken back."""

    def __init__(self, due: _Due, failure: RenderError | ChannelError) -> None:
        super().__init__(str(failure))
        self.reason = failure.reason if isinstance(failure, RenderError) else "export_failed"
        self.due = due


class Sending(Protocol):
    """What sends the deliveries of steps: the dispatcher, or a simulation of it."""

    def settle(self, now: datetime) -> None: ...
    def send(
        self,
        work: Sequence[tuple[Cohort, Messages]],
        now: Callable[[], datetime],
        is_ending: Callable[[], bool],
        until: datetime,
    ) -> Dispatched: ...


class Engine:
    """Runs campaigns: knows the store and the channel, and is told the time."""

    def __init__(
        self,
        store: Store,
        dispatcher: Sending,
        signer: Signer | None = None,
        endpoints: GateEndpoints | None = None,
        outside: Outside | None = None,
    ) -> None:
        """
        *signer* makes the links of messages, where the project has an address for them.

        Without *endpoints* send gates are opened, and nobody is asked; without
        *outside* files are not written.
        """
        self._outside = outside or Outside()
        self._store = store
        self._signer = signer
        self._dispatcher = dispatcher
        self._gates = GateKeeper(store, endpoints, signer)
        self._versions: dict[tuple[int, int], _Running] = {}
        self._before: dict[tuple[int, int], _Running] = {}
        self._blocked_until: dict[int, datetime] = {}  # steps whose rate or hours do not let them go on

    def tick(self, now: Callable[[], datetime], is_ending: Callable[[], bool] = lambda: False) -> TickReport:
        """
        Begin what is due, send what may be sent, finish what is drained.

        The caller owns the loop, the sleep and the clock, so a test can let
        weeks pass without waiting.

        Raises:
            StoreError: the store fails; nothing that is known of messages is lost.
        """
        report = TickReport()
        # What no campaign asked for in this pass is forgotten in the next: a recurring one has a version a start.
        self._before, self._versions = self._versions, {}
        self._dispatcher.settle(now())
        starts = [
            self._keep_occurring(campaign.name, now(), report)
            for campaign in self._campaigns(CampaignState.ACTIVE)
            if campaign.is_series
        ]
        report.gates += self._gates.time_out(now())
        for campaign in self._campaigns(CampaignState.ACTIVE):
            self._begin_due_steps(campaign, now(), report)
            self._hold_what_is_called_spam(campaign, now(), report)
        self._send(now, is_ending, report)
        if not is_ending():
            self._ask_at_gate(now, report)
        for campaign in self._campaigns(CampaignState.ACTIVE):
            if not campaign.is_series:
                self._finish_drained_steps(campaign, now(), report)
        of_gates = self._gates.waiting()
        report.is_awaiting = of_gates.is_awaiting
        report.wake_at = min(filter(None, [self._wake_at(), of_gates.wake_at, *starts]), default=None)
        return report

    def _campaigns(self, *states: CampaignState) -> list[LiveCampaign]:
        with self._store.reading() as ledger:
            return list(ledger.live_campaigns(states))

    def _version(self, campaign: LiveCampaign, number: int, ledger: Ledger) -> _Running:
        key = (campaign.id, number)
        if key not in self._versions and key in self._before:
            self._versions[key] = self._before[key]
        if key not in self._versions:
            version = ledger.version(campaign, number)
            places = {stop.id: stop for stop in stops(version.campaign)}
            self._versions[key] = _Running(Messages(version, self._signer), places)
        return self._versions[key]

    def _keep_occurring(self, name: str, now: datetime, report: TickReport) -> datetime | None:
        """Make the occurrences of a series that are missing, and end it where it is over; when to look again."""
        with self._store.reading() as ledger:
            found = self._missing(name, now, ledger)
        if not found.starts and not found.is_over:
            return found.next_at
        with self._store.writing() as ledger:
            # Asked again under the lock, as with steps.
            found, series = self._missing(name, now, ledger), ledger.campaign_named(name)
            if series is None:
                return None
            version = self._version(series, series.version, ledger).messages.version
            report.made += [make(ledger, series, version, start, now) for start in found.starts]
            if found.is_over:
                ledger.campaign_completed(series, now)
        return found.next_at

    def _missing(self, name: str, now: datetime, ledger: Ledger) -> Missing:
        series = ledger.campaign_named(name)
        if series is None or series.state is not CampaignState.ACTIVE:
            return NOTHING_MISSING
        return missing(ledger, series, self._version(series, series.version, ledger).messages.version, now, now)

    def _begin_due_steps(self, campaign: LiveCampaign, now: datetime, report: TickReport) -> None:
        """Begin steps in their order until one has to wait; what needs no channel is finished at once."""
        while True:
            with self._store.reading() as ledger:
                due = self._first_due(campaign.name, now, ledger)
            if due is None:
                return
            written = None
            try:
                written = self._written_ahead(due, now)
                with self._store.writing() as ledger:
                    # Asked again under the lock: somebody may have paused or changed the campaign.
                    due = self._first_due(campaign.name, now, ledger)
                    if due is None:
                        return
                    self._begin(due, written, ledger, now, report)
            except _CannotBeDoneError as failure:
                self._hold(failure, now, report)
            finally:
                if written is not None:
                    written.file.close()

    def _written_ahead(self, due: _Due, now: datetime) -> WrittenAhead | None:
        """The file of a step that writes one, beside its place; nothing for other steps, and before the start."""
        effect = _effect_of(due)
        if not isinstance(effect, Write) or due.campaign.started_at is None or _lateness(due, now) is not Late.RUN:
            return None
        try:
            return write_ahead(effect, _cohort(due), self._store, self._outside.exports, self._outside.country, now)
        except ChannelError as failure:
            raise _CannotBeDoneError(due, failure) from failure

    def _hold(self, failure: _CannotBeDoneError, now: datetime, report: TickReport) -> None:
        """Nothing of the step was done, and a person has to look: it can still be changed."""
        campaign, step = failure.due.campaign, failure.due.step
        with self._store.writing() as ledger:
            if ledger.step_held(step, failure.reason):
                detail = {"step": step.name, "reason": failure.reason, "said": str(failure)}
                ledger.note("step_held", campaign, detail, now)
                report.held.append(f"{campaign.name}/{step.name}")

    def _first_due(self, name: str, now: datetime, ledger: Ledger) -> _Due | None:
        campaign = ledger.campaign_named(name)
        if campaign is None or campaign.state is not CampaignState.ACTIVE:
            return None
        running = self._version(campaign, campaign.version, ledger)
        coming = ((step, _due_at(campaign, running, step)) for step in campaign.steps)
        return next((_Due(campaign, step, running, at) for step, at in coming if at is not None and at <= now), None)

    def _begin(
        self, due: _Due, written: WrittenAhead | None, ledger: Ledger, now: datetime, report: TickReport
    ) -> None:
        campaign, step, messages = due.campaign, due.step, due.running.messages
        named = f"{campaign.name}/{step.name}"
        match _lateness(due, now):
            case Late.SKIP:
                ledger.step_skipped(step, "too_late", now)
                ledger.note("step_skipped", campaign, {"step": step.name, "reason": "too_late"}, now)
                report.finished.append(named)
                return
            case Late.HOLD:
                ledger.step_held(step, "too_late")
                ledger.note("step_held", campaign, {"step": step.name, "reason": "too_late"}, now)
                report.held.append(named)
                return
            case Late.RUN:
                pass
        if campaign.started_at is None:
            count = ledger.freeze_audience(campaign, messages.version, now)
            ledger.note("started", campaign, {"members": count}, now)
        cohort, effect = _cohort(due), _effect_of(due)
        if isinstance(effect, Write) and (written is None or not written.is_of(cohort)):
            # Who is in the file is known from now on, or the campaign is another one than a moment ago.
            return
        ledger.step_started(step, campaign.version, due.at, ledger.cohort_size(cohort), now)
        try:
            is_over = carry_out(effect, cohort, ledger, messages, written, now)
        except (RenderError, ChannelError) as failure:
            raise _CannotBeDoneError(due, failure) from failure
        report.started.append(named)
        if is_over:
            ledger.step_finished(step, now)
            report.finished.append(named)

    def _hold_what_is_called_spam(self, campaign: LiveCampaign, now: datetime, report: TickReport) -> None:
        """Hold the steps at work that too many complain about, unless a person has let them go on."""
        at_work = [step for step in campaign.steps if step.state is StepState.RUNNING and step.reason is None]
        with self._store.reading() as ledger:
            counts = [(step, *ledger.sent_and_complained(step)) for step in at_work]
        for step, sent, complaints in counts:
            if is_complained_about(sent, complaints):
                with self._store.writing() as ledger:
                    if ledger.step_held(step, "complaints"):
                        detail = {"step": step.name, "reason": "complaints", "sent": sent, "complaints": complaints}
                        ledger.note("step_held", campaign, detail, now)
                        report.held.append(f"{campaign.name}/{step.name}")

    def _send(self, now: Callable[[], datetime], is_ending: Callable[[], bool], report: TickReport) -> None:
        """Send what is due: deliveries of running steps, and those of finished ones that are tried again."""
        at, work = now(), []
        self._blocked_until = {}
        with self._store.reading() as ledger:
            due = {step for step, first_at in ledger.next_attempts().items() if first_at <= at}
            campaigns = ledger.live_campaigns((CampaignState.ACTIVE, CampaignState.COMPLETED)) if due else ()
            for campaign in campaigns:
                for step in campaign.steps:
                    if step.id in due and _may_send(step):
                        # A step keeps the version that it began with, whatever is published meanwhile.
                        running = self._version(campaign, step.version, ledger)
                        turn = running.stops[step.name].turn
                        work.append((Cohort(campaign, step, running.messages.version, turn), running.messages))
        if work:
            done = self._dispatcher.send(work, now, is_ending, at + _SLICE)
            report.sent += done.sent
            report.has_moved = report.has_moved or done.has_moved
            report.troubles += done.troubles
            report.paused += done.paused
            report.held += done.held
            self._blocked_until = done.blocked_until

    def _ask_at_gate(self, now: Callable[[], datetime], report: TickReport) -> None:
        asked = self._gates.ask(now)
        report.gates += asked.gates
        report.held += asked.held
        report.troubles += asked.troubles

    def _finish_drained_steps(self, campaign: LiveCampaign, now: datetime, report: TickReport) -> None:
        with self._store.writing() as ledger:
            for step in campaign.steps:
                if step.state is StepState.RUNNING and ledger.is_drained(step):
                    ledger.step_finished(step, now)
                    report.finished.append(f"{campaign.name}/{step.name}")
            for after in ledger.live_campaigns():
                if after.id == campaign.id and all(step.state.is_final for step in after.steps):
                    ledger.campaign_completed(after, now)

    def _wake_at(self) -> datetime | None:
        """When the next thing is to be done; None where nothing is to come without a person."""
        with self._store.reading() as ledger:
            attempts = ledger.next_attempts()
            # Of completed campaigns only refused messages may be to come; of recurring ones there are many.
            live = ledger.live_campaigns((CampaignState.ACTIVE, *([CampaignState.COMPLETED] if attempts else [])))
            tried = [
                max(attempts[step.id], self._blocked_until.get(step.id, attempts[step.id]))
                for campaign in live
                for step in campaign.steps
                if step.id in attempts and _may_send(step)
            ]
            coming = [
                at
                for campaign in live
                if campaign.state is CampaignState.ACTIVE
                for step in campaign.steps
                if (at := _due_at(campaign, self._version(campaign, campaign.version, ledger), step)) is not None
            ]
        return min([*tried, *coming], default=None)


def _lateness(due: _Due, now: datetime) -> Late:
    return verdict_on(due.running.stops[due.step.name].step, due.running.messages.version.campaign, due.at, now)


def _cohort(due: _Due) -> Cohort:
    return Cohort(due.campaign, due.step, due.running.messages.version, due.running.stops[due.step.name].turn)


def _effect_of(due: _Due) -> Effect:
    step = due.running.stops[due.step.name].step
    if not isinstance(step, RunnableStep):
        raise TypeError(f"`{due.step.verb}` was published, and this version cannot run it")
    return step.effect()


def _may_send(step: LiveStep) -> bool:
    """Whether its messages may leave: of a finished step those that are tried again, at a gate what is let go on."""
    return step.state in (StepState.RUNNING, StepState.DONE) or (
        step.state is StepState.HELD and step.reason == FOR_GATE
    )


def _due_at(campaign: LiveCampaign, running: _Running, step: LiveStep) -> datetime | None:
    """
    When a step to come could begin: at its time, or when the last step before it ended; None while one has not.

    One that was skipped took no time. Where a request brings the contacts,
    nothing begins before it.
    """
    if campaign.started_at is None and running.messages.version.starts_by_request:
        return None
    if step.state is not StepState.SCHEDULED or step.effective_at is None:
        return None
    before = [each for each in campaign.steps if each.name in running.stops[step.name].before]
    if not all(each.state.is_final for each in before):
        return None
    return max([step.effective_at, *(each.finished_at for each in before if each.started_at and each.finished_at)])
