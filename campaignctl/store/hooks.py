"""Statements about hooks: who is told of what, what waits to be told, and what became of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, bindparam, delete, func, insert, not_, select, update

from campaignctl.hook_settings import Hook
from campaignctl.message.event_body import Happened, Order
from campaignctl.ports import FOR_GATE, HookFate, HookLane, HookPost, HookResult
from campaignctl.store.campaigns import CampaignStatements
from campaignctl.store.conversions import value_of
from campaignctl.store.hook_triggers import set_triggers
from campaignctl.store.instants import instant, stored
from campaignctl.store.lists import KEY_COLUMN, list_named
from campaignctl.store.tables import (
    campaigns,
    conversions,
    deliveries,
    events,
    hook_events,
    hook_wants,
    hooks,
    journal,
    lists,
    steps,
)
from campaignctl.store.told import topic_in

_CONTACTS_AT_ONCE: Final = 900
WAITS: Final = hook_events.c.died_at.is_(None)
_OF_CONTACT: Final = hook_events.c.contact_id.is_not(None)
_OF_CONVERSION: Final = hook_events.c.type == "message.converted"

_TOLD: Final = delete(hook_events).where(hook_events.c.id == bindparam("this"))
_TRIED: Final = (
    update(hook_events)
    .where(hook_events.c.id == bindparam("this"), WAITS)
    .values(
        attempts=hook_events.c.attempts + 1,
        tried_since=func.coalesce(hook_events.c.tried_since, bindparam("tried_at")),
        next_attempt_at=bindparam("again_at"),
        died_at=bindparam("dead_at"),
        said=bindparam("answer"),
    )
)


class HookStatements(CampaignStatements):
    """Hooks as the project has them, and the queue of each: one lane for each of its campaigns."""

    connection: Connection

    # what is wanted

    def add_hooks(self, wanted: Mapping[str, Hook]) -> None:
        """Note from now on what these hooks are told of; others stay as they are."""
        known = self.hook_ids()
        for name, hook in wanted.items():
            if name not in known:
                known[name] = self.connection.execute(insert(hooks).values(name=name)).inserted_primary_key[0]  # type: ignore[index] # an insert of one row has a key
            self._set_wants(known[name], {(type_, each) for type_ in hook.events for each in hook.campaigns or [""]})
        self._set_triggers()

    def keep_hooks(self, wanted: Mapping[str, Hook], now: datetime) -> None:
        """Note what these hooks are told of, and nothing for others: what waits for one that is gone is dropped."""
        self.add_hooks(wanted)
        for name, hook_id in self.hook_ids().items():
            if name not in wanted:
                of_it = hook_events.c.hook_id == hook_id
                dropped = self.connection.execute(delete(hook_events).where(of_it)).rowcount
                self._set_wants(hook_id, set())
                self.connection.execute(delete(hooks).where(hooks.c.id == hook_id))
                self.note("hook_removed", None, {"hook": name, "dropped": dropped}, now)
        self._set_triggers()

    def hook_ids(self) -> dict[str, int]:
        """Every hook that the store knows, by name."""
        return {row.name: row.id for row in self.connection.execute(select(hooks.c.name, hooks.c.id))}

    def _set_wants(self, hook_id: int, wanted: set[tuple[str, str]]) -> None:
        of_it = hook_wants.c.hook_id == hook_id
        rows = self.connection.execute(select(hook_wants.c.type, hook_wants.c.campaign).where(of_it))
        if {(row.type, row.campaign) for row in rows} == wanted:
            return
        self.connection.execute(delete(hook_wants).where(of_it))
        if wanted:
            self.connection.execute(
                insert(hook_wants),
                [{"hook_id": hook_id, "type": type_, "campaign": campaign} for type_, campaign in sorted(wanted)],
            )

    def _set_triggers(self) -> None:
        set_triggers(self.connection, frozenset(self.connection.scalars(select(hook_wants.c.type))))

    # what waits

    def hook_lanes(self, names: Collection[str]) -> list[HookLane]:
        """For each of these hooks that is on: the campaigns that something waits to be told of."""
        known = self.connection.execute(
            select(hooks.c.id, hooks.c.name).where(hooks.c.name.in_(sorted(names)), hooks.c.off_since.is_(None))
        ).all()
        return [
            HookLane(row.name, row.id, first.campaign_id, instant(first.next_attempt_at))
            for row in known
            for first in self.first_events(row.id)
        ]

    def first_events(self, hook_id: int) -> Iterator[Row[*tuple[Any, ...]]]:
        """Of each campaign the event that a hook is told next."""
        # From campaign to campaign along the index: there may be a million events of one.
        campaign = 0
        while True:
            first = self.connection.execute(
                select(
                    hook_events.c.campaign_id, hook_events.c.at, hook_events.c.attempts,
                    hook_events.c.next_attempt_at, hook_events.c.said,
                )
                .where(hook_events.c.hook_id == hook_id, WAITS, hook_events.c.campaign_id > campaign)
                .order_by(hook_events.c.campaign_id, hook_events.c.id)
                .limit(1)
            ).one_or_none()  # fmt: skip
            if first is None:
                return
            campaign = first.campaign_id
            yield first

    def hook_posts(self, lane: HookLane, most: int) -> list[HookPost]:
        """What is to be told next of one campaign, in the order in which it happened."""
        series = campaigns.alias("series")
        rows = self.connection.execute(
            select(
                hook_events.c.id, hook_events.c.type, hook_events.c.at, hook_events.c.contact_id,
                hook_events.c.step_id, hook_events.c.origin, hook_events.c.attempts, hook_events.c.tried_since,
                campaigns.c.name.label("campaign"), campaigns.c.seed, series.c.name.label("series"),
                lists.c.name.label("list"), steps.c.name.label("step"), steps.c.verb, steps.c.cohort,
                steps.c.reason.label("step_reason"), deliveries.c.reason, events.c.url, events.c.is_machine,
                journal.c.action, journal.c.detail, journal.c.version,
                conversions.c.order_id, conversions.c.value, conversions.c.currency,
            )
            .join(campaigns, campaigns.c.id == hook_events.c.campaign_id)
            .join(lists, lists.c.id == campaigns.c.list_id)
            .outerjoin(series, series.c.id == campaigns.c.series_id)
            .outerjoin(steps, steps.c.id == hook_events.c.step_id)
            .outerjoin(
                deliveries,
                and_(
                    deliveries.c.step_id == hook_events.c.step_id, deliveries.c.contact_id == hook_events.c.contact_id
                ),
            )
            .outerjoin(events, and_(events.c.id == hook_events.c.origin, _OF_CONTACT, not_(_OF_CONVERSION)))
            .outerjoin(conversions, and_(conversions.c.id == hook_events.c.origin, _OF_CONVERSION))
            .outerjoin(journal, and_(journal.c.id == hook_events.c.origin, not_(_OF_CONTACT)))
            .where(hook_events.c.hook_id == lane.hook_id, hook_events.c.campaign_id == lane.campaign_id, WAITS)
            .order_by(hook_events.c.id)
            .limit(most)
        ).all()  # fmt: skip
        keys = (
            self.keys_of({row.contact_id for row in rows if row.contact_id is not None}, rows[0].list) if rows else {}
        )
        return [
            HookPost(row.id, lane.hook, _message_id(row), _happened(row, keys), row.attempts, instant(row.tried_since))
            for row in rows
        ]

    def keys_of(self, contact_ids: Collection[int], list_name: str) -> dict[int, str]:
        """The keys of these contacts, of those that the list still has."""
        contacts, ids = list_named(self.connection, list_name), sorted(contact_ids)
        if contacts is None:
            return {}
        table, found = contacts.table, dict[int, str]()
        for start in range(0, len(ids), _CONTACTS_AT_ONCE):
            some = table.c.id.in_(ids[start : start + _CONTACTS_AT_ONCE])
            found |= {
                row.id: row.key
                for row in self.connection.execute(select(table.c.id, table.c[KEY_COLUMN].label("key")).where(some))
            }
        return found

    # what became of it

    def record_hooks(self, results: Sequence[HookResult], now: datetime) -> None:
        """Write down what became of events; who says that it is gone is told nothing more, until a person wants it."""
        told = [{"this": each.post.id} for each in results if each.fate is HookFate.TOLD]
        if told:
            self.connection.execute(_TOLD, told)
        tried = [each for each in results if each.fate is not HookFate.TOLD]
        if tried:
            self.connection.execute(_TRIED, [_tried(each) for each in tried])
        for (hook, campaign), letters in _by_lane(each for each in tried if each.fate is HookFate.GAVE_UP).items():
            detail = {"hook": hook, "events": len(letters), "said": letters[-1].said}
            self.note("hook_gave_up", self.known_campaign(campaign), detail, now)
        for each in tried:
            if each.fate is HookFate.GONE:
                self._turn_off(each, now)

    def _turn_off(self, result: HookResult, now: datetime) -> None:
        turned = self.connection.execute(
            update(hooks)
            .where(hooks.c.name == result.post.hook, hooks.c.off_since.is_(None))
            .values(off_since=stored(now), said=result.said)
        )
        if turned.rowcount:
            self.note("hook_off", None, {"hook": result.post.hook, "said": result.said}, now)


def _by_lane(results: Iterable[HookResult]) -> dict[tuple[str, str], list[HookResult]]:
    found: dict[tuple[str, str], list[HookResult]] = {}
    for each in results:
        found.setdefault((each.post.hook, each.post.happened.campaign), []).append(each)
    return found


def _tried(result: HookResult) -> dict[str, object]:
    return {
        "this": result.post.id,
        "tried_at": stored(result.at),
        "again_at": stored(result.again_at or result.at),
        "dead_at": stored(result.at) if result.fate is HookFate.GAVE_UP else None,
        "answer": result.said,
    }


def _message_id(row: Any) -> str:
    """
    What names an event to other systems: the same at each attempt, and for each hook.

    It does not come of the number of the row: in a store that was brought back
    from a backup, the numbers begin again.
    """
    said = f"{row.seed}/{row.campaign}/{row.type}/{row.step_id}/{row.contact_id}/{row.at}/{row.origin}"
    return "evt_" + hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _happened(row: Any, keys: Mapping[int, str]) -> Happened:
    detail = {} if row.detail is None else json.loads(row.detail)
    return Happened(
        type=row.type,
        at=instant(row.at),
        campaign=row.campaign,
        series=row.series,
        version=row.version,
        step=row.step or detail.get("step"),
        verb=row.verb,
        cohort=row.cohort,
        contact=keys.get(row.contact_id),
        reason=_reason(row, detail),
        url=row.url,
        is_machine=bool(row.is_machine),
        topic=topic_in(row.url),
        order=None if row.order_id is None else Order(row.order_id, value_of(row), row.currency),
        detail=detail,
    )


def _reason(row: Any, detail: Mapping[str, object]) -> str | None:
    if row.type == "step.held":
        return FOR_GATE if row.action == "gate_opened" else str(detail.get("reason"))
    found: str | None = row.reason if row.type.startswith("message.") else row.step_reason
    return found
