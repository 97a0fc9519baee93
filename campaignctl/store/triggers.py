"""Statements about requests that start campaigns: who comes in, and what was answered."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, column, insert, literal, select, table, text, true, update

from campaignctl.campaign.version import Version
from campaignctl.flow.states import StepState
from campaignctl.ports import LiveCampaign
from campaignctl.store.conditions import matches
from campaignctl.store.instants import stored
from campaignctl.store.lists import KEY_COLUMN, ContactList
from campaignctl.store.members import MemberStatements, circumstances
from campaignctl.store.tables import campaigns, members, steps, triggers


@dataclass(frozen=True)
class Trigger:
    """A request that started a campaign: how it named itself, what it carried, and what it was told."""

    idempotency_key: str | None
    sha256: str | None
    answer: Mapping[str, object]


class TriggerStatements(MemberStatements):
    """Starting a campaign by a request."""

    connection: Connection

    def prepare_for_data(self) -> None:
        """Make room beside the store for what members bring."""
        self.connection.execute(text("CREATE TABLE staging.data (line INTEGER PRIMARY KEY, data TEXT NOT NULL)"))

    def keep_data(self, rows: Sequence[tuple[int, str]]) -> None:
        """What the rows on these lines bring beside their contacts."""
        if rows:
            kept = insert(table("data", column("line"), column("data"), schema="staging"))
            self.connection.execute(
                kept.values(line=bindparam("at"), data=bindparam("said")),
                [{"at": line, "said": said} for line, said in rows],
            )

    def trigger_of(self, campaign: LiveCampaign) -> Trigger | None:
        """The request that started the campaign."""
        row = self.connection.execute(
            select(triggers.c.idempotency_key, triggers.c.sha256, triggers.c.answer).where(
                triggers.c.campaign_id == campaign.id
            )
        ).one_or_none()
        return None if row is None else Trigger(row.idempotency_key, row.sha256, json.loads(row.answer))

    def take_members(
        self, campaign: LiveCampaign, version: Version, contacts: ContactList, key_place: int, now: datetime
    ) -> int:
        """Make members of the rows that wait, but for those whom the project's own segment leaves out; how many."""
        waiting = table("waiting", column("line"), column(f"c{key_place}"), schema="staging")
        data = table("data", column("line"), column("data"), schema="staging")
        own = version.content.project_segment
        found = (
            select(literal(campaign.id), contacts.table.c.id, literal(self._way(campaign, "/")), data.c.data)
            .select_from(
                waiting.join(contacts.table, contacts.table.c[KEY_COLUMN] == waiting.c[f"c{key_place}"]).outerjoin(
                    data, data.c.line == waiting.c.line
                )
            )
            .where(true() if own is None else matches(own, contacts, circumstances(version, now)))
        )
        added = self.connection.execute(
            insert(members).from_select(["campaign_id", "contact_id", "way_id", "data"], found)
        )
        self.connection.execute(
            update(campaigns)
            .where(campaigns.c.id == campaign.id)
            .values(started_at=stored(now), members=added.rowcount)
        )
        return added.rowcount

    def release_waiting(self, campaign: LiveCampaign, now: datetime) -> None:
        """The steps that wait for the request may run, one after the other."""
        self.connection.execute(
            update(steps)
            .where(and_(steps.c.campaign_id == campaign.id, steps.c.state == StepState.WAITING.value))
            .values(state=StepState.SCHEDULED.value, effective_at=stored(now))
        )

    def keep_trigger(self, campaign: LiveCampaign, trigger: Trigger, actor: str, now: datetime) -> None:
        """Write down what started the campaign: there is room for one."""
        self.connection.execute(
            insert(triggers).values(
                campaign_id=campaign.id,
                at=stored(now),
                actor=actor,
                idempotency_key=trigger.idempotency_key,
                sha256=trigger.sha256,
                answer=json.dumps(trigger.answer, ensure_ascii=False),
            )
        )
