"""Whether the states of campaigns, steps and deliveries fit each other."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, or_, select

from campaignctl.flow.states import CampaignState, DeliveryState, GateState, StepState
from campaignctl.ports import FOR_GATE
from campaignctl.store.ledger import SqlLedger
from campaignctl.store.tables import campaigns, deliveries, gates, steps

# What must not be, with the words that say so.
_Wrong = tuple[str, ColumnElement[bool]]

_STEPS: Final = select(
    campaigns.c.name.label("campaign"),
    steps.c.name.label("step"),
    steps.c.state,
    campaigns.c.state.label("of_campaign"),
).join(campaigns, campaigns.c.id == steps.c.campaign_id)
_DELIVERIES: Final = (
    select(campaigns.c.name.label("campaign"), steps.c.name.label("step"), deliveries.c.contact_id, deliveries.c.state)
    .join(steps, steps.c.id == deliveries.c.step_id)
    .join(campaigns, campaigns.c.id == steps.c.campaign_id)
    .order_by(deliveries.c.step_id, deliveries.c.contact_id)
)


def _is(column: ColumnElement[str], *words: StrEnum) -> ColumnElement[bool]:
    return column.in_([word.value for word in words])


_HAS_ENDED: Final = _is(campaigns.c.state, CampaignState.COMPLETED, CampaignState.STOPPED)
_IS_OVER: Final = _is(steps.c.state, *(state for state in StepState if state.is_final))
_IS_FINAL: Final = _is(deliveries.c.state, *(state for state in DeliveryState if state.is_final))
_WILL_BE_TRIED: Final = deliveries.c.next_attempt_at.is_not(None)
_IS_HELD_BY_DAEMON: Final = deliveries.c.epoch.is_not(None)
_IS_ON_ITS_WAY: Final = deliveries.c.state == DeliveryState.SENDING.value

_HAS_OPEN_GATE: Final = (
    select(gates.c.id)
    .where(
        gates.c.step_id == steps.c.id,
        gates.c.is_holding,
        _is(gates.c.state, *(state for state in GateState if state.is_open)),
    )
    .correlate(steps)
    .exists()
)

_NOT_FINAL: Final[tuple[_Wrong, ...]] = (
    ("{state} is final, and it would be tried again", and_(_IS_FINAL, _WILL_BE_TRIED)),
    ("{state} is final, and a daemon holds it", and_(_IS_FINAL, _IS_HELD_BY_DAEMON)),
    (
        # A step is done when none of its deliveries waits for a first attempt.
        "{state}, although the step is done",
        and_(
            steps.c.state == StepState.DONE.value,
            deliveries.c.state == DeliveryState.QUEUED.value,
            deliveries.c.attempts == 0,
        ),
    ),
    (
        "{state}, although no gate holds it",
        and_(
            deliveries.c.state == DeliveryState.HELD.value,
            campaigns.c.state != CampaignState.STOPPED.value,
            ~_HAS_OPEN_GATE,
        ),
    ),
    (
        "{state}, and it would be tried",
        and_(deliveries.c.state == DeliveryState.HELD.value, _WILL_BE_TRIED),
    ),
    (
        "{state}, although the campaign was stopped",
        and_(
            campaigns.c.state == CampaignState.STOPPED.value,
            or_(
                _is(deliveries.c.state, DeliveryState.QUEUED, DeliveryState.HELD, DeliveryState.DEFERRED),
                _WILL_BE_TRIED,
            ),
        ),
    ),
)

_NO_INTENT: Final[tuple[_Wrong, ...]] = (
    (
        "{state} without an attempt",
        and_(
            _is(deliveries.c.state, DeliveryState.SENDING, DeliveryState.SENT, DeliveryState.UNCERTAIN),
            deliveries.c.attempts < 1,
        ),
    ),
    ("{state}, and no daemon holds it", and_(_IS_ON_ITS_WAY, ~_IS_HELD_BY_DAEMON)),
    ("{state}, and a daemon holds it", and_(~_IS_ON_ITS_WAY, ~_IS_FINAL, _IS_HELD_BY_DAEMON)),
    ("{state}, and it would be tried a second time", and_(_IS_ON_ITS_WAY, _WILL_BE_TRIED)),
    (
        "{state}, and it will never be tried",
        and_(_is(deliveries.c.state, DeliveryState.QUEUED, DeliveryState.DEFERRED), ~_WILL_BE_TRIED),
    ),
)

_NOT_FITTING: Final[tuple[_Wrong, ...]] = (
    ("is {state}, and its campaign is {of_campaign}", and_(_HAS_ENDED, ~_IS_OVER)),
    (
        "is {state}, and has not begun",
        and_(_is(steps.c.state, StepState.RUNNING, StepState.DONE), steps.c.started_at.is_(None)),
    ),
    ("has begun, and its campaign has not", and_(steps.c.started_at.is_not(None), campaigns.c.started_at.is_(None))),
    ("is {state}, and the instant of its end is not known", and_(_IS_OVER, steps.c.finished_at.is_(None))),
    ("is {state}, and has ended", and_(~_IS_OVER, steps.c.finished_at.is_not(None))),
    (
        "is {state}, and has no time",
        and_(steps.c.state == StepState.SCHEDULED.value, steps.c.effective_at.is_(None)),
    ),
    (
        "is held for a gate, and none is open",
        and_(steps.c.state == StepState.HELD.value, steps.c.reason == FOR_GATE, ~_HAS_OPEN_GATE),
    ),
    (
        "is {state}, and its gate is open",
        and_(
            _HAS_OPEN_GATE,
            or_(steps.c.state != StepState.HELD.value, steps.c.reason != FOR_GATE),
            campaigns.c.state != CampaignState.STOPPED.value,
        ),
    ),
    ("has begun, and its cohort is not known", and_(steps.c.started_at.is_not(None), steps.c.cohort.is_(None))),
)


def final_is_final(ledger: SqlLedger) -> Iterator[str]:
    """What is over is not tried again, and what a step or campaign has ended with does not come back."""
    yield from _deliveries(ledger, _NOT_FINAL)


def intents_come_first(ledger: SqlLedger) -> Iterator[str]:
    """What may have left had an attempt, what is on its way has an owner, and what waits will be tried."""
    yield from _deliveries(ledger, _NO_INTENT)


def states_fit(ledger: SqlLedger) -> Iterator[str]:
    """No step is at work in a campaign that has ended; what has begun or ended says when."""
    for said, row in _asked(ledger, _STEPS, _NOT_FITTING):
        yield f"{row.campaign}/{row.step} {said}"
    wrong = and_(_HAS_ENDED, campaigns.c.finished_at.is_(None)) | and_(
        ~_HAS_ENDED, campaigns.c.finished_at.is_not(None)
    )
    for row in ledger.connection.execute(select(campaigns.c.name, campaigns.c.state).where(wrong)):
        yield f"{row.name} is {row.state}, which does not fit the instant of its end"


def _deliveries(ledger: SqlLedger, wrong: tuple[_Wrong, ...]) -> Iterator[str]:
    for said, row in _asked(ledger, _DELIVERIES, wrong):
        yield f"{row.campaign}/{row.step}, contact no. {row.contact_id}: {said}"


def _asked(ledger: SqlLedger, rows: Select[Any], wrong: tuple[_Wrong, ...]) -> Iterator[tuple[str, Any]]:
    for sentence, condition in wrong:
        for row in ledger.connection.execute(rows.where(condition)):
            yield sentence.format_map(row._mapping), row
