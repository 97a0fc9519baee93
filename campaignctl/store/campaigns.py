"""Statements about campaigns, their versions and their steps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select, update

from campaignctl.campaign.version import Version
from campaignctl.diagnostics import did_you_mean, listed
from campaignctl.errors import RefusedError, StoreError
from campaignctl.flow.states import CampaignState, StepState
from campaignctl.ports import LiveCampaign, LiveStep
from campaignctl.project import ListSettings
from campaignctl.store.instants import instant, stored
from campaignctl.store.tables import campaigns, files, journal, lists, steps, version_files, versions

# Why a step that was held is at work: it is not held for its bounces again.
RELEASED = "released"


class CampaignStatements:
    """What the store knows of campaigns and steps, and how they change."""

    connection: Connection

    def live_campaigns(self, states: Iterable[CampaignState] = (CampaignState.ACTIVE,)) -> list[LiveCampaign]:
        """The campaigns in these states, in the order they were published."""
        return self._campaigns(campaigns.c.state.in_([state.value for state in states]))

    def every_campaign(self) -> list[LiveCampaign]:
        return self._campaigns()

    def campaign_named(self, name: str) -> LiveCampaign | None:
        found = self._campaigns(campaigns.c.name == name)
        return found[0] if found else None

    def known_campaign(self, name: str) -> LiveCampaign:
        """
        The campaign with this name.

        Raises:
            RefusedError: there is none.
        """
        found = self.campaign_named(name)
        if found is None:
            names = [each.name for each in self.every_campaign()]
            near = did_you_mean(name, names)
            hint = near or (f"there is {listed(names[:10], 'and')}" if names else "publish one first")
            raise RefusedError("P100", f"no campaign is named `{name}`", hint)
        return found

    def _campaigns(self, *conditions: Any) -> list[LiveCampaign]:
        found = self.connection.execute(
            select(
                campaigns.c.id,
                campaigns.c.name,
                lists.c.name.label("list_name"),
                campaigns.c.seed,
                campaigns.c.version,
                campaigns.c.state,
                campaigns.c.published_at,
                campaigns.c.started_at,
                campaigns.c.finished_at,
                campaigns.c.members,
                campaigns.c.counts_from,
                campaigns.c.series_id,
                campaigns.c.starts_at,
            )
            .join(lists, lists.c.id == campaigns.c.list_id)
            .where(*conditions)
            .order_by(campaigns.c.id)
        ).all()
        steps_of = self._steps([row.id for row in found])
        return [
            LiveCampaign(
                id=row.id,
                name=row.name,
                list_name=row.list_name,
                seed=row.seed,
                version=row.version,
                state=CampaignState(row.state),
                published_at=instant(row.published_at),
                started_at=instant(row.started_at),
                finished_at=instant(row.finished_at),
                members=row.members,
                steps=tuple(steps_of.get(row.id, ())),
                counts_from=instant(row.counts_from),
                series_id=row.series_id,
                starts_at=instant(row.starts_at),
            )
            for row in found
        ]

    def _steps(self, campaign_ids: Sequence[int]) -> dict[int, list[LiveStep]]:
        found: dict[int, list[LiveStep]] = {}
        for row in self.connection.execute(
            select(
                steps.c.id,
                steps.c.campaign_id,
                steps.c.name,
                steps.c.position,
                steps.c.verb,
                steps.c.state,
                steps.c.version,
                steps.c.at,
                steps.c.effective_at,
                steps.c.started_at,
                steps.c.finished_at,
                steps.c.cohort,
                steps.c.reason,
            )
            .where(steps.c.campaign_id.in_(campaign_ids))
            .order_by(steps.c.campaign_id, steps.c.position)
        ):
            found.setdefault(row.campaign_id, []).append(_live_step(row))
        return found

    def version(self, campaign: LiveCampaign, number: int) -> Version:
        """The version of *campaign* with this number, with its files."""
        text = self._content(campaign, number)
        named = self.connection.execute(
            select(version_files.c.path, files.c.content)
            .join(files, files.c.sha256 == version_files.c.sha256)
            .where(version_files.c.campaign_id == campaign.id, version_files.c.version == number)
        )
        return Version.from_stored(text, {row.path: row.content for row in named})

    def roles_in(self, campaign: LiveCampaign, number: int) -> ListSettings:
        """Which attribute is what, by the version with this number; nothing else of it is looked at."""
        return ListSettings.model_validate(json.loads(self._content(campaign, number))["contacts"])

    def _content(self, campaign: LiveCampaign, number: int) -> str:
        text: str | None = self.connection.scalar(
            select(versions.c.content).where(versions.c.campaign_id == campaign.id, versions.c.number == number)
        )
        if text is None:
            raise StoreError("S103", f"version {number} of `{campaign.name}` is not in the store", "restore a backup")
        return text

    def step_started(self, step: LiveStep, version: int, effective_at: datetime, cohort: int, now: datetime) -> None:
        """The step works on its cohort from now on, and as this version says until it is over."""
        self._step_goes(
            step,
            (StepState.SCHEDULED, StepState.WAITING),
            state=StepState.RUNNING.value,
            version=version,
            effective_at=stored(effective_at),
            started_at=stored(now),
            cohort=cohort,
        )

    def step_finished(self, step: LiveStep, now: datetime) -> None:
        """The whole cohort was worked on."""
        self._step_goes(step, (StepState.RUNNING,), state=StepState.DONE.value, finished_at=stored(now))

    def step_skipped(self, step: LiveStep, reason: str, now: datetime) -> None:
        """The step will not run."""
        self._step_goes(
            step,
            (StepState.SCHEDULED, StepState.WAITING),
            state=StepState.SKIPPED.value,
            finished_at=stored(now),
            reason=reason,
        )

    def step_held(self, step: LiveStep, reason: str) -> bool:
        """The step waits for a person; False where it was neither to come nor at work."""
        return self._step_goes(
            step, (StepState.SCHEDULED, StepState.RUNNING), state=StepState.HELD.value, reason=reason
        )

    def step_released(self, step: LiveStep, now: datetime) -> bool:
        """A person lets a held step go on: it runs now, or goes on where it had begun."""
        if step.started_at is None:
            released = {"state": StepState.SCHEDULED.value, "effective_at": stored(now)}
        else:
            released = {"state": StepState.RUNNING.value}
        return self._step_goes(step, (StepState.HELD,), reason=RELEASED, **released)

    def _step_goes(self, step: LiveStep, allowed: Iterable[StepState], **changes: Any) -> bool:
        changed = self.connection.execute(
            update(steps)
            .where(steps.c.id == step.id, steps.c.state.in_([state.value for state in allowed]))
            .values(**changes)
        )
        return changed.rowcount == 1

    def campaign_paused(self, campaign: LiveCampaign) -> bool:
        """No further step begins and no message leaves; False where it was not active."""
        return self._campaign_goes(campaign, (CampaignState.ACTIVE,), CampaignState.PAUSED)

    def campaign_resumed(self, campaign: LiveCampaign) -> bool:
        """It goes on; False where it was not paused."""
        return self._campaign_goes(campaign, (CampaignState.PAUSED,), CampaignState.ACTIVE)

    def _campaign_goes(self, campaign: LiveCampaign, allowed: Iterable[CampaignState], to: CampaignState) -> bool:
        changed = self.connection.execute(
            update(campaigns)
            .where(campaigns.c.id == campaign.id, campaigns.c.state.in_([state.value for state in allowed]))
            .values(state=to.value)
        )
        return changed.rowcount == 1

    def campaign_completed(self, campaign: LiveCampaign, now: datetime) -> None:
        """The last step is done."""
        self.connection.execute(
            update(campaigns)
            .where(campaigns.c.id == campaign.id, campaigns.c.state == CampaignState.ACTIVE.value)
            .values(state=CampaignState.COMPLETED.value, finished_at=stored(now))
        )
        self.note("completed", campaign, {}, now)

    def campaign_stopped(self, campaign: LiveCampaign, now: datetime) -> None:
        """Nothing of it happens any more: the steps to come are cancelled."""
        self.connection.execute(
            update(campaigns)
            .where(campaigns.c.id == campaign.id)
            .values(state=CampaignState.STOPPED.value, finished_at=stored(now))
        )
        self.connection.execute(
            update(steps)
            .where(
                steps.c.campaign_id == campaign.id,
                steps.c.state.in_([state.value for state in StepState if not state.is_final]),
            )
            .values(state=StepState.CANCELLED.value, finished_at=stored(now), reason="stopped")
        )

    def note(
        self,
        action: str,
        campaign: LiveCampaign | None,
        detail: Mapping[str, object],
        now: datetime,
        actor: str = "campaignctl",
    ) -> None:
        """Write into the journal what was done, when and by whom."""
        self.connection.execute(
            insert(journal).values(
                at=stored(now),
                actor=actor,
                action=action,
                campaign_id=campaign and campaign.id,
                version=campaign and campaign.version,
                detail=json.dumps(detail, ensure_ascii=False),
            )
        )


def _live_step(row: Any) -> LiveStep:
    return LiveStep(
        id=row.id,
        name=row.name,
        position=row.position,
        verb=row.verb,
        state=StepState(row.state),
        version=row.version,
        at=instant(row.at),
        effective_at=instant(row.effective_at),
        started_at=instant(row.started_at),
        finished_at=instant(row.finished_at),
        cohort=row.cohort,
        reason=row.reason,
    )
