"""Statements about the message that one reader has: what its links lead to."""

from __future__ import annotations

from sqlalchemy import Connection, select

from campaignctl.ports import Candidate, Cohort
from campaignctl.store.campaigns import CampaignStatements
from campaignctl.store.candidates import CandidateReader, with_contacts
from campaignctl.store.members import MemberStatements
from campaignctl.store.tables import campaigns, deliveries, steps


class ReaderStatements(MemberStatements, CampaignStatements):
    """Finding the step and the contact of a link."""

    connection: Connection

    def cohort_of(self, step_id: int) -> Cohort | None:
        """The whole audience before the step with this number, which keeps the version that it began with."""
        name = self.connection.scalar(
            select(campaigns.c.name).join(steps, steps.c.campaign_id == campaigns.c.id).where(steps.c.id == step_id)
        )
        campaign = None if name is None else self.campaign_named(name)
        if campaign is None:
            return None
        step = next(each for each in campaign.steps if each.id == step_id)
        return Cohort(campaign, step, self.version(campaign, step.version), None)

    def candidate_of(self, cohort: Cohort, contact_id: int) -> Candidate | None:
        """The delivery of a step to one contact, whatever became of it."""
        contacts = self.contact_list(cohort.campaign)
        row = self.connection.execute(
            with_contacts(cohort, contacts).where(
                deliveries.c.step_id == cohort.step.id, deliveries.c.contact_id == contact_id
            )
        ).one_or_none()
        return None if row is None else CandidateReader(cohort, contacts).candidate(row)
