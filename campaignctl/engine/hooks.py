"""Hooks: other systems are told what happened, in order, beside the sending."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from threading import Event, Thread
from time import monotonic
from typing import Final

from campaignctl.engine.gates import back_off
from campaignctl.errors import StoreError
from campaignctl.hook_settings import Hook
from campaignctl.ports import HookEndpoints, HookFate, HookLane, HookPost, HookResult, Outcome, Store, Verdict

# So many campaigns are told to one hook at the same time: one that is slow leaves room for others.
LANES_OF_A_HOOK: Final = 4
_MOST_LANES: Final = 32
# What was told is written down together, so often or after so many: a daemon that dies tells that much again.
_RECORDED_EVERY: Final = 0.5  # seconds
_RECORDED_AFTER: Final = 100
_LOOK_EVERY: Final = 0.5  # seconds
_WAIT_FOR_STORE: Final = 2.0  # seconds

_Lane = tuple[int, int]  # a hook and a campaign, by their numbers


def result_of(post: HookPost, outcome: Outcome, give_up_after: timedelta, now: datetime) -> HookResult:
    """
    What one try means for its event.

    A refusal is final, as with messages. What may pass is tried until
    *give_up_after* has passed since the first try, and once more then.
    """
    said = outcome.detail or outcome.reason
    if outcome.verdict is Verdict.SENT:
        return HookResult(post, HookFate.TOLD, now)
    if outcome.reason == "gone":
        return HookResult(post, HookFate.GONE, now, said, now)
    gives_up_at = (post.tried_since or now) + give_up_after
    if outcome.verdict is Verdict.FAILED or now >= gives_up_at:
        return HookResult(post, HookFate.GAVE_UP, now, said)
    again_at = min(now + back_off(post.attempts + 1), gives_up_at)
    return HookResult(post, HookFate.AGAIN, now, said, max(again_at, outcome.retry_at or again_at))


def lanes_at_once(hooks: Mapping[str, Hook]) -> int:
    """How many campaigns are told of at the same time, to all hooks."""
    return min(_MOST_LANES, LANES_OF_A_HOOK * len(hooks))


class HookTeller:
    """
    Tells the hooks of a project what happened.

    What happened in one campaign is told to one hook in its order, each event
    when the one before was taken or given up; campaigns and hooks do not wait
    for each other. The store is asked and written in the caller's thread alone.
    """

    def __init__(
        self, store: Store, endpoints: HookEndpoints, hooks: Mapping[str, Hook], now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._endpoints = endpoints
        self._hooks = hooks
        self._now = now
        self._workers = ThreadPoolExecutor(lanes_at_once(hooks) or 1, thread_name_prefix="hook")
        self._under_way: dict[Future[list[HookResult]], HookLane] = {}
        self._known: dict[_Lane, list[HookResult]] = {}  # what the store has not taken yet
        self._served: dict[_Lane, int] = {}
        self._rounds = 0
        self._ending = Event()
        self._troubled: set[_Lane] = set()

    def wake_at(self) -> datetime | None:
        """When something is to be told; in the past while it is being told."""
        with self._store.reading() as ledger:
            return min((lane.next_attempt_at for lane in ledger.hook_lanes(self._hooks)), default=None)

    def proceed(self, patience: float = _LOOK_EVERY) -> list[str]:
        """
        Write down what has been told, waiting for it no longer than *patience*, and begin with what is due.

        What people should hear of it.

        Raises:
            StoreError: the store fails; what was told is written down the next time.
        """
        done, _ = wait(self._under_way, timeout=patience, return_when=FIRST_COMPLETED)
        for future in done:
            lane = self._under_way.pop(future)
            self._known.setdefault((lane.hook_id, lane.campaign_id), []).extend(future.result())
        troubles = self._record()
        if not self._ending.is_set():
            self._begin(self._now())
        return troubles

    @property
    def is_busy(self) -> bool:
        return bool(self._under_way)

    def end(self) -> None:
        """Begin with nothing more; what is being told is waited for by `close`."""
        self._ending.set()

    def close(self) -> None:
        """
        Wait for what is being told, ten seconds at the most, and write it down.

        Raises:
            StoreError: the store does not take it: it is told again, by the next daemon.
        """
        self.end()
        self._workers.shutdown()
        while self._under_way or self._known:
            self.proceed()

    def _record(self) -> list[str]:
        results = [result for of_lane in self._known.values() for result in of_lane]
        if results:
            with self._store.writing() as ledger:
                ledger.record_hooks(results, self._now())
        troubles = [told for lane, of_lane in self._known.items() if of_lane for told in self._heard(lane, of_lane)]
        self._known = {}
        return troubles

    def _heard(self, lane: _Lane, results: Sequence[HookResult]) -> list[str]:
        """A hook that does not listen is spoken of once, until it does again; what is given up, each time."""
        given_up = [each for each in results if each.fate is HookFate.GAVE_UP]
        last = results[-1]
        about = f"the hook `{last.post.hook}` about {last.post.happened.campaign}"
        told = [f"{about}: {len(given_up)} events could not be told: {given_up[-1].said}"] if given_up else []
        if last.fate is HookFate.GONE:
            told.append(f"the hook `{last.post.hook}` is off: it wants to be told nothing more ({last.said})")
        if last.fate is not HookFate.AGAIN:
            self._troubled.discard(lane)
        elif lane not in self._troubled:
            self._troubled.add(lane)
            told.append(f"{about}: it does not listen, and is told again later: {last.said}")
        return told

    def _begin(self, now: datetime) -> None:
        """Who has waited longest comes first, each hook with a few of its campaigns."""
        busy = list(self._under_way.values())
        taken = {(lane.hook_id, lane.campaign_id) for lane in busy}
        with self._store.reading() as ledger:
            due = [lane for lane in ledger.hook_lanes(self._hooks) if lane.next_attempt_at <= now]
            due.sort(key=lambda lane: self._served.get((lane.hook_id, lane.campaign_id), 0))
            begun = []
            for lane in due:
                key = (lane.hook_id, lane.campaign_id)
                of_hook = sum(each.hook_id == lane.hook_id for each in busy)
                if key not in taken and of_hook < LANES_OF_A_HOOK:
                    self._rounds += 1
                    self._served[key] = self._rounds
                    busy.append(lane)
                    begun.append((lane, ledger.hook_posts(lane, _RECORDED_AFTER)))
        for lane, posts in begun:
            self._under_way[self._workers.submit(self._tell, posts)] = lane

    def _tell(self, posts: Sequence[HookPost]) -> list[HookResult]:
        """In a thread of its own: one event after the other, until one is not taken or it is time to write down."""
        results: list[HookResult] = []
        ends_at = monotonic() + _RECORDED_EVERY
        for post in posts:
            outcome = self._endpoints.tell(post, self._now())
            results.append(result_of(post, outcome, self._hooks[post.hook].give_up_after, self._now()))
            is_stuck = results[-1].fate in (HookFate.AGAIN, HookFate.GONE)
            if is_stuck or self._ending.is_set() or monotonic() >= ends_at:
                break
        return results


class TellingThread:
    """A teller at work in a thread of its own, beside a daemon, until it is closed."""

    def __init__(self, teller: HookTeller, show: Callable[[list[str]], None]) -> None:
        self._teller = teller
        self._show = show
        self._ending = Event()
        self._thread = Thread(target=self._work, name="hooks")
        self._thread.start()

    def wake_at(self) -> datetime | None:
        """When something is to be told; in the past while it is being told."""
        return self._teller.wake_at() if self._thread.is_alive() else None

    def close(self) -> None:
        """Finish what is being told, and write it down."""
        self._teller.end()
        self._ending.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._ending.is_set():
            try:
                self._tell_of(self._teller.proceed())
                pause = 0.0 if self._teller.is_busy else _LOOK_EVERY
            except StoreError as failure:
                self._tell_of([f"hooks: {failure.message}"])
                pause = _WAIT_FOR_STORE
            self._ending.wait(pause)
        try:
            self._teller.close()
        except StoreError as failure:
            self._tell_of([f"hooks: {failure.message}; what was told since is told again"])

    def _tell_of(self, troubles: list[str]) -> None:
        if troubles:
            self._show(troubles)
