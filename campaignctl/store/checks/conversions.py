"""Whether conversions are credited to messages that there are."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import and_, or_, select

from campaignctl.store.ledger import SqlLedger
from campaignctl.store.tables import campaigns, conversions, deliveries, steps


def conversions_have_messages(ledger: SqlLedger) -> Iterator[str]:
    """A conversion is credited to a message that was made for its contact, of a campaign of its list."""
    is_its_own = and_(
        deliveries.c.step_id == conversions.c.step_id, deliveries.c.contact_id == conversions.c.contact_id
    )
    for order in ledger.connection.scalars(
        select(conversions.c.order_id)
        .join(steps, steps.c.id == conversions.c.step_id)
        .join(campaigns, campaigns.c.id == steps.c.campaign_id)
        .outerjoin(deliveries, is_its_own)
        .where(or_(deliveries.c.step_id.is_(None), campaigns.c.list_id != conversions.c.list_id))
        .order_by(conversions.c.id)
    ):
        yield f"the conversion `{order}` is credited to a message that its contact never had"
