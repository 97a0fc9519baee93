"""A list of contacts in a real store, and what a test needs to look at it."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from campaignctl.campaign.attribute import AttributeType
from campaignctl.contacts.exporting import ExportFormat, export_contacts
from campaignctl.contacts.importing import ImportReport, import_contacts
from campaignctl.contacts.rejection import RejectedRow
from campaignctl.contacts.source import Format, Source
from campaignctl.message.address import normal_address
from campaignctl.store.database import open_sqlite
from campaignctl.store.lists import contact_values, list_named
from campaignctl.store.tables import journal

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)

Counts = tuple[int, int, int, int]


class AddressBook:
    """The list `customers`, told apart by `id`, with addresses in `email`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = open_sqlite(folder / "campaignctl.db", NOW)

    def close(self) -> None:
        self.database.close()

    def file(self, content: str | bytes, name: str = "contacts.csv") -> Path:
        """A file with this content, every byte as it is."""
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def bring(self, content: str | bytes, name: str = "contacts.csv", **options: Any) -> ImportReport:
        """Import a file with this content."""
        return self.bring_file(self.file(content, name), **options)

    def bring_file(
        self,
        path: Path,
        *,
        form: Format | None = None,
        encoding: str = "utf-8",
        table: str | None = None,
        list_name: str = "customers",
        key: str = "id",
        email: str | None = "email",
        types: Mapping[str, AttributeType] | None = None,
        progress: Callable[[int], None] = lambda _done: None,
        on_rejected: Callable[[RejectedRow], None] = lambda _row: None,
        is_strict: bool = False,
        topics: Mapping[str, str] | None = None,
        opts_in: bool = False,
    ) -> ImportReport:
        report = import_contacts(
            self.database,
            Source(path, form, encoding, table),
            list_name=list_name,
            key=key,
            email=email,
            phone=None,
            normal_address=normal_address,
            now=NOW,
            types=types,
            topics=topics,
            opts_in=opts_in,
            progress=progress,
            on_rejected=on_rejected,
            is_strict=is_strict,
            actor="tester",
        )
        assert report.read == report.added + report.changed + report.unchanged + report.rejected_count
        assert report.rejected_count == sum(report.rejected_by_reason.values())
        return report

    def contacts(self, list_name: str = "customers") -> dict[str, dict[str, object]]:
        """What is known of each contact, by key; without the key itself."""
        with self.database.reading() as connection:
            known = list_named(connection, list_name)
            if known is None:
                return {}
            found = [contact_values(known, row) for row in connection.execute(select(known.table))]
        key = known.attributes[known.key_attribute.lower()].name
        return {str(values.pop(key)): dict(values) for values in found}

    def values(self, attribute: str) -> list[object]:
        """The values of an attribute, in the order the contacts came."""
        return [values.get(attribute) for values in self.contacts().values()]

    def types(self) -> dict[str, str]:
        """The attributes of the list with their types, without key and address."""
        with self.database.reading() as connection:
            known = list_named(connection, "customers")
        assert known is not None
        return {each.name: str(each.type) for each in known.attributes.values() if each.name not in ("id", "email")}

    def export(self, kind: ExportFormat) -> str:
        """The list as a file."""
        out = io.StringIO(newline="")
        with self.database.reading() as connection:
            known = list_named(connection, "customers")
            assert known is not None
            count = export_contacts(connection, known, out, kind)
        assert count == len(self.contacts())
        return out.getvalue()

    def journal(self) -> list[tuple[str, str, str]]:
        """Who did what."""
        with self.database.reading() as connection:
            found = connection.execute(select(journal.c.actor, journal.c.action, journal.c.detail))
            return [(actor, action, detail) for actor, action, detail in found]


def counts(report: ImportReport) -> Counts:
    """How many were added, changed, left as they were, and rejected."""
    return report.added, report.changed, report.unchanged, report.rejected_count


def rejected(report: ImportReport) -> Sequence[tuple[int, str]]:
    """The rejected rows: line and reason."""
    return [(row.line, str(row.reason)) for row in report.rejected]
