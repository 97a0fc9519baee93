"""Writing opens and clicks: many at once, in few transactions, and nobody waits for it."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Final

from campaignctl.clock import Clock
from campaignctl.errors import StoreError
from campaignctl.store.hits import SeenHit
from campaignctl.store.ledger import SqlStore

_MOST_HITS: Final = 200_000  # that wait; more are not counted
_HITS_AT_ONCE: Final = 5000
_GATHERED: Final = 0.2  # seconds in which hits come together
_AGAIN: Final = 0.2  # seconds until a store is asked again that did not take something
_TRIES_AT_THE_END: Final = 50
_log: Final = logging.getLogger(__name__)


class Writer:
    """
    Writes hits in batches, in a thread of its own.

    They wait in memory: while the store is locked they pile up, and what has
    not been written when the process is killed is lost.
    """

    def __init__(self, store: SqlStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._hits: deque[SeenHit] = deque()
        self._changed = threading.Condition()
        self._is_closing = False
        self.not_counted = 0  # hits for which there was no room
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def note(self, hit: SeenHit) -> None:
        """Count a hit, soon."""
        if len(self._hits) >= _MOST_HITS:
            self.not_counted += 1
            return
        self._hits.append(hit)
        if len(self._hits) == 1:
            with self._changed:
                self._changed.notify()

    def close(self) -> None:
        """Write what waits, and end."""
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        failures = 0
        while True:
            with self._changed:
                while not (self._hits or self._is_closing):
                    self._changed.wait()
                if not self._is_closing:
                    self._changed.wait(_GATHERED)
                if self._is_closing and not self._hits:
                    return
            try:
                self._count()
                failures = 0
            except StoreError:
                failures += 1
                if self._is_closing and failures > _TRIES_AT_THE_END:
                    _log.warning("the store takes nothing: %d opens and clicks are lost", len(self._hits))
                    return
                with self._changed:
                    self._changed.wait(_AGAIN)

    def _count(self) -> None:
        hits = [self._hits.popleft() for _ in range(min(len(self._hits), _HITS_AT_ONCE))]
        if not hits:
            return
        try:
            with self._store.writing() as ledger:
                ledger.take_hits(hits, self._clock.now())
        except StoreError:
            self._hits.extendleft(reversed(hits))
            raise
        except Exception:
            _log.exception("%d opens and clicks could not be counted", len(hits))
