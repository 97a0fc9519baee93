"""What files say of topics, and what contacts said themselves."""

from __future__ import annotations

import json

import pytest
from contacts.address_book import NOW, AddressBook
from sqlalchemy import select

from campaignctl.campaign.attribute import AttributeType
from campaignctl.contacts.importing import RowsRejectedError
from campaignctl.contacts.rejection import Reason
from campaignctl.store.ledger import SqlLedger
from campaignctl.store.lists import contact_by_key, known_list
from campaignctl.store.tables import journal, left_topics

TOPICS = {"offers": "pref_offers", "news": "topic_news"}
PEOPLE = "id,email,pref_offers\nc-1,ada@example.org,true\nc-2,grace@example.org,true\nc-3,alan@example.org,false\n"


def ada_leaves(book: AddressBook, topic: str = "offers") -> None:
    with book.database.writing() as connection:
        ledger, contacts = SqlLedger(connection), known_list(connection, "customers")
        row = contact_by_key(connection, contacts, "c-1")
        assert row is not None
        ledger.leave_topics(contacts, row.id, "ada@example.org", {topic: TOPICS[topic]}, NOW)


def still_left(book: AddressBook) -> set[tuple[str, str]]:
    with book.database.reading() as connection:
        return {tuple(row) for row in connection.execute(select(left_topics.c.topic, left_topics.c.address))}


def offers(book: AddressBook) -> dict[str, object]:
    return {key: values.get("pref_offers") for key, values in book.contacts().items()}


def test_a_file_does_not_bring_back_who_left_a_topic_themselves(book: AddressBook) -> None:
    book.bring(PEOPLE, topics=TOPICS)
    ada_leaves(book)
    report = book.bring(PEOPLE, topics=TOPICS)
    assert (report.changed, report.unchanged, report.stayed_out) == (0, 3, 1)
    assert offers(book) == {"c-1": False, "c-2": True, "c-3": False}
    assert still_left(book) == {("offers", "ada@example.org")}


def test_a_file_takes_back_what_only_a_file_has_said(book: AddressBook) -> None:
    book.bring(PEOPLE, topics=TOPICS)
    book.bring("id,pref_offers\nc-2,false\nc-3,true\n", topics=TOPICS)
    assert offers(book) == {"c-1": True, "c-2": False, "c-3": True}


def test_an_empty_cell_brings_nobody_back_either(book: AddressBook) -> None:
    """It would take the attribute away, and who has none gets the topic."""
    book.bring(PEOPLE, topics=TOPICS)
    ada_leaves(book)
    book.bring("id,pref_offers\nc-1,\nc-2,\n", topics=TOPICS)
    assert offers(book) == {"c-1": False, "c-2": None, "c-3": False}


def test_a_record_that_does_not_speak_of_a_topic_changes_nothing_about_it(book: AddressBook) -> None:
    book.bring(PEOPLE, topics=TOPICS)
    ada_leaves(book)
    lines = [{"id": "c-1", "name": "Ada"}, {"id": "c-2", "pref_offers": True}]
    report = book.bring("".join(json.dumps(line) + "\n" for line in lines), "contacts.ndjson", topics=TOPICS)
    assert report.stayed_out == 0
    assert offers(book)["c-1"] is False


def test_who_left_is_known_by_the_address_of_the_file_or_else_of_the_list(book: AddressBook) -> None:
    book.bring(PEOPLE, topics=TOPICS)
    ada_leaves(book)
    new = "id,email,pref_offers\nc-9,ADA@Example.org,true\n"
    assert book.bring(new, topics=TOPICS).stayed_out == 1
    assert book.bring("id,pref_offers\nc-1,1\nc-2,1\n", topics=TOPICS).stayed_out == 1
    assert offers(book) == {"c-1": False, "c-2": True, "c-3": False, "c-9": False}


def test_a_contact_whose_address_is_another_one_now_may_be_brought_in_with_it(book: AddressBook) -> None:
    """The mailbox said no, and it is not theirs any more."""
    book.bring(PEOPLE, topics=TOPICS)
    ada_leaves(book)
    book.bring("id,email,pref_offers\nc-1,lovelace@example.org,true\n", topics=TOPICS)
    assert offers(book)["c-1"] is True


def test_with_opt_in_the_file_is_believed_and_the_journal_says_so(book: AddressBook) -> None:
    book.bring(PEOPLE, topics=TOPICS)
    ada_leaves(book)
    ada_leaves(book, "news")
    report = book.bring(PEOPLE, topics=TOPICS, opts_in=True)
    assert (report.opted_in, report.stayed_out) == (1, 0)
    assert offers(book) == {"c-1": True, "c-2": True, "c-3": False}
    assert still_left(book) == {("news", "ada@example.org")}
    with book.database.reading() as connection:
        told = connection.scalars(select(journal.c.detail).order_by(journal.c.id)).all()[-1]
    assert json.loads(told)["opted_in"] == 1


def test_an_import_with_opt_in_that_is_refused_brings_nobody_back(book: AddressBook) -> None:
    book.bring(PEOPLE, topics=TOPICS)
    ada_leaves(book)
    with pytest.raises(RowsRejectedError):
        book.bring(PEOPLE + "c-4,nonsense,true\n", topics=TOPICS, opts_in=True, is_strict=True)
    assert still_left(book) == {("offers", "ada@example.org")}
    assert offers(book)["c-1"] is False


def test_the_attribute_of_a_topic_is_true_or_false_from_the_first_file_on(book: AddressBook) -> None:
    """`0` and `1` would be numbers otherwise, and nobody would know what they mean."""
    report = book.bring("id,topic_news\nc-1,1\nc-2,0\nc-3,non\n", topics=TOPICS)
    assert report.attributes_added["topic_news"] is AttributeType.BOOLEAN
    assert report.rejected_by_reason == {Reason.WRONG_TYPE: 1}
    assert {key: values["topic_news"] for key, values in book.contacts().items()} == {"c-1": True, "c-2": False}


def test_what_the_user_says_of_a_type_counts_more(book: AddressBook) -> None:
    report = book.bring("id,topic_news\nc-1,7\n", topics=TOPICS, types={"topic_news": AttributeType.INTEGER})
    assert report.attributes_added["topic_news"] is AttributeType.INTEGER
