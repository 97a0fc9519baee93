"""Statements about what providers of text messages call each of them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from campaignctl.ports import Finished
from campaignctl.store.lists import KEY_COLUMN, known_list
from campaignctl.store.tables import campaigns, lists, message_ids, steps


class MessageIdStatements:
    """Keeping them with the deliveries, and finding deliveries by them."""

    connection: Connection

    def keep_message_ids(self, finished: Sequence[Finished]) -> None:
        """Write down what the other side called messages; of one that was sent twice, what it called it last."""
        rows = [
            {"step_id": each.step_id, "contact_id": each.contact_id, "message_id": each.message_id}
            for each in finished
            if each.message_id
        ]
        if rows:
            statement = insert(message_ids)
            replaced = {"message_id": statement.excluded.message_id}
            self.connection.execute(statement.on_conflict_do_update(set_=replaced), rows)

    def message_called(self, message_id: str) -> tuple[str, str, str] | None:
        """The campaign, the step and the contact's key of the message that a provider calls so."""
        delivery = self.delivery_called(message_id)
        if delivery is None:
            return None
        row = self.connection.execute(
            select(campaigns.c.name.label("campaign"), steps.c.name.label("step"), lists.c.name.label("list"))
            .join_from(steps, campaigns, campaigns.c.id == steps.c.campaign_id)
            .join(lists, lists.c.id == campaigns.c.list_id)
            .where(steps.c.id == delivery[0])
        ).one()
        table = known_list(self.connection, row.list).table
        key = self.connection.scalar(select(table.c[KEY_COLUMN]).where(table.c.id == delivery[1]))
        return None if key is None else (row.campaign, row.step, key)

    def delivery_called(self, message_id: str) -> tuple[int, int] | None:
        """The step and the contact of the message that a provider calls so; None where it is none of this store's."""
        found = self.connection.execute(
            select(message_ids.c.step_id, message_ids.c.contact_id)
            .where(message_ids.c.message_id == message_id)
            .order_by(message_ids.c.step_id.desc())
            .limit(1)
        ).one_or_none()
        return None if found is None else (found.step_id, found.contact_id)
