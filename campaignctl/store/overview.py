"""Statements about the store as a whole: what it holds, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Column, Connection, func, select

from campaignctl.campaign.when import zone_named
from campaignctl.flow.states import StepState
from campaignctl.store.instants import instant
from campaignctl.store.lists import all_lists
from campaignctl.store.migrations import applied_number
from campaignctl.store.tables import campaigns, conversions, daemons, deliveries, events, journal, steps

_LAST_DAEMONS: Final = 5


@dataclass(frozen=True)
class ListSize:
    """A list, and how much is known of how many."""

    list: str
    contacts: int
    attributes: int


@dataclass(frozen=True)
class DaemonRun:
    """One life of a daemon; without `ended_at` it runs, or was killed."""

    epoch: int
    host: str
    pid: int
    started_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True)
class Overview:
    """What a store holds."""

    schema: int
    journal_mode: str
    lists: tuple[ListSize, ...]
    campaigns: dict[str, int]
    deliveries: dict[str, int]
    daemons: tuple[DaemonRun, ...]


def overview(connection: Connection) -> Overview:
    """What the store holds, in numbers."""
    return Overview(
        schema=applied_number(connection),
        journal_mode=str(connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()),
        lists=tuple(
            ListSize(
                each.name,
                connection.scalars(select(func.count()).select_from(each.table)).one(),
                len(each.attributes),
            )
            for each in all_lists(connection)
        ),
        campaigns=_by_state(connection, campaigns.c.state),
        deliveries=_by_state(connection, deliveries.c.state),
        daemons=tuple(
            DaemonRun(row.epoch, row.host, row.process_id, instant(row.started_at), instant(row.ended_at))
            for row in connection.execute(
                select(daemons.c.epoch, daemons.c.host, daemons.c.process_id, daemons.c.started_at, daemons.c.ended_at)
                .order_by(daemons.c.epoch.desc())
                .limit(_LAST_DAEMONS)
            )
        ),
    )


def step_counts(connection: Connection) -> dict[str, int]:
    """How many steps of all campaigns are in each state."""
    return _by_state(connection, steps.c.state)


def seen_counts(connection: Connection) -> dict[tuple[str, bool], int]:
    """How many events of each kind there are, by people and by machines."""
    rows = connection.execute(
        select(events.c.kind, events.c.is_machine, func.count().label("number")).group_by(
            events.c.kind, events.c.is_machine
        )
    )
    return {(row.kind, row.is_machine): row.number for row in rows}


def conversion_count(connection: Connection) -> int:
    """How many conversions were told."""
    return connection.scalars(select(func.count()).select_from(conversions)).one()


def _by_state(connection: Connection, state: Column[Any]) -> dict[str, int]:
    rows = connection.execute(select(state.label("state"), func.count().label("number")).group_by(state))
    return {row.state: row.number for row in rows}


def newest_entry_at(connection: Connection) -> datetime | None:
    """When the last thing was written into the journal, by its own clock."""
    at: int | None = connection.scalar(select(func.max(journal.c.at)))
    return instant(at)


@dataclass(frozen=True)
class PlannedTime:
    """The time of a step to come: as written, in its zone, and the instant that this meant at the publication."""

    campaign: str
    step: str
    wall_time: datetime
    timezone: str
    at: datetime

    @property
    def means_the_same(self) -> bool:
        """Whether the zone database still gives the local time the instant that the step is planned for."""
        wall = self.wall_time.replace(tzinfo=zone_named(self.timezone))
        return any(wall.replace(fold=fold).astimezone(UTC) == self.at for fold in (0, 1))


def planned_times(connection: Connection) -> list[PlannedTime]:
    """The times of all steps to come."""
    rows = connection.execute(
        select(campaigns.c.name.label("campaign"), steps.c.name, steps.c.wall_time, steps.c.timezone, steps.c.at)
        .join(campaigns, campaigns.c.id == steps.c.campaign_id)
        .where(steps.c.state == StepState.SCHEDULED.value, steps.c.wall_time.is_not(None), steps.c.at.is_not(None))
        .order_by(steps.c.id)
    )
    return [
        PlannedTime(row.campaign, row.name, datetime.fromisoformat(row.wall_time), row.timezone, instant(row.at))
        for row in rows
    ]
