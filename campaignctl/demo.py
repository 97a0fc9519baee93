"""A whole campaign in fast time: import, publish, run, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from campaignctl.campaign.version import Version
from campaignctl.clock import SetClock
from campaignctl.contacts.event_file import import_events
from campaignctl.contacts.importing import ImportReport, import_contacts
from campaignctl.contacts.source import Source
from campaignctl.engine.daemon import Until
from campaignctl.engine.tick import TickReport
from campaignctl.message.address import normal_address
from campaignctl.permitting import Consent
from campaignctl.project import ProjectFile
from campaignctl.publishing import Publication, frozen, publish
from campaignctl.store.ledger import SqlStore
from campaignctl.validation import check_file
from campaignctl.wiring import daemon_for


@dataclass
class FastTime:
    """A project whose clock is set by hand: days pass in seconds."""

    project: ProjectFile
    store: SqlStore
    path: Path
    clock: SetClock

    def import_list(self, list_name: str, file: Path) -> ImportReport:
        settings = self.project.project.lists[list_name]
        return import_contacts(
            self.store.database,
            Source(file),
            list_name=list_name,
            key=settings.key,
            email=settings.email,
            phone=settings.phone,
            normal_address=normal_address,
            topics=self.project.project.topic_attributes,
            now=self.clock.now(),
        )

    def publish(
        self,
        file: Path,
        *,
        starts_now: bool = False,
        is_live: bool = False,
        extends: bool = False,
        seed: str = "demo",
    ) -> Publication:
        """Publish a campaign file that has no errors."""
        return publish(
            self.store,
            self.version(file),
            self.project.project,
            seed=seed,
            actor="demo",
            now=self.clock.now(),
            consent=Consent(is_live, extends, starts_now),
        )

    def version(self, file: Path) -> Version:
        """The version that a campaign file without errors describes at this moment."""
        checked = check_file(file, self.project, {})
        if checked.file is None:
            raise ValueError(checked.problems)
        return frozen(checked.file, self.project.project, checked.files)

    def bring_events(self, file: Path) -> None:
        """Bring in the events of a file, as `campaignctl events import` does."""
        import_events(self.store, Source(file), self.clock.now())

    def run_until(self, end: datetime, show: Callable[[datetime, TickReport], None]) -> None:
        """Let time pass to *end*, from one thing that is due to the next."""
        with daemon_for(
            self.store, self.path, self.project, self.clock, lambda report: show(self.clock.now(), report)
        ) as daemon:
            while True:
                daemon.run(Until.DONE_FOR_NOW)
                wake_at = daemon.wake_at
                if wake_at is None or wake_at > end:
                    break
                self.clock.set_to(wake_at)
            self.clock.set_to(end)


# The example's times lie ahead of this instant.
DEMO_STARTS = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
EVENTS_ARRIVE = datetime(2026, 12, 2, 9, 0, tzinfo=UTC)
DEMO_ENDS = EVENTS_ARRIVE + timedelta(days=14)
