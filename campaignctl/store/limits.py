"""Statements about limits: how fast messages may leave, and how often one contact is written to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Connection, func, or_, select
from sqlalchemy.dialects.sqlite import insert as insert_or_update

from campaignctl.campaign.steps.union import SENDING_VERBS
from campaignctl.flow.states import DeliveryState
from campaignctl.ports import Candidate, Cohort
from campaignctl.store.instants import instant, stored
from campaignctl.store.tables import campaigns, deliveries, lists, rate_marks, steps

_LEFT: Final = (DeliveryState.SENDING, DeliveryState.SENT, DeliveryState.UNCERTAIN)

# So long after its step has ended a refused message may still leave.
_MAY_LEAVE_AFTER: Final = timedelta(days=5)


class LimitStatements:
    """What rates and frequency caps have to remember."""

    connection: Connection

    def rate_marks(self) -> dict[str, datetime]:
        """From when on the next message by each rate is in time."""
        rows = self.connection.execute(select(rate_marks.c.name, rate_marks.c.in_time_at))
        return {row.name: instant(row.in_time_at) for row in rows}

    def keep_rate_marks(self, marks: Mapping[str, datetime]) -> None:
        """Remember these for a daemon that comes after."""
        written = insert_or_update(rate_marks)
        self.connection.execute(
            written.on_conflict_do_update(set_={"in_time_at": written.excluded.in_time_at}),
            [{"name": name, "in_time_at": stored(at)} for name, at in marks.items()],
        )

    def recent_messages(self, cohort: Cohort, candidates: Sequence[Candidate], since: datetime) -> Mapping[int, int]:
        """
        How many messages each contact was sent, or may have been sent, in this time by any campaign of the list.

        What the step itself may have sent is the message that is asked about.
        """
        rows = self.connection.execute(
            select(deliveries.c.contact_id, func.count().label("messages"))
            .where(
                *recently_left(cohort, since),
                deliveries.c.contact_id.in_([candidate.contact_id for candidate in candidates]),
            )
            .group_by(deliveries.c.contact_id)
        )
        return {row.contact_id: row.messages for row in rows}


def recently_left(cohort: Cohort, since: datetime) -> list[ColumnElement[bool]]:
    """The conditions on `deliveries` for messages of other steps that left, or may have left, since then."""
    of_list = (
        select(steps.c.id)
        .join(campaigns, campaigns.c.id == steps.c.campaign_id)
        .join(lists, lists.c.id == campaigns.c.list_id)
        .where(
            lists.c.name == cohort.campaign.list_name,
            steps.c.verb.in_(SENDING_VERBS),
            steps.c.started_at.is_not(None),
            # What was refused for now may leave after its step has ended.
            or_(steps.c.finished_at.is_(None), steps.c.finished_at >= stored(since - _MAY_LEAVE_AFTER)),
        )
    )
    return [
        deliveries.c.step_id.in_(of_list),
        deliveries.c.step_id != cohort.step.id,
        deliveries.c.state.in_([state.value for state in _LEFT]),
        deliveries.c.changed_at >= stored(since),
    ]
