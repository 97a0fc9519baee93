"""The delivery loop: every channel takes its turn, and none waits for another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from campaignctl.engine.lane import Dispatched, Lane
from campaignctl.engine.messages import Messages
from campaignctl.engine.queues import StepQueue
from campaignctl.engine.rules import SendingRules
from campaignctl.engine.throttle import Throttle
from campaignctl.errors import StoreError
from campaignctl.ports import Channel, Cohort, Spill, Store

# A slow server must not keep the loop from seeing that it is to end.
_PATIENCE: Final = timedelta(seconds=1)
# Nor one channel another: with several at work, none is waited for longer than this.
_SHARED_PATIENCE: Final = timedelta(milliseconds=10)
_GRACE: Final = timedelta(seconds=30)


class Dispatcher:
    """
    Sends the deliveries of any number of steps, by the channels that they name.

    Where the store does not take results they are kept in the *spill* until it
    does, and nothing leaves.
    """

    def __init__(
        self, store: Store, channels: Mapping[str, Channel], epoch: int, rules: SendingRules, spill: Spill
    ) -> None:
        throttle = Throttle(store)
        self._rules = rules
        self._spill = spill
        self._is_spilled = False
        self._lanes = {
            name: Lane(name, channel, store, epoch, rules, throttle, self._keep_aside)
            for name, channel in channels.items()
        }

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
        lanes = self._begun(work, done)
        failure: StoreError | None = None
        ends_at: datetime | None = None
        patience = _PATIENCE if len(lanes) == 1 else _SHARED_PATIENCE
        is_going = bool(lanes)
        while is_going:
            at, is_going = now(), False
            if ends_at is None and is_ending():
                ends_at = at + _GRACE
            # One that has nothing to do now may have in a moment: its rate lets it go on.
            for lane in lanes:
                outcomes, trouble = lane.proceed(
                    at,
                    done,
                    patience=patience,
                    claims=failure is None and ends_at is None and (at < until or self._is_kept_waiting(lane)),
                    gives_up=ends_at is not None and at >= ends_at,
                )
                failure = failure or trouble
                lane.take_in(outcomes, now(), done)
                # A round may have found nobody to write to; then the next ones are asked about.
                is_going = is_going or bool(outcomes) or lane.is_flying or lane.has_moved
        if failure is not None:
            raise failure
        done.blocked_until = {step: at for lane in lanes for step, at in lane.blocked_until().items()}
        return done

    def settle(self, now: datetime) -> None:
        """
        Write down outcomes that the store did not take before.

        Raises:
            StoreError: it still does not.
        """
        for lane in self._lanes.values():
            lane.settle(now)

    def _begun(self, work: Sequence[tuple[Cohort, Messages]], done: Dispatched) -> list[Lane]:
        """The lanes that have something to do, each with the steps that go by it."""
        queues: dict[str, list[StepQueue]] = {}
        for cohort, messages in work:
            queue = StepQueue.of(cohort, messages, self._rules)
            if queue.channel in self._lanes:
                queues.setdefault(queue.channel, []).append(queue)
            else:
                named = f"{cohort.campaign.name}/{cohort.step.name}"
                done.troubles.append(f"`{named}` cannot go on: the project has no channel `{queue.channel}` any more")
        for name, of_lane in queues.items():
            self._lanes[name].begin(of_lane)
        return [self._lanes[name] for name in queues]

    def _is_kept_waiting(self, lane: Lane) -> bool:
        """
        Whether e-mail would stand still only because another system takes its time to answer.

        That ends soon: requests have a deadline of seconds.
        """
        return lane.name == "email" and any(each.is_flying for each in self._lanes.values() if each is not lane)

    def _keep_aside(self, has_failed: bool) -> None:
        """Put what the store has not taken where it outlives this process; take it away when the store has it."""
        if has_failed or self._is_spilled:
            waiting = [landed.finished for lane in self._lanes.values() for landed in lane.landed]
            if waiting or self._is_spilled:
                self._spill.keep(waiting)
                self._is_spilled = bool(waiting)
