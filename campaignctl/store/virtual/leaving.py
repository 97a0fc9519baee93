"""Statements by which a cohort's messages leave at once, and nobody's does who must not be written to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, case, func, insert, literal, or_, select

from campaignctl.flow.rates import FrequencyCap
from campaignctl.flow.states import DeliveryState
from campaignctl.ports import Cohort
from campaignctl.store.instants import stored
from campaignctl.store.ledger import SqlLedger
from campaignctl.store.limits import recently_left
from campaignctl.store.members import in_cohort
from campaignctl.store.numbers import is_suppressed_number
from campaignctl.store.reasons import (
    LOOKED_UP,
    WITH_NUMBERS,
    WITHOUT_ADDRESS,
    address_of,
    has_no_address,
    is_suppressed,
    reasons_to_skip,
    suppressed_for,
)
from campaignctl.store.tables import deliveries, members, suppressions
from campaignctl.store.virtual.tables import unmade
from campaignctl.store.virtual.unmade import has_no_delivery

_UNMADE: Final = "render_error"
_silenced: Final = suppressions.alias("silenced")


@dataclass(frozen=True)
class Part:
    """
    A part of a cohort whose messages leave together: the members after one contact, to another one or to the last.

    Where it is night for some of them, *is_awake* leaves these out. *is_first*
    says that nobody after that contact has got anything, and *all_made* that
    every message can be made: then nothing is looked up for that. *country* is
    that of numbers without a country code.
    """

    cohort: Cohort
    now: datetime
    cap: FrequencyCap | None
    after: int = 0
    to: int | None = None
    is_awake: ColumnElement[bool] | None = None
    is_first: bool = False
    all_made: bool = False
    country: str | None = None


class LeavingStatements(SqlLedger):
    """
    What the delivery loop does for each message, for many at a time.

    A message that has not left has no delivery in a simulation: what is left of
    a cohort are the members without.
    """

    def has_waiting(self, cohort: Cohort, after: int) -> bool:
        """Whether a member's message has neither left nor been skipped."""
        waiting = select(members.c.contact_id).where(
            *in_cohort(cohort), members.c.contact_id > after, has_no_delivery(cohort)
        )
        return self.connection.execute(waiting.limit(1)).first() is not None

    def has_deliveries(self, cohort: Cohort) -> bool:
        """Whether somebody of the step has got the message, or been skipped."""
        found = select(deliveries.c.contact_id).where(deliveries.c.step_id == cohort.step.id).limit(1)
        return self.connection.execute(found).first() is not None

    def ends_with_skipped(self, cohort: Cohort) -> bool:
        """Whether the last member of the step was skipped."""
        of_step = select(deliveries.c.state).where(deliveries.c.step_id == cohort.step.id)
        last = self.connection.scalar(of_step.order_by(deliveries.c.contact_id.desc()).limit(1))
        return bool(last == DeliveryState.SKIPPED)

    def zones(self, cohort: Cohort) -> list[object]:
        """What the list's attribute for time zones holds, each once."""
        return list(self.connection.scalars(select(self._zone(cohort)).distinct()))

    def is_in_zone(self, cohort: Cohort, names: Iterable[object]) -> ColumnElement[bool]:
        """The condition that what a contact has for a zone is one of *names*; None is for those who have nothing."""
        zone, wanted = self._zone(cohort), list(names)
        is_named = zone.in_([name for name in wanted if name is not None])
        return or_(is_named, zone.is_(None)) if None in wanted else is_named

    def _zone(self, cohort: Cohort) -> ColumnElement[Any]:
        return self.contact_list(cohort.campaign).column(str(cohort.version.content.contacts.timezone))

    def next_to_leave(self, part: Part, most: int) -> tuple[int, int | None]:
        """
        How many members may be written to, *most* at the most, and the last of these.

        There is no last one where that is everybody who may.
        """
        waiting, reason = self._waiting(part)
        may = waiting.where(reason == "")
        has_last = most < (part.cohort.step.cohort or 0)
        last = self.connection.scalar(may.limit(1).offset(most - 1)) if has_last else None
        if last is not None:
            return most, int(last)
        count = may.with_only_columns(func.count(), maintain_column_froms=True).order_by(None)
        return int(self.connection.scalars(count).one()), None

    def waiting_count(self, part: Part) -> int:
        """How many members of a part are to be looked at."""
        waiting, _ = self._waiting(part)
        count = waiting.with_only_columns(func.count(), maintain_column_froms=True).order_by(None)
        return int(self.connection.scalars(count).one())

    def let_leave(self, part: Part, first_at: datetime, last_at: datetime, number: int) -> None:
        """
        The messages of a part leave, *number* of them, evenly between these instants.

        Whoever must not be written to is skipped, for the reason that the
        delivery loop would find.
        """
        first, length = stored(first_at), stored(last_at) - stored(first_at)
        waiting, reason = self._waiting(part)
        found = waiting.add_columns(reason.label("reason")).subquery()
        at: ColumnElement[Any] = literal(first)
        if length:
            place = func.sum(case((found.c.reason == "", 1), else_=0)).over(order_by=found.c.contact_id, rows=(None, 0))
            # `//`, because instants are whole numbers, and the quotient of two of them is none.
            at = literal(first) + func.max(place - 1, 0) * literal(length) // literal(max(number - 1, 1))
        is_sent = found.c.reason == ""
        self.connection.execute(
            insert(deliveries).from_select(
                ["step_id", "contact_id", "state", "attempts", "made_at", "changed_at", "reason"],
                select(
                    literal(part.cohort.step.id),
                    found.c.contact_id,
                    case((is_sent, DeliveryState.SENT.value), else_=DeliveryState.SKIPPED.value),
                    case((is_sent, 1), else_=0),
                    literal(stored(part.cohort.step.started_at or first_at)),
                    at,
                    case((is_sent, None), else_=found.c.reason),
                ),
            )
        )

    def _waiting(self, part: Part) -> tuple[Select[Any], ColumnElement[str]]:
        """The members of a part without a delivery, in order, and why each is not written to: empty for the others."""
        cohort, is_silenced = part.cohort, self._is_silenced(part)
        contacts = self.contact_list(cohort.campaign)
        is_unmade = and_(unmade.c.step_id == cohort.step.id, unmade.c.contact_id == members.c.contact_id)
        found = (
            select(members.c.contact_id)
            .join(contacts.table, contacts.table.c.id == members.c.contact_id)
            .where(*in_cohort(cohort), members.c.contact_id > part.after)
            .order_by(members.c.contact_id)
        )
        if cohort.step.verb in LOOKED_UP:
            found = found.outerjoin(suppressions, is_suppressed(address_of(cohort.version, contacts)))
        if is_silenced is not None:
            found = found.outerjoin(_silenced, is_silenced)
        if not part.all_made:
            found = found.outerjoin(unmade, is_unmade)
        if not part.is_first:
            found = found.where(has_no_delivery(cohort))
        if part.to is not None:
            found = found.where(members.c.contact_id <= part.to)
        reason = self._reason(part, looks_at_numbers=is_silenced is not None)
        return (found if part.is_awake is None else found.where(part.is_awake)), reason

    def _is_silenced(self, part: Part) -> ColumnElement[bool] | None:
        """What joins `_silenced` to the numbers of a part's contacts; None where nothing has to be looked up."""
        cohort = part.cohort
        if cohort.step.verb not in WITH_NUMBERS:
            return None
        number = address_of(cohort.version, self.contact_list(cohort.campaign), "sms")
        return is_suppressed_number(self.connection, _silenced, number, part.country)

    def _reason(self, part: Part, *, looks_at_numbers: bool) -> ColumnElement[str]:
        """Why a member is not written to, in the order in which the delivery loop asks; empty for the others."""
        version, verb = part.cohort.version, part.cohort.step.verb
        contacts = self.contact_list(part.cohort.campaign)
        reasons: list[tuple[ColumnElement[bool], Any]] = [
            *([] if verb in WITHOUT_ADDRESS else [has_no_address(version, contacts, verb)]),
            *([] if part.all_made else [(unmade.c.contact_id.is_not(None), func.coalesce(unmade.c.reason, _UNMADE))]),
            *reasons_to_skip(version, contacts, part.now, verb, version.topic_of(part.cohort.step.name)),
        ]
        if looks_at_numbers:
            reasons += suppressed_for(_silenced)
        if part.cap is not None:
            recent = (
                select(func.count())
                .select_from(deliveries)
                .where(
                    *recently_left(part.cohort, part.now - part.cap.per),
                    deliveries.c.contact_id == members.c.contact_id,
                )
                .correlate(members)
                .scalar_subquery()
            )
            reasons.append((recent >= part.cap.messages, "frequency_cap"))
        return case(*reasons, else_="") if reasons else literal("")
