"""Unsubscribing: what a contact does with the links that only they have."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import NamedTuple

from campaignctl.engine.messages import Messages
from campaignctl.message.links import Signer
from campaignctl.message.sandbox import RenderError
from campaignctl.ports import Candidate, Cohort
from campaignctl.store.events import EventKind
from campaignctl.store.ledger import SqlLedger, SqlStore
from campaignctl.store.suppressions import EMAIL, UNSUBSCRIBED, suppression_of, unsuppress
from campaignctl.store.told import Told

# The attribute of each topic that the project has.
Attributes = Mapping[str, str]


@dataclass(frozen=True)
class Standing:
    """
    Who followed a link, and what they are sent.

    `may_return` is whether they left by themselves: a complaint, or an address
    that does not exist, is not undone by a page. `topics` are the project's,
    each with whether the contact wants it; `topic`, the message's, is the first.
    """

    sender: str
    address: str
    language: str
    has_left: bool
    may_return: bool
    topics: Mapping[str, bool]
    topic: str | None


class _Whose(NamedTuple):
    """The step whose message it was, with its version, and the contact to whom it was made."""

    cohort: Cohort
    candidate: Candidate


class ReaderLink:
    """A link that only one contact has: to the message of a step, in a project with these topics."""

    def __init__(self, store: SqlStore, attributes: Attributes, step_id: int, contact_id: int) -> None:
        self._store = store
        self._attributes = attributes
        self._step_id = step_id
        self._contact_id = contact_id

    def standing(self) -> Standing | None:
        """Whose link it is, and how they stand; None where the message or the contact is not known any more."""
        with self._store.reading() as ledger:
            whose = self._whose(ledger)
            return None if whose is None else self._standing(ledger, whose)

    def leave(self, now: datetime) -> Standing | None:
        """
        Write to this contact no more: when it returns, that is on the disk, and no message leaves after it.

        None where the message or the contact is not known.
        """
        with self._store.writing() as ledger:
            whose = self._whose(ledger)
            if whose is None:
                return None
            self._leave_everything(ledger, now)
            return self._standing(ledger, whose)

    def leave_topic(self, now: datetime) -> Standing | None:
        """
        Send this contact no more of the message's topic, with the same promise; of one without, nothing more at all.
        """
        with self._store.writing() as ledger:
            whose = self._whose(ledger)
            if whose is None:
                return None
            found = self._standing(ledger, whose)
            if found.topic is None:
                self._leave_everything(ledger, now)
            else:
                self._change(ledger, whose, found, {found.topic: False}, now)
            return self._standing(ledger, whose)

    def choose(self, shown: Collection[str], wanted: Collection[str], now: datetime) -> Standing | None:
        """
        Send this contact, of the topics that were *shown* to them, those that they *wanted*; if that is none, nothing.

        Topics that were not shown stay as they are.
        """
        with self._store.writing() as ledger:
            whose = self._whose(ledger)
            if whose is None:
                return None
            found = self._standing(ledger, whose)
            choice = {name: name in wanted for name in found.topics if name in shown}
            if choice and not any(choice.values()):
                self._leave_everything(ledger, now)
            else:
                self._change(ledger, whose, found, choice, now)
            return self._standing(ledger, whose)

    def come_back(self, now: datetime) -> Standing | None:
        """The contact wants messages again; what others said of the address stays."""
        with self._store.writing() as ledger:
            whose = self._whose(ledger)
            if whose is None:
                return None
            found = self._standing(ledger, whose)
            if not found.may_return:
                return found
            unsuppress(ledger.connection, EMAIL, found.address)
            self._note(ledger, whose, "returned", {}, now)
            return self._standing(ledger, whose)

    def viewed(self, signer: Signer) -> tuple[str, str] | None:
        """
        The message as this contact got it: `html` or `plain`, and the text.

        None where it is not known any more, or cannot be made again.
        """
        with self._store.reading() as ledger:
            whose = self._whose(ledger)
        if whose is None:
            return None
        cohort, candidate = whose
        try:
            message = Messages(cohort.version, signer).render(cohort.campaign, cohort.step.name, candidate)
        except RenderError:
            return None
        parsed = message_from_bytes(message.content, EmailMessage, policy=default)
        body = parsed.get_body(("html", "plain"))
        return None if body is None else (body.get_content_subtype(), body.get_content())

    def _leave_everything(self, ledger: SqlLedger, now: datetime) -> None:
        ledger.take_told([Told(self._step_id, self._contact_id, EventKind.UNSUBSCRIBE, now)], now)

    def _change(
        self, ledger: SqlLedger, whose: _Whose, found: Standing, choice: Mapping[str, bool], now: datetime
    ) -> None:
        """Make each of these topics wanted or not, as far as that is new."""
        campaign, attributes = whose.cohort.campaign, self._topics(whose)
        # What only a file said until now becomes their own word.
        known = ledger.left_since(found.address) if found.address else found.topics.keys()
        left = [name for name, is_in in choice.items() if not is_in and (found.topics[name] or name not in known)]
        joined = [name for name, is_in in choice.items() if is_in and not found.topics[name]]
        contact = (self._contact_id, found.address)
        ledger.leave_topics(ledger.contact_list(campaign), *contact, {name: attributes[name] for name in left}, now)
        ledger.join_topics(ledger.contact_list(campaign), *contact, {name: attributes[name] for name in joined})
        unsubscribed = Told(self._step_id, self._contact_id, EventKind.UNSUBSCRIBE, now)
        ledger.take_told([unsubscribed._replace(topic=name) for name in left], now)
        said = {word: names for word, names in (("left", left), ("joined", joined)) if names}
        if said:
            self._note(ledger, whose, "topics", said, now)

    def _note(self, ledger: SqlLedger, whose: _Whose, action: str, said: Mapping[str, object], now: datetime) -> None:
        told = {"step": whose.cohort.step.name, "contact": self._contact_id, **said}
        ledger.note(action, whose.cohort.campaign, told, now, "contact")

    def _standing(self, ledger: SqlLedger, whose: _Whose) -> Standing:
        cohort, candidate = whose
        address, content = candidate.address or "", cohort.version.content
        suppression = suppression_of(ledger.connection, EMAIL, address) if address else None
        language = candidate.values.get(content.contacts.language or "")
        topic, attributes = cohort.version.topic_of(cohort.step.name), self._topics(whose)
        contacts = ledger.contact_list(cohort.campaign)
        out_of = ledger.topics_out_of(contacts, self._contact_id, address, attributes)
        return Standing(
            sender=content.sender or "",
            address=address,
            language=language if isinstance(language, str) else "",
            has_left=suppression is not None,
            may_return=suppression is not None and suppression.reason == UNSUBSCRIBED,
            topics={name: name not in out_of for name in attributes},
            topic=None if topic is None else topic.name,
        )

    def _topics(self, whose: _Whose) -> Attributes:
        """The message's own topic first, which the project may have no more, and then the project's others."""
        topic = whose.cohort.version.topic_of(whose.cohort.step.name)
        own = {} if topic is None else {topic.name: topic.attribute}
        return {**own, **self._attributes}

    def _whose(self, ledger: SqlLedger) -> _Whose | None:
        cohort = ledger.cohort_of(self._step_id)
        if cohort is None or cohort.step.verb != "email":
            return None
        candidate = ledger.candidate_of(cohort, self._contact_id)
        return None if candidate is None else _Whose(cohort, candidate)
