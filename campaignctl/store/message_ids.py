"""Statements about what providers of text messages call each of them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from campaignctl.ports import Finished
from campaignctl.store.tables import message_ids


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

    def delivery_called(self, message_id: str) -> tuple[int, int] | None:
        """The step and the contact of the message that a provider calls so; None where it is none of this store's."""
        found = self.connection.execute(
            select(message_ids.c.step_id, message_ids.c.contact_id)
            .where(message_ids.c.message_id == message_id)
            .order_by(message_ids.c.step_id.desc())
            .limit(1)
        ).one_or_none()
        return None if found is None else (found.step_id, found.contact_id)
