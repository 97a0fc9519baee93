"""Statements about publications: versions with their files, and the steps that each gives or takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.dialects.sqlite import insert as insert_or_ignore

from campaignctl.campaign.version import Version, sha256, verbs_in
from campaignctl.engine.messages import counted_links
from campaignctl.flow.states import CampaignState
from campaignctl.ports import LiveCampaign, LiveStep
from campaignctl.store.instants import stored
from campaignctl.store.tables import campaigns, files, links, steps, version_files, versions

_THIS: Final = steps.c.id == bindparam("this")


class PublicationStatements:
    """What is written when a file is published."""

    connection: Connection

    def add_campaign(
        self,
        version: Version,
        list_id: int,
        seed: str,
        planned: Sequence[LiveStep],
        actor: str,
        now: datetime,
        state: CampaignState = CampaignState.ACTIVE,
    ) -> int:
        """Write down a new campaign with its first version and its steps; its id."""
        campaign_id: int = self.connection.execute(
            insert(campaigns).values(
                name=version.name,
                list_id=list_id,
                seed=seed,
                version=1,
                state=state.value,
                published_at=stored(now),
            )
        ).inserted_primary_key[0]  # type: ignore[index] # an insert of one row has a key
        self._add_version(campaign_id, 1, version, actor, now)
        self._add_steps(campaign_id, planned, version)
        self._keep_links(campaign_id, version)
        return campaign_id

    def change_campaign(
        self,
        campaign: LiveCampaign,
        version: Version,
        list_id: int,
        planned: Sequence[LiveStep],
        retimed: Collection[str],
        actor: str,
        now: datetime,
    ) -> None:
        """
        Write down the next version of a campaign, whose steps are from now on *planned*.

        Those that are not among them have not begun, and are removed; those
        without an id are new. *retimed* have another time than before. A
        completed campaign is active again.
        """
        number = campaign.version + 1
        self._add_version(campaign.id, number, version, actor, now)
        self.connection.execute(
            update(campaigns).where(campaigns.c.id == campaign.id).values(version=number, list_id=list_id)
        )
        self.connection.execute(
            update(campaigns)
            .where(campaigns.c.id == campaign.id, campaigns.c.state == CampaignState.COMPLETED.value)
            .values(state=CampaignState.ACTIVE.value, finished_at=None)
        )
        kept = {step.id for step in planned}
        removed = [step.id for step in campaign.steps if step.id not in kept]
        self.connection.execute(delete(links).where(links.c.step_id.in_(removed)))
        self.connection.execute(delete(steps).where(steps.c.id.in_(removed)))
        self._change_steps([step for step in planned if step.id], retimed, version)
        self._add_steps(campaign.id, [step for step in planned if not step.id], version)
        self._keep_links(campaign.id, version)

    def _add_version(self, campaign_id: int, number: int, version: Version, actor: str, now: datetime) -> None:
        self.connection.execute(
            insert(versions).values(
                campaign_id=campaign_id,
                number=number,
                fingerprint=version.fingerprint(),
                content=version.stored(),
                published_at=stored(now),
                published_by=actor,
            )
        )
        for path, content in version.files.items():
            digest = sha256(content)
            self.connection.execute(
                insert_or_ignore(files).values(sha256=digest, content=content).on_conflict_do_nothing()
            )
            self.connection.execute(
                insert(version_files).values(campaign_id=campaign_id, version=number, path=path, sha256=digest)
            )

    def _add_steps(self, campaign_id: int, planned: Sequence[LiveStep], version: Version) -> None:
        rows = [
            {"campaign_id": campaign_id, "name": step.name, **_kept(step), **_timed(step, version)} for step in planned
        ]
        if rows:
            self.connection.execute(insert(steps), rows)

    def _keep_links(self, campaign_id: int, version: Version) -> None:
        """Write down where the counted links of the steps lead that have not begun."""
        to_come = select(steps.c.id, steps.c.name).where(
            steps.c.campaign_id == campaign_id, steps.c.started_at.is_(None)
        )
        ids = {row.name: row.id for row in self.connection.execute(to_come)}
        self.connection.execute(delete(links).where(links.c.step_id.in_(ids.values())))
        rows = [
            {"step_id": ids[step], "number": number, "url": url}
            for step, numbered in counted_links(version)
            if step in ids
            for number, url in numbered.items()
        ]
        if rows:
            self.connection.execute(insert(links), rows)

    def _change_steps(self, planned: Sequence[LiveStep], retimed: Collection[str], version: Version) -> None:
        """Give steps their places and versions, and to some of them their times."""
        for some, values in (
            ([step for step in planned if step.name not in retimed], _kept),
            ([step for step in planned if step.name in retimed], lambda step: {**_kept(step), **_timed(step, version)}),
        ):
            rows = [{"this": step.id, **{f"v_{key}": value for key, value in values(step).items()}} for step in some]
            if rows:
                columns = [key.removeprefix("v_") for key in rows[0] if key != "this"]
                statement = update(steps).where(_THIS).values({key: bindparam(f"v_{key}") for key in columns})
                self.connection.execute(statement, rows)

    def former_verbs(self, campaign: LiveCampaign) -> dict[str, str]:
        """The ids of all steps that any version of the campaign had, each with the last verb that it had."""
        found: dict[str, str] = {}
        for text in self.connection.scalars(
            select(versions.c.content).where(versions.c.campaign_id == campaign.id).order_by(versions.c.number)
        ):
            found |= verbs_in(text)
        return found


def _kept(step: LiveStep) -> Mapping[str, Any]:
    """What every publication says of a step."""
    return {
        "position": step.position,
        "verb": step.verb,
        "version": step.version,
        "state": step.state.value,
        "reason": step.reason,
    }


def _timed(step: LiveStep, version: Version) -> Mapping[str, Any]:
    """What a publication says of a step to which it gives a time."""
    return {
        "wall_time": None if step.at is None else step.at.astimezone(version.zone).isoformat(),
        "timezone": version.content.timezone,
        "at": stored(step.at),
        "effective_at": stored(step.effective_at),
    }
