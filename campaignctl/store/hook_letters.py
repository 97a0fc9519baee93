"""Statements about hooks for people: how far each has come, and what could not be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, delete, func, select, update

from campaignctl.ports import LiveCampaign
from campaignctl.store.hooks import WAITS, HookStatements
from campaignctl.store.instants import instant, stored
from campaignctl.store.tables import campaigns, hook_events, hooks, lists, steps

_IS_DEAD: Final = hook_events.c.died_at.is_not(None)


@dataclass(frozen=True)
class HookStanding:
    """
    How far a hook has come, with one campaign or with all.

    `said` is what it answered to an event that it did not take, until
    `next_attempt_at`; or, where it is off, when it wanted no more.
    """

    hook: str
    off_since: datetime | None
    waiting: int
    waiting_since: datetime | None
    next_attempt_at: datetime | None
    dead: int
    said: str | None

    @property
    def is_stuck(self) -> bool:
        """Whether it does not take what it is told."""
        return self.next_attempt_at is not None


@dataclass(frozen=True)
class DeadLetter:
    """An event that could not be told."""

    event: int
    hook: str
    campaign: str
    type: str
    step: str | None
    contact: str | None
    at: datetime
    attempts: int
    died_at: datetime
    said: str | None


class HookLetterStatements(HookStatements):
    """Hooks as people see them, and what they do about what could not be told."""

    connection: Connection

    def hook_standings(self, campaign: LiveCampaign | None = None) -> list[HookStanding]:
        """How far each hook has come, by name; with a *campaign* only those that have something of it to be told."""
        of_it = () if campaign is None else (hook_events.c.campaign_id == campaign.id,)
        rows = self.connection.execute(
            select(hook_events.c.hook_id, func.count().filter(WAITS), func.count().filter(_IS_DEAD))
            .where(*of_it)
            .group_by(hook_events.c.hook_id)
        )
        counts = {hook: (waiting, dead) for hook, waiting, dead in rows}
        known = self.connection.execute(
            select(hooks.c.id, hooks.c.name, hooks.c.off_since, hooks.c.said).order_by(hooks.c.name)
        ).all()
        found = []
        for hook in known:
            if campaign is not None and hook.id not in counts:
                continue
            waiting, dead = counts.get(hook.id, (0, 0))
            first = [each for each in self.first_events(hook.id) if campaign is None or each.campaign_id == campaign.id]
            stuck = [] if hook.off_since else [each for each in first if each.attempts]
            found.append(
                HookStanding(
                    hook=hook.name,
                    off_since=instant(hook.off_since),
                    waiting=waiting,
                    waiting_since=min((instant(each.at) for each in first), default=None),
                    next_attempt_at=min((instant(each.next_attempt_at) for each in stuck), default=None),
                    dead=dead,
                    said=stuck[0].said if stuck else hook.said,
                )
            )
        return found

    def dead_letters(self, hook: str | None = None) -> list[DeadLetter]:
        """What could not be told, to one hook or to all, in the order in which it happened."""
        chosen = _IS_DEAD if hook is None else self._dead_of(hook, None)
        rows = self.connection.execute(
            select(
                hook_events.c.id, hooks.c.name.label("hook"), campaigns.c.name.label("campaign"), hook_events.c.type,
                steps.c.name.label("step"), hook_events.c.contact_id, hook_events.c.at,
                hook_events.c.attempts, hook_events.c.died_at, hook_events.c.said, lists.c.name.label("list"),
            )
            .join(hooks, hooks.c.id == hook_events.c.hook_id)
            .join(campaigns, campaigns.c.id == hook_events.c.campaign_id)
            .join(lists, lists.c.id == campaigns.c.list_id)
            .outerjoin(steps, steps.c.id == hook_events.c.step_id)
            .where(chosen)
            .order_by(hook_events.c.id)
        ).all()  # fmt: skip
        keys = {
            name: self.keys_of({row.contact_id for row in rows if row.list == name} - {None}, name)
            for name in {row.list for row in rows}
        }
        return [
            DeadLetter(
                row.id, row.hook, row.campaign, row.type, row.step, keys[row.list].get(row.contact_id),
                instant(row.at), row.attempts, instant(row.died_at), row.said,
            )
            for row in rows
        ]  # fmt: skip

    def tell_again(self, hook: str, events: Sequence[int] | None, actor: str, now: datetime) -> int:
        """Have what could not be told, all or these events, told again, before what happened later; how many."""
        chosen = self._dead_of(hook, events)
        self._note_letters("hook_retried", hook, chosen, actor, now)
        changed = self.connection.execute(
            update(hook_events)
            .where(chosen)
            .values(died_at=None, attempts=0, tried_since=None, next_attempt_at=stored(now))
        )
        return changed.rowcount

    def discard_dead(self, hook: str, events: Sequence[int] | None, actor: str, now: datetime) -> int:
        """Throw away what could not be told, all or these events; how many."""
        return self._discard(hook, self._dead_of(hook, events), actor, now)

    def discard_waiting(self, hook: str, actor: str, now: datetime) -> int:
        """Throw away what is still to be told; how many."""
        return self._discard(hook, (hook_events.c.hook_id == self._id_of(hook)) & WAITS, actor, now)

    def turn_on(self, hook: str, actor: str, now: datetime) -> bool:
        """Tell a hook again that wanted no more; False where it is on."""
        turned = self.connection.execute(
            update(hooks).where(hooks.c.name == hook, hooks.c.off_since.is_not(None)).values(off_since=None, said=None)
        )
        if turned.rowcount:
            self.connection.execute(
                update(hook_events)
                .where(hook_events.c.hook_id == self._id_of(hook), WAITS, hook_events.c.attempts > 0)
                .values(attempts=0, tried_since=None, next_attempt_at=stored(now))
            )
            self.note("hook_enabled", None, {"hook": hook}, now, actor)
        return bool(turned.rowcount)

    def _discard(self, hook: str, chosen: ColumnElement[bool], actor: str, now: datetime) -> int:
        self._note_letters("hook_discarded", hook, chosen, actor, now)
        return self.connection.execute(delete(hook_events).where(chosen)).rowcount

    def _note_letters(self, action: str, hook: str, chosen: ColumnElement[bool], actor: str, now: datetime) -> None:
        counted = select(campaigns.c.name, func.count()).join(campaigns, campaigns.c.id == hook_events.c.campaign_id)
        for name, number in self.connection.execute(counted.where(chosen).group_by(campaigns.c.id)).all():
            self.note(action, self.known_campaign(name), {"hook": hook, "events": number}, now, actor)

    def _dead_of(self, hook: str, events: Sequence[int] | None) -> ColumnElement[bool]:
        of_hook = (hook_events.c.hook_id == self._id_of(hook)) & _IS_DEAD
        return of_hook if events is None else of_hook & hook_events.c.id.in_(events)

    def _id_of(self, hook: str) -> int | None:
        return self.hook_ids().get(hook)
