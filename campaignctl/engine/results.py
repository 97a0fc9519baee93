"""What a channel's outcome means for a delivery: its next state, and when it is tried again."""

from __future__ import annotations

import zlib
from datetime import datetime, timedelta
from typing import Final

from campaignctl.flow.states import DeliveryState
from campaignctl.ports import Outcome, Result, Verdict

FIRST_BACK_OFF: Final = timedelta(seconds=300)
LONGEST_BACK_OFF: Final = timedelta(seconds=4000)
LIFETIME: Final = timedelta(days=5)


def back_off(key: str, attempts: int) -> timedelta:
    """
    How long to wait after this many attempts: `min(4000 s, 300 s · 2^k)`, and up to a tenth more.

    The addition depends on the delivery's key alone, so that a test can
    foresee it and a thousand refused messages do not come back at once.

    >>> back_off("a", 1) >= FIRST_BACK_OFF
    True
    """
    length = min(LONGEST_BACK_OFF, FIRST_BACK_OFF * int(2 ** min(attempts - 1, 10)))
    return length * (1 + zlib.crc32(f"{key}/{attempts}".encode()) / 2**32 / 10)


def result_of(outcome: Outcome, *, attempts: int, made_at: datetime, may_repeat: bool, now: datetime) -> Result:
    """
    The result of one try.

    *attempts* counts this one. *may_repeat* is the guarantee: whether a message
    without a verdict may be sent again.
    """
    match outcome.verdict:
        case Verdict.SENT:
            return _SENT
        case Verdict.FAILED:
            return Result(DeliveryState.FAILED, outcome.reason, outcome.detail, suppresses=outcome.is_hard_bounce)
        case Verdict.NOT_SENT:
            return Result(DeliveryState.QUEUED, outcome.reason, outcome.detail, now, used_attempt=False)
        case _:
            return _without_end(outcome, attempts, made_at, may_repeat, now)


def _without_end(outcome: Outcome, attempts: int, made_at: datetime, may_repeat: bool, now: datetime) -> Result:
    """What is refused for now, or has no verdict: tried again until the message is too old."""
    next_attempt_at = now + back_off(outcome.key, attempts)
    if outcome.retry_at is not None:
        next_attempt_at = max(outcome.retry_at, now)
    elif outcome.is_repeatable and outcome.verdict is Verdict.UNCERTAIN and attempts == 1:
        # Once: who gives no answer twice is not to be asked without end.
        next_attempt_at = now
    is_expired = next_attempt_at - made_at > LIFETIME
    if outcome.verdict is Verdict.UNCERTAIN:
        is_tried_again = may_repeat and not is_expired
        return Result(
            DeliveryState.UNCERTAIN, outcome.reason, outcome.detail, next_attempt_at if is_tried_again else None
        )
    if is_expired:
        return Result(DeliveryState.FAILED, "expired", outcome.detail)
    return Result(DeliveryState.DEFERRED, outcome.reason, outcome.detail, next_attempt_at)


_SENT: Final = Result(DeliveryState.SENT)
