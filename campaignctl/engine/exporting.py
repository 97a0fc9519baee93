"""`export`: the contacts of a cohort, as an ad network takes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from campaignctl.campaign.steps.effects import Write
from campaignctl.message.ad_lists import HEADERS, NAMES, NotRecognisedError, Person, row_of
from campaignctl.message.phone import normal_phone
from campaignctl.ports import Candidate, Cohort, ExportFile, Exports, Ledger, Store

# So many contacts are read at a time; in between the store is free.
_AT_ONCE: Final = 1000


@dataclass(frozen=True)
class WrittenAhead:
    """The file of a step, beside its place: of which version it is, and how many were left out for which reason."""

    cohort: Cohort
    path: str
    file: ExportFile
    left_out: Mapping[str, int]

    def is_of(self, cohort: Cohort) -> bool:
        """Whether it is what this cohort's step wants, as far as campaigns change."""
        return (self.cohort.step.id, self.cohort.campaign.version) == (cohort.step.id, cohort.campaign.version)


def write_ahead(
    effect: Write, cohort: Cohort, store: Store, exports: Exports, country: str | None, now: datetime
) -> WrittenAhead:
    """
    Write who may be handed on, in no transaction: that takes a while, and others want to write meanwhile.

    Each contact is asked about when they are read. The rows are in the order of
    the contacts: a step that is begun again after a crash writes the same file.

    Raises:
        ChannelError: it cannot be written.
    """
    left_out: Counter[str] = Counter()

    def rows() -> Iterator[Sequence[str]]:
        with store.reading() as ledger:
            unwanted = ledger.suppressed_numbers()
        for candidate, reason in _contacts(cohort, store, now):
            person = person_of(cohort, candidate, country)
            if why := reason or ("suppressed" if person["phone"] in unwanted else ""):
                left_out[why] += 1
                continue
            try:
                yield row_of(effect.network, person)
            except NotRecognisedError as failure:
                left_out[failure.reason] += 1

    return WrittenAhead(cohort, effect.path, exports.prepare(effect.path, HEADERS[effect.network], rows()), left_out)


def _contacts(cohort: Cohort, store: Store, now: datetime) -> Iterator[tuple[Candidate, str]]:
    after = 0
    while True:
        with store.reading() as ledger:
            found = ledger.contacts_and_reasons(cohort, now, after, _AT_ONCE)
        if not found:
            return
        yield from found
        after = found[-1][0].contact_id


def put(written: WrittenAhead, ledger: Ledger, now: datetime) -> None:
    """Let the file take its place, and note how many are in it and how many are not."""
    written.file.put()
    cohort, left_out = written.cohort, dict(written.left_out)
    detail = {"step": cohort.step.name, "path": written.path, "written": written.file.written, "left_out": left_out}
    ledger.note("exported", cohort.campaign, detail, now)


def person_of(cohort: Cohort, candidate: Candidate, country: str | None) -> Person:
    """A contact as networks ask for people; a number without a country code is of *country*."""
    contacts, values = cohort.version.content.contacts, candidate.values
    by_name = {name.lower(): value for name, value in values.items()}
    found = {role: str(next((by_name[each] for each in names if each in by_name), "")) for role, names in NAMES.items()}
    phone = normal_phone(str(values.get(contacts.phone or "", "")), country)
    return {
        **found,
        "id": candidate.contact_key,
        "email": str(values.get(contacts.email or "", "")),
        "phone": phone or "",
    }
