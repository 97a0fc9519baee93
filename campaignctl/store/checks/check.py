"""
All the proofs, together: `store check`.

Each is a few statements over all rows, inside one transaction that only reads,
so that a daemon may go on meanwhile.

What cannot be proven, because the ledger keeps where each delivery stands and
not how it came there:

* A final state that was left and reached again looks as if it had never been
  left. Seen are deliveries that are open again although their step is done or
  their campaign was stopped, totals that fell below what `stop` wrote into the
  journal, and resolved deliveries that the journal does not speak of.
* The intent's instant is kept while a message is on its way. Later the result's
  takes its place, and the address is not kept at all: a contact may have been
  given another one since. So a message that was `sent` counts as sent to a
  suppressed address only where the contact's own event suppressed it, and
  where the result came so long after that the intent came after it too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Final

from sqlalchemy.exc import DatabaseError

from campaignctl.errors import StoreError
from campaignctl.store.checks.cohorts import cohorts_add_up, members_are_counted
from campaignctl.store.checks.conversions import conversions_have_messages
from campaignctl.store.checks.series import occurrences_fit
from campaignctl.store.checks.states import final_is_final, intents_come_first, states_fit
from campaignctl.store.checks.suppressed import nobody_suppressed_was_written_to
from campaignctl.store.checks.topics import nobody_was_sent_what_they_left
from campaignctl.store.checks.versions import attributes_have_columns, versions_are_whole
from campaignctl.store.database import store_failure
from campaignctl.store.ledger import SqlLedger
from campaignctl.store.uncertain import resolved_in_journal

MOST_SHOWN: Final = 20

Check = Callable[[SqlLedger], Iterator[str]]


@dataclass(frozen=True)
class Checked:
    """One check, and what it found: sentences about what is wrong."""

    name: str
    found: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.found


def check_store(ledger: SqlLedger, country: str | None = None) -> list[Checked]:
    """Every check, with the first things that each found. *country* is that of numbers without a country code."""
    checks: dict[str, Check] = {**CHECKS, "suppressions": partial(nobody_suppressed_was_written_to, country=country)}
    return [Checked(name, tuple(_first(check, ledger))) for name, check in checks.items()]


def _first(check: Check, ledger: SqlLedger) -> Iterator[str]:
    found = check(ledger)
    try:
        yield from islice(found, MOST_SHOWN)
        if next(found, None) is not None:
            yield "and more like these"
    except DatabaseError as failure:
        yield store_failure(failure).message
    except StoreError as failure:
        yield failure.message
    except (ValueError, TypeError, LookupError):
        # Values of a kind that nobody here writes: a store can be damaged in any way.
        yield "what is stored there cannot be read"


def pages_are_whole(ledger: SqlLedger) -> Iterator[str]:
    """The file is what SQLite wrote, its indexes and conditions included."""
    for said in ledger.connection.exec_driver_sql(f"PRAGMA integrity_check({MOST_SHOWN + 1})").scalars():
        if said != "ok":
            yield said


def rows_belong_to_rows(ledger: SqlLedger) -> Iterator[str]:
    """What names another row names one that is there."""
    for row in ledger.connection.exec_driver_sql("PRAGMA foreign_key_check"):
        yield f"a row of `{row.table}` belongs to a row of `{row.parent}` that is not there"


def leaves_are_in_the_journal(ledger: SqlLedger) -> Iterator[str]:
    """What was resolved, and what `stop` counted, is as the journal has it."""
    for campaign in ledger.every_campaign():
        entries = ledger.history(campaign)
        journaled = resolved_in_journal(entries)
        for step in campaign.steps:
            for state, resolved in ledger.resolved_by_state(step).items():
                if resolved > (known := journaled[step.name, state]):
                    yield (
                        f"{campaign.name}/{step.name}: {resolved} deliveries were resolved as {state},"
                        f" and the journal knows of {known}"
                    )
        counts = ledger.deliveries_by_state([step.id for step in campaign.steps]).values()
        cancelled = sum(number for of in counts for state, number in of.items() if state == "cancelled")
        ended = sum(number for of in counts for state, number in of.items() if state.is_final) - cancelled
        for stopped in (entry.detail for entry in entries if entry.action == "stopped"):
            for word, now in (("sent", ended), ("cancelled", cancelled)):
                if now < int(str(stopped.get(word, 0))):
                    yield f"{campaign.name}: {stopped[word]} were {word} when it was stopped, and {now} are now"


CHECKS: Final[Mapping[str, Check]] = {
    "integrity": pages_are_whole,
    "foreign_keys": rows_belong_to_rows,
    "cohorts": cohorts_add_up,
    "members": members_are_counted,
    "final": final_is_final,
    "journal": leaves_are_in_the_journal,
    "intents": intents_come_first,
    "suppressions": nobody_suppressed_was_written_to,
    "topics": nobody_was_sent_what_they_left,
    "states": states_fit,
    "conversions": conversions_have_messages,
    "series": occurrences_fit,
    "versions": versions_are_whole,
    "attributes": attributes_have_columns,
}
