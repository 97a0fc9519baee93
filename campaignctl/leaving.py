"""Unsubscribing: what a contact does with the links that only they have."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
            return self._standing(ledger)

    def leave(self, now: datetime) -> Standing | None:
        """
        Write to this contact no more: when it returns, that is on the disk, and no message leaves after it.

        None where the message or the contact is not known.
        """
        with self._store.writing() as ledger:
            if self._standing(ledger) is None:
                return None
            self._leave_everything(ledger, now)
            return self._standing(ledger)

    def leave_topic(self, now: datetime) -> Standing | None:
        """
        Send this contact no more of the message's topic, with the same promise; of one without, nothing more at all.
        """
        with self._store.writing() as ledger:
            found = self._standing(ledger)
            if found is None:
                return None
            if found.topic is None:
                self._leave_everything(ledger, now)
            else:
                self._change(ledger, found, {found.topic: False}, now)
            return self._standing(ledger)

    def choose(self, shown: Collection[str], wanted: Collection[str], now: datetime) -> Standing | None:
        """
        Send this contact, of the topics that were *shown* to them, those that they *wanted*; if that is none, nothing.

        Topics that were not shown stay as they are.
        """
        with self._store.writing() as ledger:
            found = self._standing(ledger)
            if found is None:
                return None
            choice = {name: name in wanted for name in found.topics if name in shown}
            if choice and not any(choice.values()):
                self._leave_everything(ledger, now)
            else:
                self._change(ledger, found, choice, now)
            return self._standing(ledger)

    def come_back(self, now: datetime) -> Standing | None:
        """The contact wants messages again; what others said of the address stays."""
        with self._store.writing() as ledger:
            found = self._standing(ledger)
            if found is None or not found.may_return:
                return found
            unsuppress(ledger.connection, EMAIL, found.address)
            self._note(ledger, "returned", {}, now)
            return self._standing(ledger)

    def viewed(self, signer: Signer) -> tuple[str, str] | None:
        """
        The message as this contact got it: `html` or `plain`, and the text.

        None where it is not known any more, or cannot be made again.
        """
        with self._store.reading() as ledger:
            found = self._found(ledger)
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

    def _leave_everything(self, ledger: SqlLedger, now: datetime) -> None:
        ledger.take_told([Told(self._step_id, self._contact_id, EventKind.UNSUBSCRIBE, now)], now)

    def _change(self, ledger: SqlLedger, found: Standing, choice: Mapping[str, bool], now: datetime) -> None:
        """Make each of these topics wanted or not, as far as that is new."""
        cohort, candidate = self._known(ledger)
        contacts, attributes = ledger.contact_list(cohort.campaign), self._attributes_of(cohort)
        # What only a file said until now becomes their own word.
        known = ledger.left_since(found.address) if found.address else found.topics.keys()
        left = [
            name for name, is_wanted in choice.items() if not is_wanted and (found.topics[name] or name not in known)
        ]
        joined = [name for name, is_wanted in choice.items() if is_wanted and not found.topics[name]]
        whose = (candidate.contact_id, found.address)
        ledger.leave_topics(contacts, *whose, {name: attributes[name] for name in left}, now)
        ledger.join_topics(ledger.contact_list(cohort.campaign), *whose, {name: attributes[name] for name in joined})
        unsubscribed = Told(self._step_id, self._contact_id, EventKind.UNSUBSCRIBE, now)
        ledger.take_told([unsubscribed._replace(topic=name) for name in left], now)
        if left or joined:
            said = {"left": left, "joined": joined}
            self._note(ledger, "topics", {word: names for word, names in said.items() if names}, now)

    def _note(self, ledger: SqlLedger, action: str, said: Mapping[str, object], now: datetime) -> None:
        cohort, candidate = self._known(ledger)
        told = {"step": cohort.step.name, "contact": candidate.contact_id, **said}
        ledger.note(action, cohort.campaign, told, now, "contact")

    def _standing(self, ledger: SqlLedger) -> Standing | None:
        found = self._found(ledger)
        if found is None:
            return None
        cohort, candidate = found
        address, content = candidate.address or "", cohort.version.content
        suppression = suppression_of(ledger.connection, EMAIL, address) if address else None
        said = candidate.values.get(content.contacts.language or "")
        topic, attributes = cohort.version.topic_of(cohort.step.name), self._attributes_of(cohort)
        contacts = ledger.contact_list(cohort.campaign)
        out_of = ledger.topics_out_of(contacts, candidate.contact_id, address, attributes)
        return Standing(
            sender=content.sender or "",
            address=address,
            language=said if isinstance(said, str) else "",
            has_left=suppression is not None,
            may_return=suppression is not None and suppression.reason == UNSUBSCRIBED,
            topics={name: name not in out_of for name in attributes},
            topic=None if topic is None else topic.name,
        )

    def _attributes_of(self, cohort: Cohort) -> Attributes:
        """The project's topics, behind the message's own, which the project may have no more."""
        topic = cohort.version.topic_of(cohort.step.name)
        own = {} if topic is None else {topic.name: self._attributes.get(topic.name, topic.attribute)}
        return {**own, **self._attributes}

    def _known(self, ledger: SqlLedger) -> tuple[Cohort, Candidate]:
        """As `_found`, where it was found before in the same transaction."""
        found = self._found(ledger)
        assert found is not None
        return found

    def _found(self, ledger: SqlLedger) -> tuple[Cohort, Candidate] | None:
        """The step with its version, and the contact to whom it made an e-mail."""
        cohort = ledger.cohort_of(self._step_id)
        if cohort is None or cohort.step.verb != "email":
            return None
        candidate = ledger.candidate_of(cohort, self._contact_id)
        return None if candidate is None else (cohort, candidate)
