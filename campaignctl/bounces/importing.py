"""From a mailbox of reports to events: bounces and complaints, each with the delivery it is about."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from campaignctl.bounces.mailbox import Found, messages_in
from campaignctl.bounces.parts import UnreadableError
from campaignctl.bounces.report import IGNORED, Report, ReportKind, report_in
from campaignctl.contacts.event_file import bring_in
from campaignctl.contacts.event_line import Row
from campaignctl.message.return_path import ReturnPaths
from campaignctl.store.events import EventKind
from campaignctl.store.instants import stored
from campaignctl.store.ledger import SqlStore
from campaignctl.store.returned import DeliveryNames, NamedDelivery

SHOWN: Final = 100

_LATEST: Final = timedelta(days=90)  # servers give up after days, and people after weeks


@dataclass
class BounceReport:
    """
    What a mailbox held: every message of it counts once.

    `kinds` are the reports by what they say. Those about no delivery of the
    store are `unmatched`, those that could not be read `unreadable`; the first
    of these are kept with the reason.
    """

    kinds: Counter[ReportKind] = field(default_factory=Counter)
    unmatched: int = 0
    unreadable: int = 0
    troubles: list[tuple[str, str]] = field(default_factory=list)
    added: int = 0
    newly_suppressed: int = 0

    @property
    def read(self) -> int:
        return self.kinds.total() + self.unmatched + self.unreadable

    def cannot_read(self, name: str, reason: str) -> None:
        self.unreadable += 1
        if len(self.troubles) < SHOWN:
            self.troubles.append((name, reason))


def import_bounces(
    store: SqlStore, mailbox: Path, return_paths: ReturnPaths, now: datetime, *, is_trial: bool = False
) -> BounceReport:
    """
    Bring in the reports of a mailbox, each once, however often it is imported.

    Whoever has no such address any more, or complained, is suppressed. The
    mailbox stays as it is. A trial says what would happen, and changes nothing.

    Raises:
        WorkFailedError: there is no such mailbox, or it cannot be read.
    """
    report = BounceReport()
    events = bring_in(store, _events_in(store, mailbox, return_paths, report), now, is_trial=is_trial)
    report.added = events.added
    report.newly_suppressed = events.newly_suppressed
    return report


def _events_in(store: SqlStore, mailbox: Path, return_paths: ReturnPaths, report: BounceReport) -> Iterator[Row]:
    """The events of a mailbox, one by one; *report* counts all the rest too."""
    names = DeliveryNames()
    for line, found in enumerate(messages_in(mailbox), 1):
        said = _read(found, return_paths, report)
        if said is None:
            continue
        if said.kind in IGNORED:
            report.kinds[said.kind] += 1
            continue
        delivery = _delivery(store, names, said)
        if delivery is None:
            report.unmatched += 1
            continue
        report.kinds[said.kind] += 1
        yield {"line": line, **_event(said, delivery)}


def _read(found: Found, return_paths: ReturnPaths, report: BounceReport) -> Report | None:
    if found.trouble:
        report.cannot_read(found.name, found.trouble)
        return None
    try:
        return report_in(found.content, return_paths)
    except UnreadableError as failure:
        report.cannot_read(found.name, str(failure))
        return None


def _delivery(store: SqlStore, names: DeliveryNames, said: Report) -> NamedDelivery | None:
    if said.delivery is None:
        return None
    with store.reading() as ledger:
        return names.of(ledger.connection, *said.delivery)


def _event(said: Report, delivery: NamedDelivery) -> Row:
    return {
        "campaign": delivery.campaign,
        "step": delivery.step,
        "contact_key": delivery.contact_key,
        "kind": EventKind.COMPLAINT if said.kind is ReportKind.COMPLAINT else EventKind.BOUNCE,
        "at": stored(_happened_at(said, delivery)),
        "url": "",
        "is_machine": False,
        "is_hard": said.kind is ReportKind.HARD,
    }


def _happened_at(said: Report, delivery: NamedDelivery) -> datetime:
    """
    When the report was written, as far as that can be: strangers set that clock.

    It must not depend on when we import, or a second import would make a second event.
    """
    made_at, written_at = delivery.made_at, said.written_at
    return written_at if written_at is not None and made_at <= written_at <= made_at + _LATEST else made_at
