"""
The projects that `plans` measures in, and the query that it measures against.

    python -m bench.plan_work prepare FOLDER CONTACTS STEPS
    python -m bench.plan_work audience PROJECT
"""

from __future__ import annotations

import resource
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.cohort_work import fill
from bench.processes import Used, tell
from campaignctl.campaign.version import Version
from campaignctl.clock import SetClock
from campaignctl.demo import FastTime
from campaignctl.project import ProjectFile, load_project
from campaignctl.store.database import open_sqlite
from campaignctl.store.ledger import SqlStore
from campaignctl.store.members import audience_of
from campaignctl.store.shared import count_of

NOW = datetime(2036, 12, 1, 9, 0, tzinfo=UTC)
_PROJECT = (
    "project: bench\ntimezone: UTC\nsender: news@shop.example\npostal_address: Paris\n"
    "lists: {customers: {key: id, email: email}}\nsend: {frequency_cap: {messages: 3, per: 7d}}\n"
)


def main(arguments: list[str]) -> None:
    """Do what the command line says."""
    if arguments[0] == "prepare":
        _prepare(Path(arguments[1]), int(arguments[2]), int(arguments[3]))
    else:
        tell(_counted(Path(arguments[1])))


def _counted(folder: Path) -> Used:
    """Count the audience of the new campaign."""
    fast = _opened(folder)
    version = fast.version(folder / "new.yaml")
    with fast.store.reading() as ledger:
        contacts = ledger.contact_list(ledger.known_campaign("other"))
        wall, processor = time.perf_counter(), time.process_time()
        count_of(ledger.connection, audience_of(version, contacts, NOW))
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return Used(wall, processor, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def _prepare(folder: Path, contacts: int, steps: int) -> None:
    """A project with a campaign that has started, `new`; and the same with a second one, `started`."""
    new = folder / "new"
    new.mkdir()
    (new / "campaignctl.yaml").write_text(_PROJECT)
    (new / "new.yaml").write_text(_campaign("new", steps))
    (new / "changed.yaml").write_text(_campaign("new", steps).replace("0, body", "0 again, body"))
    (new / "other.yaml").write_text(_campaign("other", 2))
    for number in range(steps):
        (new / f"{number}.md").write_text(
            f"Hello {{{{ contact.country | default('there') }}}},\n\nthis is number {number}.\n\n"
            "{{ unsubscribe_url }} {{ postal_address }}\n"
        )
    _started(new, "other", contacts)
    shutil.copytree(new, folder / "started")
    _started(folder / "started", "new", 0)


def _campaign(name: str, steps: int) -> str:
    segment = "{attribute: country, exists: true}" if name == "other" else "{attribute: country, in: [FR, DE]}"
    head = f"campaign: {name}\nlist: customers\nstarter: {{segment: {segment}}}\nsteps:\n"
    return head + "".join(
        f"  - id: step-{number}\n    at: 2037-{number // 28 + 1:02}-{number % 28 + 1:02} 09:00\n"
        f"    email: {{subject: Number {number % 2}, body: {number}.md}}\n"
        for number in range(steps)
    )


def _started(folder: Path, name: str, contacts: int) -> None:
    """Publish a campaign and freeze its audience, with so many contacts more."""
    fast = _opened(folder)
    if contacts:
        with fast.store.writing() as ledger:
            fill(ledger, contacts)
    fast.publish(folder / f"{name}.yaml")
    version: Version = fast.version(folder / f"{name}.yaml")
    with fast.store.writing() as ledger:
        ledger.freeze_audience(ledger.known_campaign(name), version, NOW)
    fast.store.close()


def _opened(folder: Path) -> FastTime:
    project = load_project(folder, {})
    if not isinstance(project, ProjectFile):
        raise TypeError(project)
    path = folder / "campaignctl.db"
    return FastTime(project, SqlStore(open_sqlite(path, NOW)), path, SetClock(NOW))


if __name__ == "__main__":
    main(sys.argv[1:])
