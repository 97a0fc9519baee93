"""Importing: a file of contacts becomes contacts of a list, all of them or none."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Connection, insert

from campaignctl.campaign.attribute import AttributeType
from campaignctl.contacts.batch import Batch, Reader
from campaignctl.contacts.column import Faults, FileColumn
from campaignctl.contacts.headers import HeaderNames
from campaignctl.contacts.reading import open_source
from campaignctl.contacts.rejection import Reason, RejectedRow, Rejections
from campaignctl.contacts.source import Source
from campaignctl.contacts.staging import (
    Merged,
    Staging,
    contact_count,
    has_long_integers,
    merge,
    shared_addresses,
    with_staging,
)
from campaignctl.contacts.topic_choices import TopicChanges, keep_choices
from campaignctl.errors import RefusedError, WorkFailedError
from campaignctl.store.database import Database
from campaignctl.store.instants import stored
from campaignctl.store.lists import (
    Attribute,
    ContactList,
    add_attributes,
    check_key,
    ensure_list,
    list_named,
    widen_to_number,
)
from campaignctl.store.tables import journal


@dataclass(frozen=True)
class Wanted:
    """
    Which attributes of the list are what, and what the user says about types.

    `normal_address` gives an e-mail address in the form that is kept, or None
    where it is none. `types` holds for attributes that the list does not have.
    `topics` are the project's, each with its attribute: with *opts_in* the file
    brings contacts back that left one themselves, because they agreed anew.
    """

    list_name: str
    key: str
    email: str | None
    phone: str | None
    normal_address: Callable[[str], str | None]
    types: Mapping[str, AttributeType] = field(default_factory=dict)
    topics: Mapping[str, str] = field(default_factory=dict)
    opts_in: bool = False


@dataclass(frozen=True)
class ImportReport:
    """
    What an import did: read = added + changed + unchanged + rejected_count.

    `rejected` holds the first rejected rows, in order. `shared_addresses` counts
    the e-mail addresses that several contacts of the list have in common: each
    of those contacts gets each message. `stayed_out` counts cells that say yes
    of a topic which their contacts have left, and that were not believed;
    `opted_in` those that were.
    """

    read: int
    added: int
    changed: int
    unchanged: int
    rejected_count: int
    rejected_by_reason: Mapping[Reason, int]
    rejected: Sequence[RejectedRow]
    attributes_added: Mapping[str, AttributeType]
    attributes_widened: Sequence[str]
    renamed_headers: Mapping[str, str]
    shared_addresses: int
    seconds: float
    stayed_out: int = 0
    opted_in: int = 0


class ListChangedError(RefusedError):
    """Somebody gave the list other attributes while a file was checked against those that it had."""


class RowsRejectedError(WorkFailedError):
    """A strict import met rows that it cannot take, and changed nothing; `report` tells which."""

    def __init__(self, report: ImportReport) -> None:
        super().__init__(
            "S308",
            f"{report.rejected_count} of {report.read} rows were rejected, and nothing was imported",
            "mend them, or import the others without `--strict`",
        )
        self.report = report


def import_contacts(
    database: Database,
    source: Source,
    *,
    list_name: str,
    key: str,
    email: str | None,
    phone: str | None,
    normal_address: Callable[[str], str | None],
    now: datetime,
    types: Mapping[str, AttributeType] | None = None,
    topics: Mapping[str, str] | None = None,
    opts_in: bool = False,
    progress: Callable[[int], None] = lambda _done: None,
    on_rejected: Callable[[RejectedRow], None] = lambda _row: None,
    is_strict: bool = False,
    actor: str = "",
) -> ImportReport:
    """
    Add the contacts of *source* to the list, or change those that it has, by key.

    A column that the file lacks keeps its values; an empty cell takes the value
    away. The list changes in one transaction after the whole file was read: an
    import that was interrupted changed nothing. *progress* is told how many
    bytes of the file were worked through, and *on_rejected* each row that is
    left out. A strict import leaves none out: it changes nothing instead.

    Raises:
        RowsRejectedError: it is strict, and a row cannot be taken.
        UsageError: the file's kind, encoding or table has to be said.
        WorkFailedError: the file cannot be read, or not be trusted.
        RefusedError: it does not go with the list as it is.
    """
    started = time.perf_counter()
    wanted = Wanted(list_name, key, email, phone, normal_address, types or {}, topics or {}, opts_in)
    with with_staging(database) as pinned, without_collector():
        with pinned.reading() as connection:
            known = list_named(connection, list_name)
            has_contacts = known is not None and contact_count(connection, known) > 0
        staging = Staging(pinned, watches_keys=has_contacts)
        intake = Intake(open_source(source), staging, wanted, known, Rejections(on_rejected))
        for done in intake.read_all():
            progress(done)
        if has_contacts:
            with pinned.reading() as connection:
                intake.take_out_duplicates(connection)
        with pinned.writing() as connection:
            contact_list, merged = carry_over(connection, intake, wanted, known)
            if is_strict and intake.rejections.count:
                # Only now all duplicates are known. The error takes back what was carried over.
                raise RowsRejectedError(intake.refusal(time.perf_counter() - started))
            _record(connection, intake, merged, wanted, actor, now)
        with pinned.reading() as connection:
            shared = _shared(connection, intake, contact_list, merged, email)
        return intake.report(merged, shared, time.perf_counter() - started)


@contextmanager
def without_collector() -> Iterator[None]:
    """Python's collector would walk millions of cells again and again, and none is in a cycle."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class Intake:
    """Takes a file in: names and checks its columns, and lets good rows wait for the end."""

    def __init__(
        self, reader: Reader, staging: Staging, wanted: Wanted, known: ContactList | None, rejections: Rejections
    ) -> None:
        self._reader = reader
        self.staging = staging
        self._wanted = wanted
        self._known = known
        if known is not None:
            check_key(known, wanted.key)
        spelled = [] if known is None else [attribute.name for attribute in known.attributes.values()]
        roles = [name for name in (wanted.key, wanted.email, wanted.phone) if name]
        self._names = HeaderNames([*roles, *wanted.types, *spelled, *wanted.topics.values()])
        self._types = {name.lower(): kind for name, kind in wanted.types.items()}
        self._of_topics = {name.lower() for name in wanted.topics.values()}
        self.topic_changes = TopicChanges()
        self.columns: list[FileColumn] = []
        self.rejections = rejections
        self.read = 0
        self.may_have_duplicates = True

    def read_all(self) -> Iterator[int]:
        """Take in the file batch by batch; gives the bytes worked through after each."""
        self._add_new_columns()
        for batch in self._reader.batches():
            self._add_new_columns()
            self._check_key()
            self.read += len(batch.lines) + len(batch.rejected)
            self._take(batch)
            yield self._reader.done
        self._check_key()

    def take_out_duplicates(self, connection: Connection) -> None:
        """Of waiting rows with the same key keep the first, and reject the others."""
        self.staging.take_out_duplicates(connection, self.key_place, self.rejections.add)
        self.may_have_duplicates = False

    def has(self, name: str) -> bool:
        """Whether the file has a column for this attribute."""
        return any(column.name.lower() == name.lower() for column in self.columns)

    def _check_key(self) -> None:
        if not self.has(self._wanted.key):
            raise WorkFailedError(
                "S307",
                f"no column is the key `{self._wanted.key}` of the list `{self._wanted.list_name}`",
                "name a column so, or say another `key:` in the project file",
            )

    @property
    def key_place(self) -> int:
        """Which column is the key."""
        return next(place for place, column in enumerate(self.columns) if column.is_key)

    def _address_place(self) -> int | None:
        return next((place for place, column in enumerate(self.columns) if column.normal_address), None)

    def _add_new_columns(self) -> None:
        new = [self._column(self._names.add(header)) for header in self._reader.headers[len(self.columns) :]]
        self.columns += new
        self.staging.add_columns(len(new))
        for place in self._reader.text_columns:
            self.columns[place].was_written_as_text()

    def _column(self, name: str) -> FileColumn:
        lower, wanted = name.lower(), self._wanted
        is_key = lower == wanted.key.lower()
        is_email = wanted.email is not None and lower == wanted.email.lower()
        is_phone = wanted.phone is not None and lower == wanted.phone.lower()
        kept = None if self._known is None else self._known.attribute(name)
        said = self._types.get(lower)
        if is_key or is_email or is_phone:
            kind: AttributeType | None = AttributeType.TEXT
        else:
            kind = kept.type if kept is not None else said
            if kind is None and lower in self._of_topics:
                kind = AttributeType.BOOLEAN
        if kind is not None and said not in (None, kind):
            raise RefusedError(
                "S204",
                f"the attribute `{name}` is of type {kind}, not {said}",
                "leave its type out, or use another name",
            )
        return FileColumn(
            name,
            kind,
            is_key=is_key,
            may_widen=said is None,
            is_for_spreadsheets=self._reader.is_for_spreadsheets,
            normal_address=wanted.normal_address if is_email else None,
        )

    def _take(self, batch: Batch) -> None:
        faults: Faults = {}
        columns = [column.checked(cells, faults) for column, cells in zip(self.columns, batch.columns, strict=True)]
        lines = batch.lines
        self._reject(batch, faults)
        if faults:
            good = [place for place in range(len(lines)) if place not in faults]
            lines = [lines[place] for place in good]
            columns = [[cells[place] for place in good] for cells in columns]
        self.staging.add(lines, columns, self.key_place, self._address_place())

    def _reject(self, batch: Batch, faults: Faults) -> None:
        """Rows that are no records and rows with faults, in the order of the file."""
        keys = batch.columns[self.key_place]
        faulty = [RejectedRow(batch.lines[place], (keys[place] or "")[:80], *faults[place]) for place in faults]
        for row in sorted([*batch.rejected, *faulty], key=lambda row: row.line):
            self.rejections.add(row)

    def report(self, merged: Merged, shared: int, seconds: float) -> ImportReport:
        new = {column.name: column.type for column in self.columns if not self._is_known(column.name)}
        return ImportReport(
            read=self.read,
            added=merged.added,
            changed=merged.changed,
            unchanged=merged.unchanged,
            rejected_count=self.rejections.count,
            rejected_by_reason=dict(self.rejections.by_reason),
            rejected=tuple(self.rejections.rows),
            attributes_added=new,
            attributes_widened=tuple(column.name for column in self.columns if column.is_widened),
            renamed_headers=dict(self._names.renamed),
            shared_addresses=shared,
            seconds=round(seconds, 3),
            stayed_out=self.topic_changes.stayed_out,
            opted_in=self.topic_changes.opted_in,
        )

    def refusal(self, seconds: float) -> ImportReport:
        """What is reported of a file that was read, and not imported."""
        report = self.report(Merged(0, 0, 0, 0), 0, seconds)
        return replace(report, attributes_added={}, attributes_widened=())

    def _is_known(self, name: str) -> bool:
        return self._known is not None and self._known.attribute(name) is not None


def carry_over(
    connection: Connection, intake: Intake, wanted: Wanted, seen: ContactList | None
) -> tuple[ContactList, Merged]:
    """From the waiting rows to the list, which must still be as it was when the file was checked against it."""
    if _shape(list_named(connection, wanted.list_name)) != _shape(seen):
        raise ListChangedError(
            "S205", f"the attributes of `{wanted.list_name}` were changed while its contacts were read", "do it again"
        )
    contact_list = ensure_list(connection, wanted.list_name, wanted.key)
    new = {column.name: column.type for column in intake.columns if contact_list.attribute(column.name) is None}
    contact_list = add_attributes(connection, contact_list, new)
    for place, column in enumerate(intake.columns):
        if column.is_widened:
            _check_widening(connection, contact_list, column.name, f"c{place}")
            contact_list = widen_to_number(connection, contact_list, column.name)
    intake.topic_changes = keep_choices(
        connection, contact_list, intake.columns, wanted.topics, wanted.email, opts_in=wanted.opts_in
    )
    return contact_list, _merged(connection, intake, contact_list)


def _check_widening(connection: Connection, contact_list: ContactList, name: str, waiting: str) -> None:
    """No value may lose digits, be it in the list or be it waiting."""
    kept = contact_list.attributes[name.lower()].column
    if has_long_integers(connection, contact_list.table.name, kept) or has_long_integers(
        connection, "staging.waiting", waiting
    ):
        raise RefusedError(
            "S204",
            f"the attribute `{name}` is of type integer, with values that are too long for a number",
            "leave out the rows with a point in it, or use another name",
        )


def _merged(connection: Connection, intake: Intake, contact_list: ContactList) -> Merged:
    """
    Merge; into a list without contacts on trial.

    Nearly no file has duplicates. Where the list was empty, fewer contacts than
    rows tell that this one has some, which spares all others the search.
    """
    if intake.may_have_duplicates and contact_count(connection, contact_list):
        # Somebody filled the list while the file was read.
        intake.take_out_duplicates(connection)
    connection.exec_driver_sql("SAVEPOINT trial")
    merged = merge(connection, intake.staging, contact_list, intake.columns)
    if not intake.may_have_duplicates or merged.added == intake.staging.waiting:
        connection.exec_driver_sql("RELEASE trial")
        return merged
    connection.exec_driver_sql("ROLLBACK TO trial")
    intake.take_out_duplicates(connection)
    return merge(connection, intake.staging, contact_list, intake.columns)


def _shared(
    connection: Connection, intake: Intake, contact_list: ContactList, merged: Merged, email: str | None
) -> int:
    if email is None or not intake.has(email):
        return 0
    are_all_new = merged.added == merged.contacts
    return shared_addresses(connection, intake.staging, contact_list, email, are_all_new=are_all_new)


def _shape(contact_list: ContactList | None) -> tuple[str, Mapping[str, Attribute]] | None:
    return None if contact_list is None else (contact_list.key_attribute, contact_list.attributes)


def _record(connection: Connection, intake: Intake, merged: Merged, wanted: Wanted, actor: str, now: datetime) -> None:
    detail = {
        "list": wanted.list_name,
        "read": intake.read,
        "added": merged.added,
        "changed": merged.changed,
        "rejected": intake.rejections.count,
    }
    if intake.topic_changes.opted_in:
        detail["opted_in"] = intake.topic_changes.opted_in
    connection.execute(insert(journal).values(at=stored(now), actor=actor, action="import", detail=json.dumps(detail)))
