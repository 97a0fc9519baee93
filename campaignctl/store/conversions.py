"""Statements about conversions: which message each is credited to, and how much came of a step."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, case, exists, func, select, update

from campaignctl.store.instants import stored
from campaignctl.store.tables import campaigns, conversions, events, members, steps
from campaignctl.store.uncertain import UncertainStatements

RULES: Final = 1  # the version of how conversions are credited; they are credited anew when it changes
TO_CREDIT: Final = 0  # in its place: waits to be credited
PARTS: Final = 10_000  # of one unit of a currency, as values are kept
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_AT_ONCE: Final = 500

# The last click by a person before it, or else the last open: of one of the
# list's messages to the same contact, and not longer ago than the project allows.
# Found by way of their campaigns: there is no index of events by contact, which
# would cost every open and click something.
_THEIR_STEPS: Final = (
    select(steps.c.id)
    .join_from(campaigns, steps, steps.c.campaign_id == campaigns.c.id)
    .where(
        campaigns.c.list_id == conversions.c.list_id,
        exists()
        .where(members.c.campaign_id == campaigns.c.id, members.c.contact_id == conversions.c.contact_id)
        .correlate(campaigns, conversions),
    )
    .correlate(conversions)
)
_LAST_TOUCH: Final = (
    select(events.c.step_id)
    .where(
        events.c.step_id.in_(_THEIR_STEPS),
        events.c.contact_id == conversions.c.contact_id,
        events.c.kind.in_(["click", "open"]),
        events.c.is_machine.is_(False),
        events.c.at.between(conversions.c.at - conversions.c.within, conversions.c.at),
    )
    .order_by(events.c.kind == "open", events.c.at.desc(), events.c.step_id.desc())
    .limit(1)
    .correlate(conversions)
    .scalar_subquery()
)
_CREDIT: Final = update(conversions).values(step_id=func.coalesce(conversions.c.told_step_id, _LAST_TOUCH), rules=RULES)


@dataclass(frozen=True)
class Seen:
    """How many contacts did something with a message: people, and others of whom only machines did."""

    people: int = 0
    machines: int = 0


@dataclass(frozen=True)
class Engagement:
    """
    What came of a step's messages.

    `conversions` are counted one by one, `converted` are the contacts that
    they are of, and `revenue` is their value by currency.
    """

    opens: Seen = Seen()
    clicks: Seen = Seen()
    conversions: int = 0
    converted: int = 0
    revenue: Mapping[str, float] = field(default_factory=dict)


class ConversionStatements(UncertainStatements):
    """Crediting conversions, and counting what people did."""

    connection: Connection

    def credit_again(self, contacts: Collection[int], since: datetime = _LONG_AGO) -> None:
        """More is known of what these contacts did: their conversions *since* then may belong to another message."""
        if self.connection.scalar(select(conversions.c.id).limit(1)) is None:
            return
        some = sorted(contacts)
        for start in range(0, len(some), _AT_ONCE):
            of_some = conversions.c.contact_id.in_(some[start : start + _AT_ONCE])
            self.connection.execute(_CREDIT.where(of_some, conversions.c.at >= stored(since)))

    def credit_some(self) -> int:
        """Credit some of the conversions that wait for it, or that older rules have credited; how many."""
        waiting = select(conversions.c.id).where(conversions.c.rules < RULES).limit(_AT_ONCE)
        return self.connection.execute(_CREDIT.where(conversions.c.id.in_(waiting))).rowcount

    def engagement(self, step_ids: Collection[int]) -> dict[int, Engagement]:
        """What came of the messages of these steps."""
        seen: dict[tuple[int, str], Seen] = {
            (row.step_id, row.kind): Seen(row.people, row.machines) for row in self._seen(step_ids)
        }
        converted: dict[int, tuple[int, int]] = {}
        revenue: dict[int, dict[str, float]] = {}
        of_steps = conversions.c.step_id.in_(step_ids)
        counts = select(
            conversions.c.step_id,
            func.count().label("number"),
            func.count(conversions.c.contact_id.distinct()).label("contacts"),
        )
        for row in self.connection.execute(counts.where(of_steps).group_by(conversions.c.step_id)):
            converted[row.step_id] = (row.number, row.contacts)
        sums = select(conversions.c.step_id, conversions.c.currency, func.sum(conversions.c.value).label("value"))
        for row in self.connection.execute(
            sums.where(of_steps, conversions.c.currency.is_not(None))
            .group_by(conversions.c.step_id, conversions.c.currency)
            .order_by(conversions.c.currency)
        ):
            revenue.setdefault(row.step_id, {})[row.currency] = amount(row.value)
        return {
            step: Engagement(
                seen.get((step, "open"), Seen()),
                seen.get((step, "click"), Seen()),
                *converted.get(step, (0, 0)),
                revenue.get(step, {}),
            )
            for step in step_ids
        }

    def _seen(self, step_ids: Iterable[int]) -> Iterable[Any]:
        by_contact = (
            select(events.c.step_id, events.c.kind, func.min(events.c.is_machine).label("only_machines"))
            .where(events.c.step_id.in_(step_ids), events.c.kind.in_(["click", "open"]))
            .group_by(events.c.step_id, events.c.kind, events.c.contact_id)
            .subquery()
        )
        return self.connection.execute(
            select(
                by_contact.c.step_id,
                by_contact.c.kind,
                func.sum(case((by_contact.c.only_machines, 0), else_=1)).label("people"),
                func.sum(case((by_contact.c.only_machines, 1), else_=0)).label("machines"),
            ).group_by(by_contact.c.step_id, by_contact.c.kind)
        ).all()


def value_of(row: Any) -> float | None:
    """What a conversion was worth, in units of its currency; None where that was not told."""
    return None if row.value is None else amount(row.value)


def amount(value: int) -> float:
    """
    A value as the store keeps it, in units of its currency.

    >>> amount(499_000), amount(123)
    (49.9, 0.0123)
    """
    return value / PARTS
