"""
One piece of cohort work on a prepared file, in a process of its own: `cohorts` starts it.

    python -m bench.cohort_work prepare BEFORE STARTED CONTACTS
    python -m bench.cohort_work WORK FILE CONTACTS
"""

from __future__ import annotations

import resource
import shutil
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from bench.processes import Used, tell
from campaignctl.campaign.attribute import AttributeType
from campaignctl.campaign.model import Campaign
from campaignctl.campaign.steps.effects import ByEngagement, ByShare, Reaction
from campaignctl.campaign.version import Version, VersionContent
from campaignctl.engine.schedule import planned_steps
from campaignctl.ports import Cohort, LiveCampaign
from campaignctl.store.database import open_sqlite
from campaignctl.store.ledger import SqlLedger, SqlStore
from campaignctl.store.lists import add_attributes, ensure_list

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
SHARES = {"a": Fraction(3, 10), "b": Fraction(3, 10), "c": Fraction(4, 10)}
_REACTIONS = ByEngagement("first", (("clicked", Reaction("click")), ("rest", None)))

BARE = {
    "bare-insert": "INSERT INTO members (campaign_id, contact_id, way_id) SELECT 1, id, 1 FROM contacts_1"
    " WHERE id % 2 = 0",
    "bare-update-of-members": "UPDATE members SET way_id = 2",
    "bare-update-of-contacts": "UPDATE contacts_1 SET a_engaged = 1 WHERE id % 2 = 0",
}

# Six events for each of 500,000 members: every third clicks twice; one opening in six is a machine's.
_EVENTS = """
    INSERT INTO events (step_id, contact_id, kind, at, url, is_machine)
    SELECT s.id, m.contact_id, CASE WHEN part > 4 AND m.contact_id % 3 = 0 THEN 'click' ELSE 'open' END,
      part, '', part = 1
    FROM steps s, members m,
      (SELECT 1 AS part UNION SELECT 2 UNION SELECT 3 UNION SELECT 4 UNION SELECT 5 UNION SELECT 6)
    WHERE s.name = 'first'
"""


def main(arguments: list[str]) -> None:
    """Do what the command line says."""
    if arguments[0] == "prepare":
        _prepare(Path(arguments[1]), Path(arguments[2]), int(arguments[3]))
    else:
        tell(_worked(arguments[0], Path(arguments[1]), int(arguments[2])))


def _worked(name: str, file: Path, contacts: int) -> Used:
    """Do the work called *name*, with its commit; what it took. That it did what it should is looked at afterwards."""
    store = SqlStore(open_sqlite(file, NOW))
    with store.reading() as ledger:
        campaign = ledger.campaign_named("bench")
        assert campaign is not None
        version = ledger.version(campaign, 1)
    work, expected = _works(campaign, version, contacts)[name]
    wall, processor = time.perf_counter(), time.process_time()
    with store.writing() as ledger:
        work(ledger)
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with store.reading() as ledger:
        found = [tuple(row) for row in ledger.connection.exec_driver_sql(expected[0])]
    store.close()
    if found != expected[1]:
        raise RuntimeError(f"{name} left {found}, not {expected[1]}")
    return Used(wall, processor, peak)


Expected = tuple[str, list[tuple[object, ...]]]


def _works(
    campaign: LiveCampaign, version: Version, contacts: int
) -> dict[str, tuple[Callable[[SqlLedger], object], Expected]]:
    """Each work, and what a query has to answer afterwards."""
    half, reaction = (Cohort(campaign, campaign.step(name), version, None) for name in ("half", "reaction"))
    members = contacts // 2
    clicked = contacts // 2 // 3
    by_way = "SELECT path, count(*) FROM members JOIN ways ON ways.id = way_id GROUP BY path ORDER BY path"
    engaged = "SELECT count(*) FROM contacts_1 WHERE a_engaged = 1"
    works: dict[str, tuple[Callable[[SqlLedger], object], Expected]] = {
        "audience": (
            lambda ledger: ledger.freeze_audience(campaign, version, NOW),
            (by_way, [("/", members)]),
        ),
        "random-split": (
            lambda ledger: ledger.move_by_share(half, ByShare(SHARES)),
            (by_way, [(f"/half={name}/", int(members * share)) for name, share in SHARES.items()]),
        ),
        "engagement-split": (
            lambda ledger: ledger.move_by_engagement(reaction, _REACTIONS),
            (by_way, [("/reaction=clicked/", clicked), ("/reaction=rest/", members - clicked)]),
        ),
        "set": (lambda ledger: ledger.set_attributes(half, {"engaged": True}), (engaged, [(members,)])),
    }
    expected: dict[str, Expected] = {
        "bare-insert": (by_way, [("/", members)]),
        "bare-update-of-members": (by_way, [("/elsewhere/", members)]),
        "bare-update-of-contacts": (engaged, [(members,)]),
    }
    for name, statement in BARE.items():
        works[name] = (lambda ledger, text=statement: _execute(ledger, text), expected[name])  # type: ignore[misc]
    return works


def _prepare(before: Path, started: Path, contacts: int) -> None:
    """Two files: a campaign about to start, and the same one with its members and their events."""
    store = SqlStore(open_sqlite(before, NOW))
    version = Version(TypeAdapter(VersionContent).validate_python(_content()), {})
    with store.writing() as ledger:
        fill(ledger, contacts)
        ledger.add_campaign(version, 1, "seed", planned_steps(version, NOW, NOW - NOW), "bench", NOW)
        _execute(ledger, "INSERT INTO ways (id, campaign_id, path) VALUES (1, 1, '/'), (2, 1, '/elsewhere/')")
    store.close()
    shutil.copyfile(before, started)
    store = SqlStore(open_sqlite(started, NOW))
    with store.writing() as ledger:
        campaign = ledger.campaign_named("bench")
        assert campaign is not None
        ledger.freeze_audience(campaign, version, NOW)
        _execute(ledger, _EVENTS)
    with store.reading() as ledger:
        events = ledger.connection.exec_driver_sql("SELECT count(*) FROM events").scalar_one()
    store.close()
    if events != 3 * contacts:
        raise RuntimeError(f"there are {events} events, not {3 * contacts}")


def fill(ledger: SqlLedger, contacts: int) -> None:
    """A list of so many contacts with five attributes, a quarter of them in each of four countries."""
    types = {"email": AttributeType.TEXT, "country": AttributeType.TEXT, "spent": AttributeType.INTEGER}
    types["engaged"] = AttributeType.BOOLEAN
    add_attributes(ledger.connection, ensure_list(ledger.connection, "customers", "id"), types)
    _execute(
        ledger,
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {contacts}) "
        "INSERT INTO contacts_1 (id, contact_key, a_email, a_country, a_spent) "
        "SELECT i, 'c-' || i, 'user' || i || '@example.org', substr('FRBEDENL', 1 + i % 4 * 2, 2), i % 200 FROM n",
    )


def _execute(ledger: SqlLedger, statement: str) -> None:
    ledger.connection.exec_driver_sql(statement)


def _content() -> dict[str, Any]:
    return {
        "campaign": _campaign(),
        "project": "bench",
        "timezone": "UTC",
        "contacts": {"key": "id", "email": "email"},
    }


def _campaign() -> Campaign:
    email = {"subject": "Hi", "body": "a.md"}
    at = "2026-12-01 10:00"
    return Campaign.model_validate(
        {
            "campaign": "bench",
            "list": "customers",
            "starter": {"segment": {"attribute": "country", "in": ["FR", "DE"]}},
            "steps": [
                {"id": "first", "at": at, "email": email},
                {"id": "half", "at": at, "split": {"by": "random", "branches": [{"name": "a", "share": "100%"}]}},
                {"id": "reaction", "at": at, "split": {"by": "engagement", "of": "first", "branches": [{"name": "a"}]}},
            ],
        }
    )


if __name__ == "__main__":
    main(sys.argv[1:])
