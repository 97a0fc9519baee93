"""
A witness inside the store: triggers that see every change of state, whoever makes it.

What is final may not change at all. What leaves `uncertain` is written down,
to be compared with the journal.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

_RESOLVED, _RETRIED, _SKIPPED = "uncertain_resolved", "uncertain_retried", "uncertain_skipped"
_TRIGGERS = (
    "CREATE TABLE left_uncertain (step_id INTEGER, contact_id INTEGER)",
    "CREATE TRIGGER leaves AFTER UPDATE ON deliveries WHEN OLD.state = 'uncertain' AND NEW.state <> 'uncertain'"
    " BEGIN INSERT INTO left_uncertain VALUES (NEW.step_id, NEW.contact_id); END",
    "CREATE TRIGGER final AFTER UPDATE ON deliveries WHEN NEW.state <> OLD.state"
    " AND OLD.state IN ('sent', 'failed', 'skipped', 'rejected', 'cancelled')"
    " BEGIN SELECT RAISE(ABORT, 'what is final changed'); END",
)


def watch(connection: Any) -> None:
    """Let the witness see the store behind this connection of a driver."""
    for statement in _TRIGGERS:
        connection.execute(statement).close()


def not_in_the_journal(connection: Any) -> Iterator[str]:
    """The steps of which more, or fewer, deliveries left `uncertain` than the journal says."""
    left = dict(
        connection.execute(
            "SELECT campaigns.name || '/' || steps.name, COUNT(*) FROM left_uncertain"
            " JOIN steps ON steps.id = step_id JOIN campaigns ON campaigns.id = campaign_id GROUP BY 1"
        ).fetchall()
    )
    noted: Counter[str] = Counter()
    for action, name, text in connection.execute(
        "SELECT action, campaigns.name, detail FROM journal JOIN campaigns ON campaigns.id = campaign_id"
    ).fetchall():
        detail = json.loads(text)
        # What a person wants to be tried again is uncertain until it is.
        if action in (_RETRIED, _SKIPPED) or (action == _RESOLVED and detail["as"] != "retry"):
            noted[f"{name}/{detail['step']}"] += detail["count"]
    for step in sorted(left.keys() | noted.keys()):
        if left.get(step, 0) != noted[step]:
            yield f"of {step}, {left.get(step, 0)} deliveries left `uncertain`, and the journal has {noted[step]}"
