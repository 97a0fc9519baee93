"""Statements about messages that cannot be made: whose it is known of, and who has to be tried."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, delete, false, func, insert, literal, or_, select, true
from sqlalchemy.dialects.sqlite import insert as insert_or_ignore

from campaignctl.campaign.attribute import AttributeType
from campaignctl.message.proof import LARGEST_NUMBER, LONGEST_TEXT
from campaignctl.ports import Candidate, Cohort
from campaignctl.store.candidates import CandidateReader, values_of_members
from campaignctl.store.instants import stored
from campaignctl.store.ledger import SqlLedger
from campaignctl.store.lists import Attribute, ContactList
from campaignctl.store.members import in_cohort
from campaignctl.store.reasons import WITHOUT_ADDRESS, address_of
from campaignctl.store.tables import deliveries, members
from campaignctl.store.virtual.tables import PRIME, Mixed, draws, place_of_draw, unmade, unusable

_ROWS_AT_ONCE: Final = 1000


class UnmadeStatements(SqlLedger):
    """Whose message cannot be made."""

    def find_unusable_addresses(self, cohort: Cohort, is_address: Callable[[str], bool]) -> None:
        """Look at every address of the list, as it is now."""
        contacts = self.contact_list(cohort.campaign)
        address = address_of(cohort.version, contacts, cohort.step.verb)
        driver: Any = self.connection.connection.driver_connection
        driver.create_function("is_address", 1, lambda text: int(is_address(str(text))), deterministic=True)
        wrong = select(contacts.table.c.id).where(address.is_not(None), address != "", func.is_address(address) == 0)
        self.connection.execute(delete(unusable))
        self.connection.execute(insert(unusable).from_select(["contact_id"], wrong))

    def all_have(self, cohort: Cohort, needed: Iterable[str]) -> bool:
        """Whether every contact of the list has these attributes, in usual sizes, and an address that is one."""
        contacts = self.contact_list(cohort.campaign)
        is_doubtful = or_(false(), *(_is_unusual(contacts, cohort, name) for name in needed))
        looked_for = (select(unusable.c.contact_id), select(contacts.table.c.id).where(is_doubtful))
        return not any(self.connection.execute(each.limit(1)).first() for each in looked_for)

    def has_unmade(self, cohort: Cohort) -> bool:
        """Whether a message of the step cannot be made."""
        found = select(unmade.c.contact_id).where(unmade.c.step_id == cohort.step.id).limit(1)
        return self.connection.execute(found).first() is not None

    def mark_unmade(self, cohort: Cohort, required: Iterable[str]) -> None:
        """The messages of members without one of these attributes, or with no usable address, cannot be made."""
        contacts = self.contact_list(cohort.campaign)
        is_unusable = members.c.contact_id.in_(select(unusable.c.contact_id))
        found = (
            _waiting(cohort, contacts)
            .where(or_(is_unusable, *(_lacks(contacts, cohort, name) for name in required)))
            .with_only_columns(literal(cohort.step.id), members.c.contact_id)
        )
        self.connection.execute(
            insert_or_ignore(unmade).from_select(["step_id", "contact_id"], found).on_conflict_do_nothing()
        )

    def to_render_count(self, cohort: Cohort, needed: Iterable[str] | None) -> int:
        """How many members `to_render` gives."""
        found = self._to_render(cohort, self.contact_list(cohort.campaign), needed)
        return int(self.connection.scalars(found.with_only_columns(func.count()).order_by(None)).one())

    def to_render(
        self, cohort: Cohort, needed: Iterable[str] | None, now: datetime, sample: tuple[int, Mixed] | None = None
    ) -> Iterator[Candidate]:
        """
        The members of whom only rendering tells whether their message can be made.

        They lack something of *needed*, or have a value of unusual size; it is
        everybody where *needed* is None. *sample* are a number of thousandths
        and what mixes the draws: so many of them, by chance.
        """
        contacts = self.contact_list(cohort.campaign)
        found = self._to_render(cohort, contacts, needed)
        if sample is not None:
            thousandths, mixed = sample
            is_drawn = place_of_draw(mixed) < PRIME * thousandths // 1000
            found = found.join(draws, draws.c.contact_id == members.c.contact_id).where(is_drawn)
        yield from self._candidates(cohort, contacts, found, now)

    def unexplained(self, cohort: Cohort, now: datetime, most: int) -> list[Candidate]:
        """The first members whose message cannot be made, and nobody has looked why."""
        contacts = self.contact_list(cohort.campaign)
        marked = select(unmade.c.contact_id).where(unmade.c.step_id == cohort.step.id, unmade.c.error.is_(None))
        first = marked.order_by(unmade.c.contact_id).limit(most)
        found = _waiting(cohort, contacts).where(members.c.contact_id.in_(first))
        return list(self._candidates(cohort, contacts, found, now))

    def write_errors(self, cohort: Cohort, errors: Sequence[tuple[int, str, str]]) -> None:
        """These contacts' messages cannot be made, for this reason, and this is why."""
        if errors:
            written = insert_or_ignore(unmade)
            self.connection.execute(
                written.on_conflict_do_update(
                    set_={"error": written.excluded.error, "reason": written.excluded.reason}
                ),
                [
                    {"step_id": cohort.step.id, "contact_id": contact, "reason": reason, "error": error}
                    for contact, reason, error in errors
                ],
            )

    def _to_render(self, cohort: Cohort, contacts: ContactList, needed: Iterable[str] | None) -> Select[Any]:
        address = address_of(cohort.version, contacts, cohort.step.verb)
        is_marked = and_(unmade.c.step_id == cohort.step.id, unmade.c.contact_id == members.c.contact_id)
        found = _waiting(cohort, contacts).where(~select(unmade.c.contact_id).where(is_marked).exists())
        if cohort.step.verb not in WITHOUT_ADDRESS:
            found = found.where(address.is_not(None), address != "")
        if needed is None:
            return found
        return found.where(or_(false(), *(_is_unusual(contacts, cohort, name) for name in needed)))

    def _candidates(
        self, cohort: Cohort, contacts: ContactList, found: Select[Any], now: datetime
    ) -> Iterator[Candidate]:
        statement = found.with_only_columns(
            members.c.contact_id,
            literal(stored(now)).label("made_at"),
            literal(0).label("attempts"),
            *contacts.table.columns,
            *values_of_members(cohort.version),
            maintain_column_froms=True,
        ).limit(_ROWS_AT_ONCE)
        reader, after = CandidateReader(cohort, contacts), 0
        while rows := self.connection.execute(statement.where(members.c.contact_id > after)).all():
            yield from map(reader.candidate, rows)
            after = rows[-1].contact_id


def _waiting(cohort: Cohort, contacts: ContactList) -> Select[Any]:
    """The members of a cohort whose message has not left, in order."""
    return (
        select(members.c.contact_id)
        .join(contacts.table, contacts.table.c.id == members.c.contact_id)
        .where(*in_cohort(cohort), has_no_delivery(cohort))
        .order_by(members.c.contact_id)
    )


def has_no_delivery(cohort: Cohort) -> ColumnElement[bool]:
    """Whether a member's message has neither left nor been skipped."""
    of_member = and_(deliveries.c.step_id == cohort.step.id, deliveries.c.contact_id == members.c.contact_id)
    return ~select(deliveries.c.contact_id).where(of_member).correlate(members).exists()


def _attribute(contacts: ContactList, cohort: Cohort, name: str) -> Attribute | None:
    """The attribute that templates know by this name, written in this way."""
    settings = cohort.version.content.contacts
    roles = {"id": contacts.key_attribute, "email": settings.email, "phone": settings.phone}
    if name in roles:
        return contacts.attribute(roles[name] or "")
    found = contacts.attribute(name)
    return found if found is not None and found.name == name else None


def _lacks(contacts: ContactList, cohort: Cohort, name: str) -> ColumnElement[bool]:
    attribute = _attribute(contacts, cohort, name)
    return true() if attribute is None else contacts.table.c[attribute.column].is_(None)


def _is_unusual(contacts: ContactList, cohort: Cohort, name: str) -> ColumnElement[bool]:
    """Whether a contact lacks an attribute, or has a value so large that nothing is proven of it."""
    attribute = _attribute(contacts, cohort, name)
    if attribute is None:
        return true()
    column = contacts.table.c[attribute.column]
    if attribute.type is AttributeType.TEXT:
        return or_(column.is_(None), func.length(column) > LONGEST_TEXT)
    if attribute.type is AttributeType.INTEGER:
        return or_(column.is_(None), func.abs(column) > LARGEST_NUMBER)
    return column.is_(None)
