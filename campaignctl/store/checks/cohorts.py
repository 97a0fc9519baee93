"""Whether every cohort is the sum of its deliveries, and of the members who came its way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select

from campaignctl.campaign.steps.union import every_step, makes_deliveries
from campaignctl.campaign.version import Version
from campaignctl.errors import StoreError
from campaignctl.flow.states import DeliveryState
from campaignctl.flow.tree import stops
from campaignctl.ports import Cohort, LiveCampaign
from campaignctl.store.ledger import SqlLedger
from campaignctl.store.members import on_turn
from campaignctl.store.tables import campaigns, deliveries, members, steps, ways


def cohorts_add_up(ledger: SqlLedger) -> Iterator[str]:
    """For every step: its cohort is the members who came its way, and for a sending one the sum of its deliveries."""
    for campaign in ledger.every_campaign():
        for cohort in _cohorts(ledger, campaign):
            yield from _differences(ledger, cohort)


def members_are_counted(ledger: SqlLedger) -> Iterator[str]:
    """Every campaign that has begun says how many members it has, and has so many."""
    counted = select(func.count()).select_from(members).where(members.c.campaign_id == campaigns.c.id).scalar_subquery()
    for row in ledger.connection.execute(
        select(campaigns.c.name, campaigns.c.started_at, campaigns.c.members, counted.label("counted"))
    ):
        if (row.members or 0) != row.counted or (row.members is None) != (row.started_at is None):
            yield f"{row.name} says that it has {row.members} members, and has {row.counted}"


def _cohorts(ledger: SqlLedger, campaign: LiveCampaign) -> Iterator[Cohort]:
    read: dict[int, Version] = {}
    for step in campaign.steps:
        try:
            version = read.setdefault(step.version, ledger.version(campaign, step.version))
        except (StoreError, ValueError):
            continue  # the check of versions says so
        turns = {stop.id: stop.turn for stop in stops(version.campaign)}
        if step.name in turns:
            yield Cohort(campaign, step, version, turns[step.name])


def _differences(ledger: SqlLedger, cohort: Cohort) -> Iterator[str]:
    name = f"{cohort.campaign.name}/{cohort.step.name}"
    ask = ledger.connection.scalar
    these = deliveries.c.step_id == cohort.step.id
    known = deliveries.c.state.in_([state.value for state in DeliveryState])
    counted = ask(select(func.count()).select_from(deliveries).where(these, known)) or 0
    if cohort.step.cohort is None or not _delivers(cohort):
        if counted:
            yield f"{name} has {counted} deliveries, and has sent nothing yet"
    elif counted != cohort.step.cohort:
        yield f"{name} works on {cohort.step.cohort} members, and has {counted} deliveries"
    if cohort.step.cohort is None:
        return
    came = ask(select(func.count()).select_from(_with_ends()).where(*_came_to(cohort))) or 0
    if came != cohort.step.cohort:
        yield f"{name} works on {cohort.step.cohort} members, and {came} came its way"
    if strangers := ask(_strangers(cohort)) or 0:
        yield f"{name} has deliveries for {strangers} contacts who are no members of its cohort"


def _delivers(cohort: Cohort) -> bool:
    """Whether the step makes deliveries, by the version that it began with."""
    steps_of_version = every_step(cohort.version.campaign.steps)
    return makes_deliveries(next(each for each in steps_of_version if each.id == cohort.step.name))


def _with_ends() -> Any:
    """Members, each with the step at which they left, if they did."""
    return members.outerjoin(steps, steps.c.id == members.c.left_at_step)


def _came_to(cohort: Cohort) -> list[ColumnElement[bool]]:
    """The members whom the step found when it began: whoever left, left here or later."""
    conditions: list[ColumnElement[bool]] = [
        members.c.campaign_id == cohort.campaign.id,
        or_(members.c.left_at_step.is_(None), steps.c.position >= cohort.step.position),
    ]
    if cohort.turn is not None:
        conditions.append(members.c.way_id.in_(select(ways.c.id).where(*on_turn(cohort))))
    return conditions


def _strangers(cohort: Cohort) -> Select[int]:
    is_member = (
        select(members.c.contact_id)
        .select_from(_with_ends())
        .where(members.c.contact_id == deliveries.c.contact_id, *_came_to(cohort))
        .correlate(deliveries)
        .exists()
    )
    return select(func.count()).select_from(deliveries).where(and_(deliveries.c.step_id == cohort.step.id, ~is_member))
