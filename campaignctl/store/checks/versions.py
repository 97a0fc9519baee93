"""Whether what campaigns were published with, and what lists are said to have, is there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlalchemy import and_, inspect, select, union

from campaignctl.campaign.version import Version, fingerprint_of, sha256
from campaignctl.store.ledger import SqlLedger
from campaignctl.store.lists import KEY_COLUMN, all_lists
from campaignctl.store.tables import campaigns, files, steps, version_files, versions


def versions_are_whole(ledger: SqlLedger) -> Iterator[str]:
    """Every version is there, with the words and files that it was published with."""
    yield from _missing_versions(ledger)
    digests = _digests(ledger)
    for row in ledger.connection.execute(
        select(
            versions.c.campaign_id, versions.c.number, versions.c.fingerprint, versions.c.content, campaigns.c.name
        ).join(campaigns, campaigns.c.id == versions.c.campaign_id)
    ):
        if _fingerprint(row.content, digests.get((row.campaign_id, row.number), {})) != row.fingerprint:
            yield f"version {row.number} of {row.name} is not what was published, or lacks a file"


def _missing_versions(ledger: SqlLedger) -> Iterator[str]:
    wanted = union(
        select(campaigns.c.id.label("campaign_id"), campaigns.c.version),
        select(steps.c.campaign_id, steps.c.version),
    ).subquery()
    is_it = and_(versions.c.campaign_id == wanted.c.campaign_id, versions.c.number == wanted.c.version)
    for row in ledger.connection.execute(
        select(campaigns.c.name, wanted.c.version)
        .join(campaigns, campaigns.c.id == wanted.c.campaign_id)
        .where(~select(versions.c.number).where(is_it).exists())
    ):
        yield f"version {row.version} of {row.name} is not there"


def _digests(ledger: SqlLedger) -> dict[tuple[int, int], dict[str, str]]:
    """Of every version the SHA-256 of each file, counted anew from what is stored."""
    counted = {
        name: sha256(content) for name, content in ledger.connection.execute(select(files.c.sha256, files.c.content))
    }
    found: dict[tuple[int, int], dict[str, str]] = {}
    for row in ledger.connection.execute(
        select(version_files.c.campaign_id, version_files.c.version, version_files.c.path, version_files.c.sha256)
    ):
        found.setdefault((row.campaign_id, row.version), {})[row.path] = counted.get(row.sha256, "")
    return found


def _fingerprint(content: str, digests: Mapping[str, str]) -> str:
    """The fingerprint of what is stored; nothing where that cannot be read."""
    try:
        Version.from_stored(content, {})
        return fingerprint_of(content, digests)
    except ValueError:
        return ""


def attributes_have_columns(ledger: SqlLedger) -> Iterator[str]:
    """Every list has its table, and every attribute its column."""
    known = inspect(ledger.connection)
    tables = set(known.get_table_names())
    for contacts in all_lists(ledger.connection):
        if contacts.table.name not in tables:
            yield f"the contacts of `{contacts.name}` are not there"
            continue
        columns = {column["name"] for column in known.get_columns(contacts.table.name)}
        wanted = {attribute.column: attribute.name for attribute in contacts.attributes.values()}
        for column in sorted(({"id", KEY_COLUMN} | set(wanted)) - columns):
            yield f"`{contacts.name}` has no column for `{wanted.get(column, column)}`"
