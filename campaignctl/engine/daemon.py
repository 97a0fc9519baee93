"""The daemon: ticks, waits for what comes next, and ends when it is asked to."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from types import FrameType
from typing import Final

from campaignctl.clock import Clock
from campaignctl.engine.tick import Engine, TickReport
from campaignctl.errors import StoreError

# Publications, stops and imports come from other processes: look that often.
_LOOK_EVERY: Final = timedelta(seconds=2)


class Until(StrEnum):
    """When a run ends by itself."""

    ASKED = "asked"  # never: somebody asks it to end
    DONE_FOR_NOW = "once"  # when what is due has been done
    IDLE = "idle"  # when nothing is to come without a person; an answer of another system may be


class Daemon:
    """Runs an engine for as long as it is wanted."""

    def __init__(self, engine: Engine, clock: Clock, show: Callable[[TickReport], None]) -> None:
        self._engine = engine
        self._clock = clock
        self._show = show
        self._ending = threading.Event()
        self.wake_at: datetime | None = None

    def end(self) -> None:
        """Begin nothing more; what is under way is finished."""
        self._ending.set()

    def run(self, until: Until) -> None:
        """
        Tick until the end that *until* names, or until `end`.

        Raises:
            StoreError: the store fails in a run that does what is due, and no more.
        """
        while not self._ending.is_set():
            try:
                report = self._engine.tick(self._clock.now, self._ending.is_set)
            except StoreError as failure:
                if until is Until.DONE_FOR_NOW:
                    raise
                # A full disk or a long lock passes; outcomes are kept meanwhile.
                self._show(TickReport(troubles=[f"{failure.message}; nothing leaves until it works again"]))
                self._ending.wait(_LOOK_EVERY.total_seconds())
                continue
            self._show(report)
            self.wake_at = report.wake_at
            if report.did_something:
                continue
            now = self._clock.now()
            if until is Until.DONE_FOR_NOW and (report.wake_at is None or report.wake_at > now or report.troubles):
                return
            if until is Until.IDLE and report.wake_at is None and not report.is_awaiting:
                return
            self._ending.wait(_pause(report.wake_at, now).total_seconds())


def _pause(wake_at: datetime | None, now: datetime) -> timedelta:
    """
    How long to wait: until the next thing is due, and never longer than a look at the store may wait.

    A thing that is due and cannot be done waits as long as a look.
    """
    if wake_at is None or wake_at <= now:
        return _LOOK_EVERY
    return min(wake_at - now, _LOOK_EVERY)


@contextmanager
def ends_on_signals(end: Callable[[], object]) -> Iterator[None]:
    """SIGTERM and SIGINT end the work politely; a second one ends the process at once."""

    def handle(number: int, _frame: FrameType | None) -> None:
        end()
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
