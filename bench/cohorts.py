"""What steps cost with a million contacts, against bare statements over as many rows in the same file."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import text

from campaignctl.campaign.attribute import AttributeType
from campaignctl.campaign.model import Campaign
from campaignctl.campaign.steps.effects import ByEngagement, ByShare, Reaction
from campaignctl.campaign.version import Version, VersionContent
from campaignctl.ports import Cohort
from campaignctl.publishing import planned_steps
from campaignctl.store.database import open_sqlite
from campaignctl.store.ledger import SqlLedger, SqlStore
from campaignctl.store.lists import add_attributes, ensure_list

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)


def measure(contacts: int = 1_000_000) -> dict[str, float]:
    """Seconds of each piece of work and of the bare statement beside it; peak memory in MiB."""
    with tempfile.TemporaryDirectory() as folder:
        store = SqlStore(open_sqlite(Path(folder) / "bench.db", NOW))
        try:
            return _measured(store, contacts)
        finally:
            store.close()


def _measured(store: SqlStore, contacts: int) -> dict[str, float]:
    version = Version(
        TypeAdapter(VersionContent).validate_python(
            {
                "campaign": _campaign(),
                "project": "bench",
                "timezone": "UTC",
                "contacts": {"key": "id", "email": "email"},
            }
        ),
        {},
    )
    with store.writing() as ledger:
        _fill(ledger, contacts)
        list_id = 1
        ledger.add_campaign(version, list_id, "seed", planned_steps(version, NOW, NOW - NOW), "bench", NOW)
    found: dict[str, float] = {}

    def timed(name: str, work: Callable[[SqlLedger], Any]) -> None:
        with store.writing() as ledger:
            began = time.perf_counter()
            work(ledger)
        found[name] = time.perf_counter() - began

    campaign = store_campaign(store)
    timed("audience", lambda ledger: ledger.freeze_audience(campaign, version, NOW))
    timed("bare insert", lambda ledger: _execute(ledger, BARE_INSERT))
    cohort = Cohort(campaign, campaign.step("half"), version, None)
    shares = {"a": Fraction(3, 10), "b": Fraction(3, 10), "c": Fraction(4, 10)}
    timed("random split", lambda ledger: ledger.move_by_share(cohort, ByShare(shares)))
    timed("bare update of members", lambda ledger: _execute(ledger, "UPDATE bare SET way_id = 2"))
    timed("events", lambda ledger: _execute(ledger, EVENTS.format(step=campaign.step("first").id)))
    reactions = ByEngagement("first", (("clicked", Reaction("click")), ("rest", None)))
    reaction = Cohort(campaign, campaign.step("reaction"), version, None)
    timed("engagement split", lambda ledger: ledger.move_by_engagement(reaction, reactions))
    timed("set", lambda ledger: ledger.set_attributes(cohort, {"engaged": True}))
    timed(
        "bare update of contacts", lambda ledger: _execute(ledger, "UPDATE contacts_1 SET a_other = 1 WHERE id % 2 = 0")
    )
    found["peak MiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


BARE_INSERT = "INSERT INTO bare SELECT 1, id, 1, NULL FROM contacts_1 WHERE id % 2 = 0"
# Three events for each of a million messages: opens, opens again, and clicks of one contact in three.
EVENTS = (
    "INSERT INTO events (step_id, contact_id, kind, at, url, is_machine) "
    "SELECT {step}, c.id, k.kind, k.at, '', 0 FROM contacts_1 c, "
    "(SELECT 'open' AS kind, 1 AS at, 1 AS part UNION ALL SELECT 'open', 2, 1 UNION ALL SELECT 'click', 3, 1) k"
)


def store_campaign(store: SqlStore) -> Any:
    with store.reading() as ledger:
        return ledger.campaign_named("bench")


def _execute(ledger: SqlLedger, statement: str) -> None:
    ledger.connection.execute(text(statement))


def _fill(ledger: SqlLedger, contacts: int) -> None:
    types = {"email": AttributeType.TEXT, "country": AttributeType.TEXT, "spent": AttributeType.INTEGER}
    types |= {"engaged": AttributeType.BOOLEAN, "other": AttributeType.INTEGER}
    add_attributes(ledger.connection, ensure_list(ledger.connection, "customers", "id"), types)
    _execute(
        ledger,
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {contacts}) "
        "INSERT INTO contacts_1 (id, contact_key, a_email, a_country, a_spent) "
        "SELECT i, 'c-' || i, 'user' || i || '@example.org', substr('FRBEDENL', 1 + i % 4 * 2, 2), i % 200 FROM n",
    )
    _execute(
        ledger,
        "CREATE TABLE bare (campaign_id INTEGER, contact_id INTEGER, way_id INTEGER, left_at_step INTEGER, "
        "PRIMARY KEY (campaign_id, contact_id)) WITHOUT ROWID",
    )


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
