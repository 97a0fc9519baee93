"""Statements about what contacts do with messages in a simulation: as assumed, or as given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any, Final

from sqlalchemy import and_, delete, func, insert, literal, or_, select
from sqlalchemy.dialects.sqlite import insert as insert_or_ignore

from campaignctl.flow.states import DeliveryState
from campaignctl.ports import Cohort, LiveCampaign, LiveStep
from campaignctl.store.events import EventKind
from campaignctl.store.instants import stored
from campaignctl.store.ledger import SqlLedger
from campaignctl.store.lists import KEY_COLUMN
from campaignctl.store.reasons import address_of
from campaignctl.store.suppressions import EMAIL
from campaignctl.store.tables import deliveries, events, members, suppressions
from campaignctl.store.virtual.tables import PRIME, Mixed, coming, draws, place_of_draw

_ROWS_AT_ONCE: Final = 5000
_SUPPRESSING: Final = {EventKind.BOUNCE: "hard_bounce", EventKind.UNSUBSCRIBE: "unsubscribed"}


class ReactionStatements(SqlLedger):
    """What contacts do with messages."""

    # given

    def add_coming(self, rows: Iterable[Mapping[str, object]]) -> None:
        """These events will happen, at their time."""
        waiting = iter(rows)
        while batch := list(islice(waiting, _ROWS_AT_ONCE)):
            some = [{column.name: row[column.name] for column in coming.c} for row in batch]
            self.connection.execute(insert(coming), some)

    def happened(self, now: datetime, after: int) -> list[dict[str, Any]]:
        """Some events from before *now*, in the order given, after one of them."""
        these = select(*coming.c).where(coming.c.at < stored(now), coming.c.line > after)
        rows = self.connection.execute(these.order_by(coming.c.line).limit(_ROWS_AT_ONCE)).mappings()
        return [dict(row) for row in rows]

    def forget_happened(self, now: datetime) -> None:
        """Those events were taken in."""
        self.connection.execute(delete(coming).where(coming.c.at < stored(now)))

    # assumed

    def draw(self, campaign: LiveCampaign, seed: str) -> None:
        """Let every member draw a number that seed and contact decide, and nothing else; once."""
        if self.connection.execute(select(draws.c.contact_id).limit(1)).first() is not None:
            return
        contacts = self.contact_list(campaign)
        drawn = (
            select(members.c.contact_id, func.member_rank(seed, "simulation", contacts.table.c[KEY_COLUMN]) % PRIME)
            .join(contacts.table, contacts.table.c.id == members.c.contact_id)
            .where(members.c.campaign_id == campaign.id)
            .order_by(members.c.contact_id)
        )
        self.connection.execute(insert(draws).from_select(["contact_id", "draw"], drawn))

    def sent_count(self, step: LiveStep) -> int:
        """How many messages of a step have left."""
        return int(self.connection.scalars(select(func.count()).where(*_sent(step))).one())

    def react(
        self, cohort: Cohort, kind: EventKind, number: int, mixed: Mixed, now: datetime, *, from_the_end: bool
    ) -> None:
        """
        Let *number* of those who got the message do this with it, as soon as it was there.

        They are the first in an order by chance, or the last: so those who
        click are among those who open, and nobody of whom it comes back.
        """
        place = -place_of_draw(mixed) if from_the_end else place_of_draw(mixed)
        those = (
            select(deliveries.c.contact_id, deliveries.c.changed_at, place.label("place"))
            .join(draws, draws.c.contact_id == deliveries.c.contact_id)
            .where(*_sent(cohort.step))
            .subquery()
        )
        last = self.connection.execute(
            select(those.c.place, those.c.contact_id)
            .order_by(those.c.place, those.c.contact_id)
            .limit(1)
            .offset(max(number - 1, 0))
        ).one_or_none()
        if number == 0 or last is None:
            return
        is_chosen = or_(
            those.c.place < last.place, and_(those.c.place == last.place, those.c.contact_id <= last.contact_id)
        )
        values = [literal(cohort.step.id), those.c.contact_id, literal(kind.value), those.c.changed_at]
        self.connection.execute(
            insert_or_ignore(events)
            .from_select(
                ["step_id", "contact_id", "kind", "at", "url", "is_machine"],
                select(*values, literal(""), literal(0)).where(is_chosen),
            )
            .on_conflict_do_nothing()
        )
        if (reason := _SUPPRESSING.get(kind)) is not None:
            self._suppress(cohort, kind, reason, now)

    def _suppress(self, cohort: Cohort, kind: EventKind, reason: str, now: datetime) -> None:
        contacts = self.contact_list(cohort.campaign)
        address = func.lower(func.trim(address_of(cohort.version, contacts)))
        unwanted = (
            select(literal(EMAIL), address, literal(reason), literal(stored(now)))
            .select_from(events)
            .join(contacts.table, contacts.table.c.id == events.c.contact_id)
            .where(events.c.step_id == cohort.step.id, events.c.kind == kind.value)
        )
        self.connection.execute(
            insert_or_ignore(suppressions)
            .from_select(["channel", "address", "reason", "since"], unwanted)
            .on_conflict_do_nothing()
        )

    def reactions(self, campaign: LiveCampaign) -> Iterator[tuple[str, str, str, int]]:
        """Every event of the campaign: step, contact, kind and when."""
        contacts = self.contact_list(campaign)
        names = {step.id: step.name for step in campaign.steps}
        found = (
            select(events.c.step_id, contacts.table.c[KEY_COLUMN], events.c.kind, events.c.at)
            .join(contacts.table, contacts.table.c.id == events.c.contact_id)
            .where(events.c.step_id.in_(names))
            .order_by(events.c.id)
        )
        for step_id, key, kind, at in self.connection.execute(found):
            yield names[step_id], key, kind, at


def _sent(step: LiveStep) -> list[Any]:
    return [deliveries.c.step_id == step.id, deliveries.c.state == DeliveryState.SENT.value]
