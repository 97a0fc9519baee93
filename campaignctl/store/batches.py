"""Statements about requests that are about many contacts: who shares one with whom, and which are to be tried."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, literal, select

from campaignctl.ports import Candidate, Cohort
from campaignctl.store.candidates import with_contacts
from campaignctl.store.claims import MAY_BE_TRIED, ClaimStatements
from campaignctl.store.instants import stored
from campaignctl.store.tables import batches, deliveries


class BatchStatements(ClaimStatements):
    """Dividing a cohort into batches, and reading them whole."""

    def divide(self, cohort: Cohort, batch: int) -> None:
        """Write down which of a step's deliveries go in one request: so many in the order of the contacts."""
        numbered = (
            select(
                deliveries.c.contact_id,
                ((func.row_number().over(order_by=deliveries.c.contact_id) - 1) // literal(batch)).label("number"),
            )
            .where(deliveries.c.step_id == cohort.step.id)
            .subquery()
        )
        self.connection.execute(
            insert(batches).from_select(
                ["step_id", "number", "first_contact", "last_contact"],
                select(
                    literal(cohort.step.id),
                    numbered.c.number,
                    func.min(numbered.c.contact_id),
                    func.max(numbered.c.contact_id),
                ).group_by(numbered.c.number),
            )
        )

    def batch_candidates(self, cohort: Cohort, most: int, now: datetime) -> list[Candidate]:
        """The deliveries of the first batches that may be tried now: whole ones, so many at the most."""
        prepared, found = self._prepared_for(cohort, now), list[Candidate]()
        for batch in self._batches_to_try(cohort, most, now):
            rows = self.connection.execute(
                with_contacts(cohort, prepared.contacts)
                .where(
                    deliveries.c.step_id == cohort.step.id,
                    deliveries.c.contact_id.between(batch.first_contact, batch.last_contact),
                    deliveries.c.state.in_([state.value for state in MAY_BE_TRIED]),
                    deliveries.c.next_attempt_at <= stored(now),
                )
                .order_by(deliveries.c.contact_id)
            )
            found += [prepared.reader.candidate(row)._replace(batch=batch.number) for row in rows]
        return found

    def _batches_to_try(self, cohort: Cohort, most: int, now: datetime) -> Iterator[Row[Any, Any, Any]]:
        """From batch to batch along the index of what is to be tried."""
        for state in MAY_BE_TRIED:
            after = 0
            while most > 0:
                contact = self.connection.scalar(
                    select(deliveries.c.contact_id)
                    .where(
                        deliveries.c.step_id == cohort.step.id,
                        deliveries.c.state == state.value,
                        deliveries.c.next_attempt_at <= stored(now),
                        deliveries.c.contact_id > after,
                    )
                    .order_by(deliveries.c.next_attempt_at, deliveries.c.contact_id)
                    .limit(1)
                )
                if contact is None:
                    break
                batch = self.connection.execute(
                    select(batches.c.number, batches.c.first_contact, batches.c.last_contact)
                    .where(batches.c.step_id == cohort.step.id, batches.c.first_contact <= contact)
                    .order_by(batches.c.first_contact.desc())
                    .limit(1)
                ).one()
                yield batch
                most -= 1
                after = batch.last_contact
