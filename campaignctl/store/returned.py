"""Statements about what came back: the delivery that two numbers stand for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Select, bindparam, select

from campaignctl.store.instants import instant
from campaignctl.store.lists import KEY_COLUMN, known_list
from campaignctl.store.tables import campaigns, deliveries, lists, steps


@dataclass(frozen=True)
class NamedDelivery:
    """A delivery by its names, and when its message was made."""

    campaign: str
    step: str
    contact_key: str
    made_at: datetime


_BY_NUMBERS = (
    select(campaigns.c.name, steps.c.name.label("step"), lists.c.name.label("list"), deliveries.c.made_at)
    .join_from(deliveries, steps, steps.c.id == deliveries.c.step_id)
    .join(campaigns, campaigns.c.id == steps.c.campaign_id)
    .join(lists, lists.c.id == campaigns.c.list_id)
    .where(deliveries.c.step_id == bindparam("step"), deliveries.c.contact_id == bindparam("contact"))
)


class DeliveryNames:
    """Finds deliveries by their numbers, thousands in a row: what is asked of each list is made once."""

    def __init__(self) -> None:
        self._keys: dict[str, Select[str]] = {}

    def of(self, connection: Connection, step_id: int, contact_id: int) -> NamedDelivery | None:
        """The delivery of this step to this contact; None where the store has it no more."""
        found = connection.execute(_BY_NUMBERS, {"step": step_id, "contact": contact_id}).one_or_none()
        if found is None:
            return None
        if found.list not in self._keys:
            contacts = known_list(connection, found.list).table
            self._keys[found.list] = select(contacts.c[KEY_COLUMN]).where(contacts.c.id == bindparam("contact"))
        key = connection.scalar(self._keys[found.list], {"contact": contact_id})
        return None if key is None else NamedDelivery(found.name, found.step, key, instant(found.made_at))
