"""What the store knows of the attributes of lists, for checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from campaignctl.campaign.attribute import AttributeType
from campaignctl.project import ProjectFile

if TYPE_CHECKING:  # checking files without a store needs no database
    from campaignctl.store.ledger import SqlStore


def attributes_in_store(project: ProjectFile, wanted: str | None) -> dict[str, dict[str, AttributeType]]:
    """The attributes of every list, by name in small letters; nothing where there is no store yet."""
    if wanted is None and not (project.folder / project.project.store).is_file():
        return {}
    from campaignctl.clock import SystemClock
    from campaignctl.wiring import opened_store, store_path

    with opened_store(store_path(project, wanted), SystemClock()) as store:
        return attributes_of(store)


def attributes_of(store: SqlStore) -> dict[str, dict[str, AttributeType]]:
    """
    The attributes of every list of an open store, as far as they are known.

    A list with nothing but its key waits for the first request to bring them.
    """
    from campaignctl.store.lists import all_lists

    with store.reading() as ledger:
        return {
            each.name: {name.lower(): attribute.type for name, attribute in each.attributes.items()}
            for each in all_lists(ledger.connection)
            if len(each.attributes) > 1
        }
