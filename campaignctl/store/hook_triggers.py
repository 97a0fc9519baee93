"""
Triggers that write down what hooks are to be told of, in the transaction in which it happens.

Whatever statement changes a delivery, and in whichever process: what happened
and that it must be told are one. Only tables that some hook is told of have a
trigger: without hooks there is none, and nothing costs anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from campaignctl.hook_settings import EventType
from campaignctl.store.events import EventKind


@dataclass(frozen=True)
class _Source:
    """A table that tells of some types of events: when, of which type, and what is kept of each."""

    types: frozenset[EventType]
    fires: str
    type: str
    at: str
    campaign: str
    step: str = "NULL"
    contact: str = "NULL"
    origin: str = "0"

    def statement(self, name: str) -> str:
        return f"""CREATE TRIGGER {name} {self.fires}
BEGIN
INSERT INTO hook_events (hook_id, campaign_id, type, step_id, contact_id, at, origin, attempts, next_attempt_at)
SELECT DISTINCT w.hook_id, c.id, w.type, {self.step}, {self.contact}, {self.at}, {self.origin}, 0, 0
FROM hook_wants w JOIN campaigns c ON c.id = {self.campaign}
WHERE w.type = {self.type}
AND w.campaign IN ('', c.name, (SELECT series.name FROM campaigns series WHERE series.id = c.series_id));
END"""  # noqa: S608 # nothing in it comes from outside


def _words(names: Mapping[str, EventType]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def _chosen(by: str, names: Mapping[str, EventType]) -> str:
    return " ".join([f"CASE {by}", *(f"WHEN '{name}' THEN '{type_}'" for name, type_ in names.items()), "END"])


_ENTRIES: Final[Mapping[str, EventType]] = {
    "published": "campaign.published",
    "extended": "campaign.published",
    "approved": "campaign.published",
    "started": "campaign.started",
    "triggered": "campaign.started",
    "paused": "campaign.paused",
    "resumed": "campaign.resumed",
    "stopped": "campaign.stopped",
    "completed": "campaign.completed",
    "step_held": "step.held",
    "gate_opened": "step.held",
}
_STATES: Final[Mapping[str, EventType]] = {"running": "step.started", "skipped": "step.skipped", "done": "step.done"}
_OUTCOMES: Final[Mapping[str, EventType]] = {
    "sent": "message.sent",
    "failed": "message.failed",
    "skipped": "message.skipped",
}
_REACTIONS: Final[Mapping[str, EventType]] = {
    EventKind.OPEN.value: "message.opened",
    EventKind.CLICK.value: "message.clicked",
    EventKind.BOUNCE.value: "message.bounced",
    EventKind.COMPLAINT.value: "message.complained",
    EventKind.UNSUBSCRIBE.value: "contact.unsubscribed",
}
_STEP_OF_ENTRY: Final = (
    "(SELECT s.id FROM steps s WHERE s.campaign_id = NEW.campaign_id AND s.name = json_extract(NEW.detail, '$.step'))"
)
_CAMPAIGN_OF_STEP: Final = "(SELECT s.campaign_id FROM steps s WHERE s.id = NEW.step_id)"

_SOURCES: Final[Mapping[str, _Source]] = {
    "hooks_of_journal": _Source(
        types=frozenset(_ENTRIES.values()),
        # Consent to a change is followed by its publication; a gate that holds nothing holds no step.
        fires=f"""AFTER INSERT ON journal WHEN NEW.action IN ({_words(_ENTRIES)})
AND (NEW.action <> 'approved' OR (SELECT state FROM campaigns WHERE id = NEW.campaign_id) = 'pending_approval')
AND (NEW.action <> 'gate_opened' OR (SELECT state FROM steps WHERE id = {_STEP_OF_ENTRY}) = 'held')""",  # noqa: S608 # nothing in it comes from outside
        type=_chosen("NEW.action", _ENTRIES),
        at="NEW.at",
        campaign="NEW.campaign_id",
        step=_STEP_OF_ENTRY,
        origin="NEW.id",
    ),
    "hooks_of_steps": _Source(
        types=frozenset(_STATES.values()),
        # A step that a person lets go on does not start again.
        fires=f"""AFTER UPDATE OF state ON steps WHEN NEW.state IN ({_words(_STATES)}) AND OLD.state <> NEW.state
AND (NEW.state <> 'running' OR OLD.state IN ('scheduled', 'waiting'))""",
        type=_chosen("NEW.state", _STATES),
        at="coalesce(NEW.finished_at, NEW.started_at, 0)",
        campaign="NEW.campaign_id",
        step="NEW.id",
    ),
    "hooks_of_deliveries": _Source(
        types=frozenset(_OUTCOMES.values()),
        fires=f"""AFTER UPDATE OF state ON deliveries
WHEN NEW.state IN ({_words(_OUTCOMES)}) AND OLD.state <> NEW.state""",
        type="'message.' || NEW.state",
        at="NEW.changed_at",
        campaign=_CAMPAIGN_OF_STEP,
        step="NEW.step_id",
        contact="NEW.contact_id",
    ),
    "hooks_of_events": _Source(
        types=frozenset(_REACTIONS.values()),
        fires=f"AFTER INSERT ON events WHEN NEW.kind IN ({_words(_REACTIONS)})",
        type=_chosen("NEW.kind", _REACTIONS),
        at="NEW.at",
        campaign=_CAMPAIGN_OF_STEP,
        step="NEW.step_id",
        contact="NEW.contact_id",
        origin="NEW.id",
    ),
    "hooks_of_conversions": _Source(
        types=frozenset({"message.converted"}),
        # Told once, when it is credited to a message: more clicks may give it to another one later.
        fires="AFTER UPDATE OF step_id ON conversions WHEN NEW.step_id IS NOT NULL AND OLD.step_id IS NULL",
        type="'message.converted'",
        at="NEW.at",
        campaign=_CAMPAIGN_OF_STEP,
        step="NEW.step_id",
        contact="NEW.contact_id",
        origin="NEW.id",
    ),
}


def set_triggers(connection: Connection, wanted: frozenset[str]) -> None:
    """Have the triggers that notice the *wanted* types of events, and no others."""
    needed = {name: each.statement(name) for name, each in _SOURCES.items() if each.types & wanted}
    found = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
    there = {name: sql for name, sql in found if name in _SOURCES}
    for name, sql in there.items():
        if needed.get(name) != sql:
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
    for name, sql in needed.items():
        if there.get(name) != sql:
            connection.exec_driver_sql(sql)
