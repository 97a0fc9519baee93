"""How fast messages leave: rates, remembered across restarts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from campaignctl.flow.rates import Rate
from campaignctl.ports import Store


class Throttle:
    """
    The instants from which on the next message by each rate is in time.

    They are written in the transaction that writes the intents, so a daemon
    that is killed and started again sends no faster.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._in_time_at: dict[str, datetime] | None = None
        self._changed: set[str] = set()

    def allowance(self, name: str, rate: Rate | None, now: datetime, most: int) -> int:
        """How many messages may leave by this rate now, *most* at the most."""
        if rate is None:
            return most
        return min(most, rate.allowance(self._marks.get(name), now))

    def used(self, name: str, rate: Rate | None, sent: int, now: datetime) -> None:
        """So many messages leave by this rate."""
        if rate is not None and sent:
            self._marks[name] = rate.after(sent, self._marks.get(name), now)
            self._changed.add(name)

    def next_at(self, name: str, rate: Rate | None) -> datetime | None:
        """From when on a message may leave by this rate; None where it may already."""
        mark = self._marks.get(name)
        return None if rate is None or mark is None else rate.next_at(mark)

    def to_keep(self) -> Mapping[str, datetime]:
        """What has changed since it was asked last, to be written down."""
        changed = {name: self._marks[name] for name in self._changed}
        self._changed.clear()
        return changed

    @property
    def _marks(self) -> dict[str, datetime]:
        if self._in_time_at is None:
            with self._store.reading() as ledger:
                self._in_time_at = dict(ledger.rate_marks())
        return self._in_time_at
