"""`export`: the contacts of a cohort, as an ad network takes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime

from campaignctl.campaign.steps.effects import Write
from campaignctl.message.ad_lists import HEADERS, NAMES, NotRecognisedError, Person, row_of
from campaignctl.message.phone import normal_phone
from campaignctl.ports import Candidate, Cohort, Exports, Ledger


def export(effect: Write, cohort: Cohort, ledger: Ledger, exports: Exports, country: str | None, now: datetime) -> None:
    """
    Write who may be shown to the network, and note how many were left out for which reason.

    The rows are in the order of the contacts: a step that is carried out again
    after a crash writes the same file.
    """
    left_out: Counter[str] = Counter()
    unwanted = ledger.suppressed_numbers()

    def rows() -> Iterator[Sequence[str]]:
        for candidate, reason in ledger.contacts_and_reasons(cohort, now):
            person = person_of(cohort, candidate, country)
            if why := reason or ("suppressed" if person["phone"] in unwanted else ""):
                left_out[why] += 1
                continue
            try:
                yield row_of(effect.network, person)
            except NotRecognisedError as failure:
                left_out[failure.reason] += 1

    written = exports.write(effect.path, HEADERS[effect.network], rows())
    detail = {"step": cohort.step.name, "path": effect.path, "written": written, "left_out": dict(left_out)}
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
