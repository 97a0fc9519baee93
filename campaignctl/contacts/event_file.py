"""A file of events: what contacts did with messages, one JSON object a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from sqlalchemy import insert

from campaignctl.contacts.event_line import EventReader, NoEventError, Row
from campaignctl.contacts.source import Source, open_text
from campaignctl.contacts.staging import with_staging
from campaignctl.errors import WorkFailedError
from campaignctl.store.events import EventOutcome, brought
from campaignctl.store.ledger import SqlLedger, SqlStore

_EVENTS_AT_ONCE = 5000
_LINES_NAMED = 100
_PLAIN = EventReader()


@dataclass(frozen=True)
class EventReport:
    """What an import of events did; `lost_lines` are the first that belong to nothing."""

    read: int
    outcomes: Counter[EventOutcome]
    newly_suppressed: int
    lost_lines: Sequence[int] = ()

    @property
    def added(self) -> int:
        return self.outcomes[EventOutcome.ADDED]


class RejectedLine(NamedTuple):
    """A line that is no event, and why."""

    line: int
    reason: str
    hint: str


def import_events(
    store: SqlStore, source: Source, now: datetime, reader: EventReader = _PLAIN, *, is_trial: bool = False
) -> EventReport:
    """
    Bring in the events of a file, each once, however often it is imported: all of them or none.

    A trial says what would happen, and changes nothing.

    Raises:
        WorkFailedError: the file cannot be read, or a line of it is no event.
    """
    return bring_in(store, events_in(source, reader), now, is_trial=is_trial, country=reader.country)


def bring_in(
    store: SqlStore, rows: Iterator[Row], now: datetime, *, is_trial: bool = False, country: str | None = None
) -> EventReport:
    """
    Bring in events, each once: all of them or none. *country* is that of numbers without a country code.

    The events wait beside the store until the last one was read, so that
    memory stays flat and a daemon on the store is held up for a moment only.
    """
    with with_staging(store.database) as pinned:
        with pinned.reading() as connection:
            SqlLedger(connection).prepare_for_events()
        read = 0
        while some := list(islice(rows, _EVENTS_AT_ONCE)):
            with pinned.reading() as connection:
                connection.execute(insert(brought), some)
            read += len(some)
        with pinned.reading() as connection:
            outcomes = SqlLedger(connection).place_events(country)
            lost = SqlLedger(connection).lost_lines(_LINES_NAMED)
        with pinned.trying() if is_trial else pinned.writing() as connection:
            added, newly_suppressed = SqlLedger(connection).take_events(now)
        credit_conversions(SqlStore(pinned))
    outcomes += Counter({EventOutcome.ADDED: added, EventOutcome.KNOWN: read - outcomes.total() - added})
    return EventReport(read, outcomes, newly_suppressed, tuple(lost))


def credit_conversions(store: SqlStore) -> None:
    """Credit the conversions that wait for it, some at a time, so that others may write in between."""
    credited = 1
    while credited:
        with store.writing() as ledger:
            credited = ledger.credit_some()


def events_in(source: Source, reader: EventReader = _PLAIN) -> Iterator[Row]:
    """The events of a file, in order."""
    _, text = open_text(source)
    text.reconfigure(newline="\n")
    with text, source.translated():
        yield from event_rows(text, reader)


def event_rows(
    lines: Iterable[str], reader: EventReader = _PLAIN, reject: Callable[[RejectedLine], None] | None = None
) -> Iterator[Row]:
    """
    The events of lines, one each; empty lines are none. With *reject* those that are no events are left out.

    Raises:
        WorkFailedError: a line is no event.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = reader.row(line)
        except NoEventError as failure:
            if reject is None:
                hint = failure.hint if failure.hint.endswith("?") else f"{failure.hint}; nothing was changed"
                raise WorkFailedError("S221", f"line {number} is no event: {failure}", hint) from failure
            reject(RejectedLine(number, str(failure), failure.hint))
        else:
            yield {"line": number, **row}
