"""Statements about versions that wait until somebody agrees to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import delete, insert, select, update

from campaignctl.campaign.version import Version
from campaignctl.flow.states import CampaignState
from campaignctl.ports import LiveCampaign, LiveStep
from campaignctl.store.history import HistoryStatements
from campaignctl.store.instants import instant
from campaignctl.store.publications import PublicationStatements
from campaignctl.store.tables import campaigns, proposals, version_files, versions

REJECTED = "rejected"  # the word of the journal
_SHOWN: Final = 16  # characters of a fingerprint: enough to tell versions apart


@dataclass(frozen=True)
class Waiting:
    """A version that is not live until somebody else than `by` agrees."""

    number: int
    fingerprint: str
    by: str
    at: datetime

    def noted(self) -> dict[str, object]:
        """What the journal says of it."""
        return {"fingerprint": self.fingerprint[:_SHOWN], "by": self.by}


class ApprovalStatements(PublicationStatements, HistoryStatements):
    """What is written when a publication asks for a second person."""

    def waiting_for_approval(self, campaign: LiveCampaign) -> Waiting | None:
        """The version of a campaign that waits; the first one of a campaign that is not active yet."""
        number: int | None = campaign.version
        if campaign.state is not CampaignState.PENDING_APPROVAL:
            found = select(proposals.c.version).where(proposals.c.campaign_id == campaign.id)
            number = self.connection.scalar(found)
        row = self.connection.execute(
            select(versions).where(versions.c.campaign_id == campaign.id, versions.c.number == number)
        ).one_or_none()
        return (
            None if row is None else Waiting(row.number, row.fingerprint, row.published_by, instant(row.published_at))
        )

    def propose(self, campaign: LiveCampaign, version: Version, actor: str, now: datetime) -> int:
        """Keep the next version of a live campaign beside the one that goes on; takes the place of an earlier one."""
        self.withdraw(campaign)
        number = campaign.version + 1
        self._add_version(campaign.id, number, version, actor, now)
        self.connection.execute(insert(proposals).values(campaign_id=campaign.id, version=number))
        return number

    def withdraw(self, campaign: LiveCampaign) -> None:
        """Forget the version of a live campaign that waits, if there is one."""
        number = select(proposals.c.version).where(proposals.c.campaign_id == campaign.id).scalar_subquery()
        self.connection.execute(
            delete(version_files).where(version_files.c.campaign_id == campaign.id, version_files.c.version == number)
        )
        self.connection.execute(
            delete(versions).where(versions.c.campaign_id == campaign.id, versions.c.number == number)
        )
        self.connection.execute(delete(proposals).where(proposals.c.campaign_id == campaign.id))

    def begin_approved(self, campaign: LiveCampaign, version: Version, planned: Sequence[LiveStep]) -> None:
        """A campaign that waited is active from now on, and its steps have their times."""
        self.connection.execute(
            update(campaigns).where(campaigns.c.id == campaign.id).values(state=CampaignState.ACTIVE.value)
        )
        self._change_steps(planned, [step.name for step in planned], version)

    def rejected_by(self, campaign: LiveCampaign, fingerprint: str) -> str | None:
        """Who said no to just this version, if somebody did."""
        return next(
            (
                entry.actor
                for entry in reversed(self.history(campaign))
                if entry.action == REJECTED and entry.detail["fingerprint"] == fingerprint[:_SHOWN]
            ),
            None,
        )
