"""A file of events: what contacts did with messages, one JSON object a line."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from sqlalchemy import insert

from campaignctl.campaign.attribute import AttributeType
from campaignctl.contacts.column import harm
from campaignctl.contacts.detection import is_of_type, stored_instant
from campaignctl.contacts.source import Source, open_text
from campaignctl.contacts.staging import with_staging
from campaignctl.diagnostics import did_you_mean
from campaignctl.errors import WorkFailedError
from campaignctl.store.events import EventKind, EventOutcome, brought
from campaignctl.store.ledger import SqlLedger, SqlStore

_EVENTS_AT_ONCE = 5000
_EXAMPLE = "write one like in `campaignctl events import --help`; nothing was changed"

# One event, as the columns of `brought` name what it says.
Row = dict[str, object]


@dataclass(frozen=True)
class EventReport:
    """What an import of events did, and how many addresses it newly suppressed."""

    read: int
    outcomes: Counter[EventOutcome]
    newly_suppressed: int

    @property
    def added(self) -> int:
        return self.outcomes[EventOutcome.ADDED]


class NoEventError(Exception):
    """A line that is no event: what is wrong with it, and what to do."""

    def __init__(self, what: str, hint: str = _EXAMPLE) -> None:
        super().__init__(what)
        self.hint = hint


def import_events(
    store: SqlStore, source: Source, now: datetime, *, is_trial: bool = False, country: str | None = None
) -> EventReport:
    """
    Bring in the events of a file, each once, however often it is imported: all of them or none.

    A trial says what would happen, and changes nothing.

    Raises:
        WorkFailedError: the file cannot be read, or a line of it is no event.
    """
    return bring_in(store, events_in(source), now, is_trial=is_trial, country=country)


def _placed(ledger: SqlLedger, row: Row) -> Row:
    """An event with its campaign, step and contact, where it names the message as the provider does."""
    if "message_id" not in row:
        return row
    message_id = str(row["message_id"])
    campaign, step, contact = ledger.message_called(message_id) or ("", "", "")
    return {**row, "campaign": campaign, "step": step, "contact_key": contact}


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
                connection.execute(insert(brought), [_placed(SqlLedger(connection), row) for row in some])
            read += len(some)
        with pinned.reading() as connection:
            outcomes = SqlLedger(connection).place_events(country)
        with pinned.trying() if is_trial else pinned.writing() as connection:
            added, newly_suppressed = SqlLedger(connection).take_events(now)
    outcomes += Counter({EventOutcome.ADDED: added, EventOutcome.KNOWN: read - outcomes.total() - added})
    return EventReport(read, outcomes, newly_suppressed)


def events_in(source: Source) -> Iterator[Row]:
    """The events of a file, in order."""
    _, text = open_text(source)
    text.reconfigure(newline="\n")
    with text, source.translated():
        yield from event_rows(text)


def event_rows(lines: Iterable[str]) -> Iterator[Row]:
    """
    The events of lines, one each; empty lines are none.

    Raises:
        WorkFailedError: a line is no event.
    """
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield {"line": number, **_event(line)}
        except NoEventError as failure:
            raise WorkFailedError("S221", f"line {number} is no event: {failure}", failure.hint) from failure


def _event(line: str) -> Row:
    try:
        given = json.loads(line)
    except (ValueError, RecursionError) as failure:
        raise NoEventError("it is not JSON") from failure
    if not isinstance(given, dict):
        raise NoEventError("it is not an object")
    return {
        **_whose(given),
        "kind": _kind(_text(given, "event")),
        "at": _instant(_text(given, "at")),
        "url": _text(given, "url") if given.get("url") else "",
        "is_machine": _yes_or_no(given, "machine"),
        "is_hard": _yes_or_no(given, "hard"),
    }


def _whose(given: Mapping[str, object]) -> Row:
    if "message_id" in given and "campaign" not in given:
        return {"message_id": _text(given, "message_id")}
    named = (("campaign", "campaign"), ("step", "step"), ("contact_key", "contact"))
    return {column: _text(given, name) for column, name in named}


def _text(given: Mapping[str, object], name: str) -> str:
    """A text, or an integer as text, because keys of contacts are often written so."""
    if name not in given:
        raise NoEventError(f"it has no `{name}`")
    value = given[name]
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value:
        raise NoEventError(f"`{name}` is not text")
    if (found := harm(value)) is not None:
        raise NoEventError(f"`{name}`: {found}")
    return value


def _kind(word: str) -> str:
    if word not in _KINDS:
        hint = did_you_mean(word[:40], _KINDS, f"write one of {', '.join(EventKind)}")
        raise NoEventError(f"`{word[:40]}` is not something that happens with a message", hint)
    return word


_KINDS = frozenset(map(str, EventKind))


def _instant(text: str) -> int:
    found = stored_instant(text) if is_of_type(text, AttributeType.INSTANT) else None
    if found is None:
        hint = "write it with its offset from UTC, like `2026-12-01T09:30Z`; nothing was changed"
        raise NoEventError(f"`{text[:40]}` is not an instant", hint)
    return found


def _yes_or_no(given: Mapping[str, object], name: str) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise NoEventError(f"`{name}` is neither true nor false")
    return value
