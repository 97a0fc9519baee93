"""Statements about members: who they are, which way they take, what they are given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from math import isqrt
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Integer,
    MetaData,
    Select,
    Table,
    and_,
    bindparam,
    case,
    delete,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.sqlite import insert as insert_or_ignore

from campaignctl.campaign.attribute import AttributeType
from campaignctl.campaign.fields import Literal
from campaignctl.campaign.model import SegmentStarter
from campaignctl.campaign.steps.effects import ByCondition, ByEngagement, ByShare
from campaignctl.campaign.version import Version
from campaignctl.flow.shares import sizes
from campaignctl.flow.tree import Turn, way_after
from campaignctl.ports import Cohort, LiveCampaign
from campaignctl.store.attributes import as_stored, type_of
from campaignctl.store.conditions import Circumstances, matches, reacted
from campaignctl.store.instants import stored
from campaignctl.store.lists import ContactList, add_attributes, list_named
from campaignctl.store.tables import campaigns, members, ways

_RANKS = 2**63  # how many `member_rank` tells apart

# Which way a branch leads to from which: filled by each split for its own statement.
_turns = Table(
    "turns",
    MetaData(),
    Column("way", Integer, primary_key=True, autoincrement=False),
    Column("branch", Integer, primary_key=True, autoincrement=False),
    Column("next_way", Integer, nullable=False),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)

# The rank that each member of a cohort drew: filled by a random split for its own statements.
_draws = Table(
    "draws",
    MetaData(),
    Column("contact_id", Integer, primary_key=True),
    Column("rank", Integer, nullable=False),
    prefixes=["TEMPORARY"],
)


class MemberStatements:
    """The frozen audience, and what steps do with parts of it. Each is one statement where one will do."""

    connection: Connection

    def contact_list(self, campaign: LiveCampaign) -> ContactList:
        found = list_named(self.connection, campaign.list_name)
        if found is None:
            raise LookupError(campaign.list_name)
        return found

    def freeze_audience(self, campaign: LiveCampaign, version: Version, now: datetime) -> int:
        """Evaluate the starter's segment once and write the members down; how many there are."""
        contacts = self.contact_list(campaign)
        way_id = self._way(campaign, "/")
        audience = audience_of(version, contacts, now)
        added = self.connection.execute(
            insert(members).from_select(
                ["campaign_id", "contact_id", "way_id"],
                select(literal(campaign.id), audience.selected_columns[0], literal(way_id)).where(
                    audience.whereclause  # type: ignore[arg-type] # an audience always has a condition
                ),
            )
        )
        count: int = added.rowcount
        self.connection.execute(
            update(campaigns).where(campaigns.c.id == campaign.id).values(started_at=stored(now), members=count)
        )
        return count

    def _way(self, campaign: LiveCampaign, path: str) -> int:
        self.connection.execute(
            insert_or_ignore(ways).values(campaign_id=campaign.id, path=path).on_conflict_do_nothing()
        )
        found = select(ways.c.id).where(ways.c.campaign_id == campaign.id, ways.c.path == path)
        return int(self.connection.scalars(found).one())

    def cohort_size(self, cohort: Cohort) -> int:
        """How many members the step works on."""
        count = select(func.count()).select_from(members).where(*in_cohort(cohort))
        return int(self.connection.scalars(count).one())

    def _ways_of(self, cohort: Cohort) -> dict[int, str]:
        """The ways that members of the cohort have come along: id → path."""
        found = self.connection.execute(select(ways.c.id, ways.c.path).where(*on_turn(cohort)))
        return {row.id: row.path for row in found}

    # splits

    def move_by_share(self, cohort: Cohort, rule: ByShare) -> None:
        """Divide the cohort at random into branches of exact sizes."""
        contacts = self.contact_list(cohort.campaign)
        self._draw(cohort, contacts)
        size = self.cohort_size(cohort)
        counts = sizes(rule.shares, size)
        ends = list(accumulate(counts.values()))
        boundaries = [self._at_place(contacts, end, size) for end in ends[:-1]]
        key = _of_member(contacts, contacts.table.c.contact_key)
        # The last branch takes the rest, and may be the only one.
        decision: ColumnElement[int] = literal(len(boundaries))
        for number, (rank, at_key) in reversed([*enumerate(boundaries)]):
            is_before = or_(_draws.c.rank < rank, and_(_draws.c.rank == rank, key < at_key))
            decision = case((is_before, number), else_=decision)
        of_member = select(decision).where(_draws.c.contact_id == members.c.contact_id)
        self._take_turns(cohort, of_member.correlate(members).scalar_subquery(), [*counts])
        self.connection.execute(delete(_draws))

    def _draw(self, cohort: Cohort, contacts: ContactList) -> None:
        """Write down every member's rank: working it out costs more than all the rest, so it is done once."""
        rank = func.member_rank(cohort.campaign.seed, cohort.step.name, contacts.table.c.contact_key)
        _draws.create(self.connection, checkfirst=True)
        self.connection.execute(
            insert(_draws).from_select(
                ["contact_id", "rank"],
                select(members.c.contact_id, rank).select_from(_with_contacts(contacts)).where(*in_cohort(cohort)),
            )
        )

    def _at_place(self, contacts: ContactList, place: int, size: int) -> tuple[int, str]:
        """
        The rank and key of the member who drew *place*, counted from 0; what comes after all ranks where nobody did.

        Ranks are spread evenly, so only those around `place / size` of them
        are sorted, ten standard deviations to each side or more: sorting the
        whole cohort costs several times as much.
        """
        if place >= size:
            return _RANKS - 1, ""
        rank, key = _draws.c.rank, contacts.table.c.contact_key
        margin = 10 * _RANKS // max(isqrt(size), 1)
        while True:
            middle = place * _RANKS // size
            low, high = max(middle - margin, 0), min(middle + margin, _RANKS - 1)
            before = self.connection.scalars(select(func.count()).where(rank < low)).one()
            row = self.connection.execute(
                select(rank, key)
                .join(contacts.table, contacts.table.c.id == _draws.c.contact_id)
                .where(rank.between(low, high))
                .order_by(rank, key)
                .limit(1)
                .offset(max(place - before, 0))
            ).one_or_none()
            if row is not None and before <= place:
                return row.rank, row.contact_key
            margin *= 2

    def move_by_condition(self, cohort: Cohort, rule: ByCondition, now: datetime) -> None:
        """Send each member down the first branch whose condition the contact matches."""
        contacts = self.contact_list(cohort.campaign)
        given = circumstances(cohort.version, now)
        tests = [
            (literal(1) == 1 if condition is None else matches(condition, contacts, given), number)
            for number, (_, condition) in enumerate(rule.branches)
        ]
        names = [name for name, _ in rule.branches]
        decision = _of_member(contacts, case(*tests, else_=len(names)))
        self._take_turns(cohort, decision, [*names, ""])

    def move_by_engagement(self, cohort: Cohort, rule: ByEngagement) -> None:
        """Send each member down the first branch whose reaction is theirs."""
        of = cohort.campaign.step(rule.of).id
        tests = [
            (literal(1) == 1 if reaction is None else reacted(reaction, of, members.c.contact_id), number)
            for number, (_, reaction) in enumerate(rule.branches)
        ]
        names = [name for name, _ in rule.branches]
        self._take_turns(cohort, case(*tests, else_=len(names)), [*names, ""])

    def _take_turns(self, cohort: Cohort, decision: ColumnElement[int], branches: Sequence[str]) -> None:
        """Write down for every member which branch they take, by its number in *branches*."""
        split = cohort.step.name
        next_way = {
            (way_id, number): self._way(cohort.campaign, way_after(path, Turn(split, branch)))
            for way_id, path in self._ways_of(cohort).items()
            for number, branch in enumerate(branches)
        }
        if not next_way:
            return
        self._write_down(next_way)
        target = (
            select(_turns.c.next_way)
            .where(_turns.c.way == members.c.way_id, _turns.c.branch == decision)
            .correlate(members)
            .scalar_subquery()
        )
        self.connection.execute(update(members).where(*in_cohort(cohort)).values(way_id=target))

    def _write_down(self, next_way: Mapping[tuple[int, int], int]) -> None:
        """Put the ways that a split leads to where its statement can look them up."""
        _turns.create(self.connection, checkfirst=True)
        self.connection.execute(delete(_turns))
        self.connection.execute(
            insert(_turns),
            [{"way": way, "branch": branch, "next_way": after} for (way, branch), after in next_way.items()],
        )

    def end_members(self, cohort: Cohort) -> None:
        """The cohort's members are done: no later step is theirs."""
        self.connection.execute(update(members).where(*in_cohort(cohort)).values(left_at_step=cohort.step.id))

    # attributes

    def set_attributes(self, cohort: Cohort, attributes: Mapping[str, Literal]) -> None:
        """Give every contact of the cohort these values."""
        contacts = self._list_with(cohort, {name: type_of(value) for name, value in attributes.items()})
        changes = {
            contacts.column(name): as_stored(value, contacts.type_of(name)) for name, value in attributes.items()
        }
        self.connection.execute(
            update(contacts.table)
            .where(contacts.table.c.id.in_(select(members.c.contact_id).where(*in_cohort(cohort))))
            .values(changes)
        )

    def write_attributes(self, cohort: Cohort, rows: Iterable[tuple[int, Mapping[str, Literal]]]) -> None:
        """Give single contacts (by id) their own values; all rows name the same attributes."""
        batch: list[dict[str, Any]] = []
        for contact_id, given in rows:
            contacts = self._list_with(cohort, dict.fromkeys(given, AttributeType.TEXT))
            batch.append(
                {"contact": contact_id}
                | {f"v_{name}": as_stored(value, contacts.type_of(name)) for name, value in given.items()}
            )
            if len(batch) == 1000:
                self._write(contacts, batch)
                batch = []
        if batch:
            self._write(contacts, batch)

    def _write(self, contacts: ContactList, batch: list[dict[str, Any]]) -> None:
        names = [name.removeprefix("v_") for name in batch[0] if name != "contact"]
        self.connection.execute(
            update(contacts.table)
            .where(contacts.table.c.id == bindparam("contact"))
            .values({contacts.column(name): bindparam(f"v_{name}") for name in names}),
            batch,
        )

    def _list_with(self, cohort: Cohort, wanted: Mapping[str, AttributeType]) -> ContactList:
        """The campaign's list, with columns for all the attributes that are wanted."""
        contacts = self.contact_list(cohort.campaign)
        missing = {name: kind for name, kind in wanted.items() if contacts.attribute(name) is None}
        return add_attributes(self.connection, contacts, missing) if missing else contacts


def circumstances(version: Version, now: datetime) -> Circumstances:
    """What the conditions of *version* depend on besides the contact."""
    return Circumstances(now, version.zone, version.content.segments, version.name)


def audience_of(version: Version, contacts: ContactList, now: datetime) -> Select[Any]:
    """The ids of the contacts that take part if the campaign starts now; nobody, where a request brings them."""
    if not isinstance(version.campaign.starter, SegmentStarter):
        return select(contacts.table.c.id).where(false())
    return select(contacts.table.c.id).where(matches(version.audience, contacts, circumstances(version, now)))


def in_cohort(cohort: Cohort) -> list[ColumnElement[bool]]:
    """The conditions on `members` that make the cohort."""
    conditions = [members.c.campaign_id == cohort.campaign.id, members.c.left_at_step.is_(None)]
    if cohort.turn is not None:
        conditions.append(members.c.way_id.in_(select(ways.c.id).where(*on_turn(cohort))))
    return conditions


def on_turn(cohort: Cohort) -> list[ColumnElement[bool]]:
    """The conditions on `ways` that lead to the cohort's step."""
    conditions: list[ColumnElement[bool]] = [ways.c.campaign_id == cohort.campaign.id]
    if cohort.turn is not None:
        conditions.append(ways.c.path.contains(f"/{cohort.turn.split}={cohort.turn.branch}/", autoescape=True))
    return conditions


def _of_member(contacts: ContactList, wanted: ColumnElement[Any]) -> ColumnElement[Any]:
    """Something of a member's contact, in statements over `members`: the row is found by its primary key."""
    found = select(wanted).select_from(contacts.table).where(contacts.table.c.id == members.c.contact_id)
    return found.correlate(members).scalar_subquery()


def _with_contacts(contacts: ContactList) -> Any:
    return members.join(contacts.table, contacts.table.c.id == members.c.contact_id)
