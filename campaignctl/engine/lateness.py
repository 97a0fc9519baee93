"""Whether a step that could not run in time still runs."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from campaignctl.campaign.model import Campaign
from campaignctl.campaign.steps.base import StepBase, Within

LONGEST_BY_DEFAULT: Final = timedelta(hours=24)

# The daemon looks every few seconds: that much is not late.
PUNCTUAL: Final = timedelta(minutes=1)


class Late(StrEnum):
    """What becomes of a step at the moment it could begin."""

    RUN = "run"  # in time, or late and still wanted
    SKIP = "skip"  # too late, and not wanted any more
    HOLD = "hold"  # too late, and a person has to decide


def verdict_on(step: StepBase, campaign: Campaign, due_at: datetime, now: datetime) -> Late:
    """
    What `if_late` says of a step that could have begun at *due_at*.

    *due_at* already contains the shift by a slow step before it: that is never
    late, and only time in which nothing was running is.
    """
    lateness = now - due_at
    if lateness <= PUNCTUAL:
        return Late.RUN
    wanted = step.if_late or campaign.if_late
    match wanted:
        case "run":
            return Late.RUN
        case "skip":
            return Late.SKIP
        case Within(within=longest):
            return Late.RUN if lateness <= longest else Late.HOLD
        case _:
            return Late.RUN if lateness <= LONGEST_BY_DEFAULT else Late.HOLD
