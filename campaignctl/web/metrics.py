"""Numbers for those who watch the service, in the text form of Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import Response

from campaignctl.flow.states import CampaignState, DeliveryState, StepState
from campaignctl.store.events import EventKind
from campaignctl.store.ledger import SqlLedger
from campaignctl.store.overview import conversion_count, overview, seen_counts, step_counts
from campaignctl.web.operations import TEXT, Content, Operation, Reply
from campaignctl.web.service import Service
from campaignctl.wiring import has_daemon

# https://prometheus.io/docs/instrumenting/exposition_formats/, text format 0.0.4.
_MEDIA = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Family:
    """One thing that is measured: by the word of its label, or alone under the empty one."""

    name: str
    told: str
    values: Mapping[str, float]
    label: str = ""

    def lines(self) -> Iterator[str]:
        yield f"# HELP {self.name} {self.told}"
        yield f"# TYPE {self.name} gauge"
        for word, value in self.values.items():
            labels = f'{{{self.label}="{word}"}}' if self.label else ""
            yield f"{self.name}{labels} {value:g}"


async def metrics(_request: Request, service: Service) -> Response:
    families = await service.in_thread(_families, service, service.clock.now())
    lines = [line for family in families for line in family.lines()]
    return Response("\n".join([*lines, ""]), media_type=_MEDIA)


def _families(service: Service, now: datetime) -> list[Family]:
    path = service.store.database.path
    with service.store.reading() as ledger:
        return [
            Family(
                "campaignctl_daemon_up",
                "Whether a daemon runs on the store.",
                {"": path is not None and has_daemon(path)},
            ),
            *_counts(ledger),
            Family(
                "campaignctl_overdue_seconds",
                "How long the oldest message waits that may leave.",
                {"": _overdue(ledger, now)},
            ),
            *_hooks(ledger),
        ]


def _counts(ledger: SqlLedger) -> Iterator[Family]:
    found = overview(ledger.connection)
    steps = step_counts(ledger.connection)
    yield Family("campaignctl_campaigns", "Campaigns by state.", _all(CampaignState, found.campaigns), "state")
    yield Family("campaignctl_steps", "Steps by state.", _all(StepState, steps), "state")
    yield Family("campaignctl_deliveries", "Deliveries by state.", _all(DeliveryState, found.deliveries), "state")
    seen = seen_counts(ledger.connection)
    for kind, name, told in ((EventKind.OPEN, "opens", "Opens"), (EventKind.CLICK, "clicks", "Clicks")):
        by = {"person": float(seen.get((kind, False), 0)), "machine": float(seen.get((kind, True), 0))}
        yield Family(f"campaignctl_{name}", f"{told} of messages, by who made them.", by, "by")
    yield Family(
        "campaignctl_conversions", "Conversions that were told.", {"": float(conversion_count(ledger.connection))}
    )
    contacts = {each.list: float(each.contacts) for each in found.lists}
    yield Family("campaignctl_contacts", "Contacts by list.", contacts, "list")


def _hooks(ledger: SqlLedger) -> Iterator[Family]:
    found = ledger.hook_standings()
    waiting, dead = {each.hook: each.waiting for each in found}, {each.hook: each.dead for each in found}
    yield Family("campaignctl_hook_waiting", "Events that a hook is still to be told of.", waiting, "hook")
    yield Family("campaignctl_hook_dead", "Events that a hook could not be told of.", dead, "hook")


def _all(
    words: type[CampaignState] | type[StepState] | type[DeliveryState], counted: Mapping[str, int]
) -> Mapping[str, float]:
    """Every state has a number, so that an alert does not wait for the first of its kind."""
    return {str(word): float(counted.get(word, 0)) for word in words}


def _overdue(ledger: SqlLedger, now: datetime) -> float:
    at_work = {
        step.id for campaign in ledger.live_campaigns((CampaignState.ACTIVE,)) for step in campaign.steps
        if step.state is StepState.RUNNING
    }  # fmt: skip
    since = [at for step, at in ledger.next_attempts().items() if step in at_work]
    return max(0.0, (now - min(since)).total_seconds()) if since else 0.0


OPERATIONS = (
    Operation(
        "GET", "/metrics", "metrics", "Numbers for Prometheus", metrics,
        {200: Reply("Gauges, in the text format 0.0.4.", (Content(TEXT),))}, scope="read", tag="health",
    ),
)  # fmt: skip
