"""Statements about what the service sees of messages: opens and clicks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, bindparam, case, false, func, literal, or_, select, update
from sqlalchemy.dialects.sqlite import insert

from campaignctl.flow import machines
from campaignctl.flow.states import DeliveryState
from campaignctl.store.conversions import ConversionStatements
from campaignctl.store.events import EventKind
from campaignctl.store.instants import instant, stored
from campaignctl.store.tables import agents, deliveries, events, links
from campaignctl.store.uncertain import Resolution

_CONTACTS_AT_ONCE: Final = 500
_MOST_REMEMBERED: Final = 300  # characters of what a program calls itself
MOST_KEPT: Final = 200  # opens, and clicks, of one message: whoever asks again and again makes no work
_LEFT: Final = (DeliveryState.SENDING, DeliveryState.SENT, DeliveryState.UNCERTAIN)


class SeenHit(NamedTuple):
    """A request for the image or a link of a message, as the service saw it."""

    kind: EventKind
    step_id: int
    contact_id: int
    at: datetime
    method: str
    agent: str
    link: int | None = None
    url: str = ""


_DELAY: Final = case(
    (deliveries.c.state == DeliveryState.SENDING.value, literal(0)),
    (deliveries.c.state == DeliveryState.SENT.value, bindparam("h_at") - deliveries.c.changed_at),
    else_=None,
)
_COLUMNS: Final = ["step_id", "contact_id", "kind", "at", "url", "is_machine", "link", "method", "agent_id", "delay"]
_EARLIER: Final = events.alias()
# Only of messages that exist: a token of a message that was never made counts nothing.
_TAKE: Final = (
    insert(events)
    .from_select(
        _COLUMNS,
        select(
            deliveries.c.step_id,
            deliveries.c.contact_id,
            bindparam("h_kind"),
            bindparam("h_at"),
            bindparam("h_url"),
            false(),
            bindparam("h_link"),
            bindparam("h_method"),
            bindparam("h_agent"),
            _DELAY,
        ).where(
            deliveries.c.step_id == bindparam("h_step"),
            deliveries.c.contact_id == bindparam("h_contact"),
            or_(*(deliveries.c.state == state.value for state in _LEFT)),
            select(func.count())
            .select_from(_EARLIER)
            .where(
                _EARLIER.c.step_id == bindparam("h_step"),
                _EARLIER.c.kind == bindparam("h_kind"),
                _EARLIER.c.contact_id == bindparam("h_contact"),
            )
            .scalar_subquery()
            < MOST_KEPT,
        ),
    )
    .on_conflict_do_nothing()
)


class HitStatements(ConversionStatements):
    """What the service writes down."""

    connection: Connection

    def links_of(self, step_id: int) -> dict[int, str]:
        """Where the counted links of a step's message lead."""
        rows = self.connection.execute(select(links.c.number, links.c.url).where(links.c.step_id == step_id))
        return {row.number: row.url for row in rows}

    def take_hits(self, hits: Sequence[SeenHit], now: datetime) -> None:
        """Write hits down, and tell machines from people among all that happened with the same messages."""
        known = self._agents({hit.agent[:_MOST_REMEMBERED] for hit in hits})
        self.connection.execute(
            _TAKE,
            [
                {
                    "h_step": hit.step_id,
                    "h_contact": hit.contact_id,
                    "h_kind": hit.kind.value,
                    "h_at": stored(hit.at),
                    "h_url": hit.url,
                    "h_link": hit.link,
                    "h_method": hit.method,
                    "h_agent": known[hit.agent[:_MOST_REMEMBERED]],
                }
                for hit in hits
            ],
        )
        of_step: dict[int, set[int]] = {}
        for hit in hits:
            of_step.setdefault(hit.step_id, set()).add(hit.contact_id)
        for step_id, contacts in of_step.items():
            self._tell_machines(step_id, sorted(contacts))
            self._prove_sent(step_id, contacts, now)
        # A hit tells of what the same program asked for a while before, and of no conversion before that.
        self.credit_again({hit.contact_id for hit in hits}, min(hit.at for hit in hits) - machines.VISIT)

    def judge_again(self) -> int:
        """Look at all hits by the rules of today, where older ones were used; how many messages that were."""
        older = select(agents.c.id).where(agents.c.rules < machines.VERSION)
        if self.connection.scalar(older.limit(1)) is None:
            return 0
        looked_at = 0
        seen = select(events.c.step_id, events.c.contact_id).where(events.c.agent_id.is_not(None)).distinct()
        pairs = self.connection.execute(seen.order_by(events.c.step_id, events.c.contact_id)).all()
        for step_id, rows in groupby(pairs, lambda row: row.step_id):
            contacts = [row.contact_id for row in rows]
            self._tell_machines(step_id, contacts)
            self.credit_again(contacts)
            looked_at += len(contacts)
        self.connection.execute(update(agents).values(rules=machines.VERSION))
        return looked_at

    def _agents(self, names: Iterable[str]) -> dict[str, int]:
        rows = [{"name": name, "rules": machines.VERSION} for name in sorted(names)]
        self.connection.execute(insert(agents).on_conflict_do_nothing(), rows)
        wanted = select(agents.c.name, agents.c.id).where(agents.c.name.in_([row["name"] for row in rows]))
        return {row.name: row.id for row in self.connection.execute(wanted)}

    def _tell_machines(self, step_id: int, contacts: Sequence[int]) -> None:
        changed: list[dict[str, object]] = []
        for start in range(0, len(contacts), _CONTACTS_AT_ONCE):
            found = self.connection.execute(
                select(
                    events.c.id, events.c.contact_id, events.c.at, events.c.method, events.c.link, events.c.delay,
                    events.c.is_machine, agents.c.name,
                )
                .join(agents, agents.c.id == events.c.agent_id)
                .where(
                    events.c.step_id == step_id,
                    events.c.kind.in_([EventKind.OPEN.value, EventKind.CLICK.value]),
                    events.c.contact_id.in_(contacts[start : start + _CONTACTS_AT_ONCE]),
                )
                .order_by(events.c.contact_id)
            ).all()  # fmt: skip
            for _, group in groupby(found, lambda row: row.contact_id):
                rows = list(group)
                verdicts = machines.machines_among([hit_of(row) for row in rows])
                changed += [
                    {"this": row.id, "found": verdict}
                    for row, verdict in zip(rows, verdicts, strict=True)
                    if row.is_machine != verdict
                ]
        if changed:
            statement = update(events).where(events.c.id == bindparam("this")).values(is_machine=bindparam("found"))
            self.connection.execute(statement, changed)

    def _prove_sent(self, step_id: int, contacts: Collection[int], now: datetime) -> None:
        """Whoever asks for what is in a message has it: then it was sent, if nobody knew."""
        doubtful = self.connection.scalars(
            select(deliveries.c.contact_id).where(
                deliveries.c.step_id == step_id,
                deliveries.c.contact_id.in_(sorted(contacts)),
                deliveries.c.state == DeliveryState.UNCERTAIN.value,
            )
        ).all()
        self.resolve_by_evidence([(step_id, contact) for contact in doubtful], Resolution.SENT, now)


def hit_of(row: Any) -> machines.Hit:
    """What the rules look at, of an event with the name of its agent."""
    delay = None if row.delay is None else timedelta(microseconds=row.delay)
    return machines.Hit(instant(row.at), row.method, row.name, row.link, delay)
