"""Unsubscribing: what a contact does with the links that only they have."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

from campaignctl.engine.messages import Messages
from campaignctl.message.links import Signer
from campaignctl.message.sandbox import RenderError
from campaignctl.ports import Candidate, Cohort
from campaignctl.store.events import EventKind
from campaignctl.store.ledger import SqlLedger, SqlStore
from campaignctl.store.suppressions import EMAIL, suppression_of, unsuppress
from campaignctl.store.told import Told

# What says that somebody did not want any more, and may want again.
_OWN_WISH = "unsubscribed"


@dataclass(frozen=True)
class Standing:
    """
    Who followed a link, and whether they are written to.

    `may_return` is whether they left by themselves: a complaint, or an address
    that does not exist, is not undone by a page.
    """

    sender: str
    address: str
    language: str
    has_left: bool
    may_return: bool


def standing(store: SqlStore, step_id: int, contact_id: int) -> Standing | None:
    """Whose link it is, and how they stand; None where the message or the contact is not known any more."""
    with store.reading() as ledger:
        found = _found(ledger, step_id, contact_id)
        return None if found is None else _standing(ledger, *found)


def leave(store: SqlStore, step_id: int, contact_id: int, now: datetime) -> Standing | None:
    """
    Write to this contact no more: when it returns, that is on the disk, and no message leaves after it.

    None where the message or the contact is not known.
    """
    with store.writing() as ledger:
        found = _found(ledger, step_id, contact_id)
        if found is None:
            return None
        ledger.take_told([Told(step_id, contact_id, EventKind.UNSUBSCRIBE, now)], now)
        return _standing(ledger, *found)


def come_back(store: SqlStore, step_id: int, contact_id: int, now: datetime) -> Standing | None:
    """The contact wants messages again; what others said of the address stays."""
    with store.writing() as ledger:
        found = _found(ledger, step_id, contact_id)
        if found is None:
            return None
        before = _standing(ledger, *found)
        if not before.may_return:
            return before
        unsuppress(ledger.connection, EMAIL, before.address)
        cohort, _ = found
        ledger.note("returned", cohort.campaign, {"step": cohort.step.name, "contact": contact_id}, now, "contact")
        return _standing(ledger, *found)


def _standing(ledger: SqlLedger, cohort: Cohort, candidate: Candidate) -> Standing:
    """How a contact stands now; what the message says of its sender does not change."""
    address = candidate.address or ""
    suppression = suppression_of(ledger.connection, EMAIL, address) if address else None
    said = candidate.values.get(cohort.version.content.contacts.language or "")
    return Standing(
        sender=cohort.version.content.sender or "",
        address=address,
        language=said if isinstance(said, str) else "",
        has_left=suppression is not None,
        may_return=suppression is not None and suppression.reason == _OWN_WISH,
    )


def viewed(store: SqlStore, signer: Signer, step_id: int, contact_id: int) -> tuple[str, str] | None:
    """
    The message of a step as this contact got it: `html` or `plain`, and the text.

    None where it is not known any more, or cannot be made again.
    """
    with store.reading() as ledger:
        found = _found(ledger, step_id, contact_id)
    if found is None:
        return None
    cohort, candidate = found
    try:
        message = Messages(cohort.version, signer).render(cohort.campaign, cohort.step.name, candidate)
    except RenderError:
        return None
    parsed = message_from_bytes(message.content, EmailMessage, policy=default)
    body = parsed.get_body(("html", "plain"))
    return None if body is None else (body.get_content_subtype(), body.get_content())


def _found(ledger: SqlLedger, step_id: int, contact_id: int) -> tuple[Cohort, Candidate] | None:
    """The step with its version, and the contact to whom it made an e-mail."""
    cohort = ledger.cohort_of(step_id)
    if cohort is None or cohort.step.verb != "email":
        return None
    candidate = ledger.candidate_of(cohort, contact_id)
    return None if candidate is None else (cohort, candidate)
