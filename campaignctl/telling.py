"""Hooks by hand: how far each has come, and what is done about what could not be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from campaignctl.diagnostics import did_you_mean
from campaignctl.errors import RefusedError
from campaignctl.hook_settings import EventType, Hook
from campaignctl.store.hook_letters import DeadLetter, HookStanding
from campaignctl.store.ledger import SqlLedger, SqlStore

_NEVER_TOLD = HookStanding("", None, 0, None, None, 0, None)


@dataclass(frozen=True)
class ListedHook:
    """A hook of the project, and how far it has come; one that the project has no more has no settings."""

    hook: str
    settings: Hook | None
    standing: HookStanding
    is_new: bool

    @property
    def state(self) -> str:
        """
        In a word: `new` ones are told of nothing before a publication or the start of a daemon.

        `removed` ones are forgotten when a daemon starts.
        """
        match self:
            case ListedHook(settings=None):
                return "removed"
            case ListedHook(is_new=True):
                return "new"
            case ListedHook(standing=HookStanding(off_since=datetime())):
                return "off"
        return "stuck" if self.standing.is_stuck else "on"

    @property
    def events(self) -> list[EventType]:
        return [] if self.settings is None else self.settings.events


def listed_hooks(ledger: SqlLedger, hooks: Mapping[str, Hook]) -> Iterator[ListedHook]:
    """The hooks of the project, and those that the store still knows."""
    known = {each.hook: each for each in ledger.hook_standings()}
    for name in sorted({*known, *hooks}):
        yield ListedHook(name, hooks.get(name), known.get(name, _NEVER_TOLD), name not in known)


def dead_letters(ledger: SqlLedger, hook: str | None) -> list[DeadLetter]:
    """
    What could not be told, to one hook or to all.

    Raises:
        RefusedError: there is no such hook.
    """
    if hook is not None:
        _refuse_unknown(ledger, hook)
    return ledger.dead_letters(hook)


def tell_again(store: SqlStore, hook: str, events: Sequence[int], *, actor: str, now: datetime) -> int:
    """
    Tell what could not be told, all or these *events*, again: how many. A daemon does it.

    Raises:
        RefusedError: there is no such hook, or it was told of them.
    """
    with store.writing() as ledger:
        _refuse_alive(ledger, hook, events)
        return ledger.tell_again(hook, events or None, actor, now)


def discard(store: SqlStore, hook: str, events: Sequence[int], *, actor: str, now: datetime) -> int:
    """
    Throw away what could not be told, all or these *events*: how many.

    Raises:
        RefusedError: there is no such hook, or it was told of them.
    """
    with store.writing() as ledger:
        _refuse_alive(ledger, hook, events)
        return ledger.discard_dead(hook, events or None, actor, now)


def discard_waiting(store: SqlStore, hook: str, *, actor: str, now: datetime) -> int:
    """
    Throw away what is still to be told: how many events.

    Raises:
        RefusedError: there is no such hook.
    """
    with store.writing() as ledger:
        _refuse_unknown(ledger, hook)
        return ledger.discard_waiting(hook, actor, now)


def turn_on(store: SqlStore, hook: str, *, actor: str, now: datetime) -> int:
    """
    Tell a hook again that wanted no more: how many events wait for it.

    Raises:
        RefusedError: there is no such hook, or it is on.
    """
    with store.writing() as ledger:
        _refuse_unknown(ledger, hook)
        if not ledger.turn_on(hook, actor, now):
            raise RefusedError("P172", f"the hook `{hook}` is on", "see `campaignctl hooks list`")
        return next(each.waiting for each in ledger.hook_standings() if each.hook == hook)


def _refuse_unknown(ledger: SqlLedger, hook: str) -> None:
    names = sorted(ledger.hook_ids())
    if hook not in names:
        raise RefusedError(
            "P170", f"no hook is named `{hook}`", did_you_mean(hook, names, "see `campaignctl hooks list`")
        )


def _refuse_alive(ledger: SqlLedger, hook: str, events: Sequence[int]) -> None:
    """Whoever types a number means that event: nothing is done where one of them is none."""
    _refuse_unknown(ledger, hook)
    dead = {each.event for each in ledger.dead_letters(hook)}
    wrong = next((str(each) for each in events if each not in dead), None)
    if wrong is not None or not dead:
        what = "no event" if wrong is None else f"no event {wrong}"
        raise RefusedError(
            "P171", f"`{hook}` has {what} that could not be told", f"see `campaignctl hooks dead {hook}`"
        )
