"""What an export writes, a later import takes back as it was."""

from __future__ import annotations

import csv
import io
import json

import pytest
from contacts.address_book import AddressBook, counts
from contacts.test_importing import lines, new_book, plain_text
from hypothesis import example, given, settings
from hypothesis import strategies as st

from campaignctl.campaign.attribute import AttributeType
from campaignctl.contacts.exporting import ExportFormat

ONE_OF_EACH = (
    "id,email,name,visits,spent,is_member,born,seen\n"
    "c-1,ada@example.org,Ada,7,12.5,true,1815-12-10,2026-11-30T09:00:00.25+01:00\n"
    "c-2,,,,,,,\n"
)


def test_an_export_has_a_line_for_each_contact_in_the_order_they_came(book: AddressBook) -> None:
    book.bring(ONE_OF_EACH)
    assert book.export(ExportFormat.CSV) == (
        "id,born,email,is_member,name,seen,spent,visits\n"
        "c-1,1815-12-10,ada@example.org,true,Ada,2026-11-30T08:00:00.250000Z,12.5,7\n"
        "c-2,,,,,,,\n"
    )
    assert book.export(ExportFormat.TSV) == book.export(ExportFormat.CSV).replace(",", "\t")
    ada = {
        "id": "c-1",
        "born": "1815-12-10",
        "email": "ada@example.org",
        "is_member": True,
        "name": "Ada",
        "seen": "2026-11-30T08:00:00.250000Z",
        "spent": 12.5,
        "visits": 7,
    }
    nobody = {**dict.fromkeys(ada), "id": "c-2"}
    assert json.loads(book.export(ExportFormat.JSON)) == [ada, nobody]
    assert [json.loads(line) for line in book.export(ExportFormat.NDJSON).splitlines()] == [ada, nobody]


@pytest.mark.parametrize("kind", ExportFormat)
def test_importing_an_export_changes_nothing(book: AddressBook, kind: ExportFormat) -> None:
    book.bring(ONE_OF_EACH)
    before = book.contacts(), book.types()
    assert counts(book.bring(book.export(kind), f"contacts.{kind}")) == (0, 0, 2, 0)
    assert (book.contacts(), book.types()) == before


@pytest.mark.parametrize("kind", ExportFormat)
def test_a_list_without_contacts_can_be_exported(book: AddressBook, kind: ExportFormat) -> None:
    book.bring("id,name\n")
    assert book.export(kind) == {"csv": "id,name\n", "tsv": "id\tname\n", "json": "[]\n", "ndjson": ""}[kind]


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(plain_text.filter(str.strip), st.tuples(plain_text, plain_text), min_size=1, max_size=4),
    st.sampled_from(ExportFormat),
)
@example({"c-1": ("a\rb", "\r"), "\rc": ("a\nb", "\n")}, ExportFormat.CSV)
@example({"c-1": ("a\tb", "\t"), "\tc": ("\u2028", "\x1c")}, ExportFormat.TSV)
@example({"=1": ("'=1", "''=1"), "'=1": ("'", "''"), "''=1": ("-", "'-")}, ExportFormat.CSV)
def test_any_text_survives_an_export_and_an_import(contacts: dict[str, tuple[str, str]], kind: ExportFormat) -> None:
    given_ = [{"id": key, "note": note, "city": city} for key, (note, city) in contacts.items()]
    types = {"note": AttributeType.TEXT, "city": AttributeType.TEXT}
    with new_book() as book:
        assert book.bring(lines(*given_), "contacts.ndjson", types=types).added == len(contacts)
        before = book.contacts()
        assert counts(book.bring(book.export(kind), f"export.{kind}")) == (0, 0, len(contacts), 0)
        assert book.contacts() == before


@given(st.lists(plain_text.filter(str.strip), min_size=1, max_size=4, unique=True))
@settings(max_examples=30, deadline=None)
@example(["=1+1", "+33", "-1", "@SUM(A1)", "\t=1", "\r=1", "'=1"])
def test_no_text_of_an_export_is_a_formula(keys: list[str]) -> None:
    with new_book() as book:
        book.bring(lines(*({"id": key, "email": None} for key in keys)), "contacts.ndjson")
        for kind, separator in ((ExportFormat.CSV, ","), (ExportFormat.TSV, "\t")):
            cells = [
                cell
                for row in csv.reader(io.StringIO(book.export(kind), newline=""), delimiter=separator)
                for cell in row
            ]
            assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)
            assert len(cells) == 2 + 2 * len(keys)


def test_what_a_spreadsheet_marked_as_text_is_taken_without_the_mark(book: AddressBook) -> None:
    book.bring("id,phone,name\nc-1,'+33123456789,'=1+1\nc-2,+33123456789,it's\n")
    assert book.values("phone") == ["+33123456789", "+33123456789"]
    assert book.values("name") == ["=1+1", "it's"]

    # JSON has no such marks
    book.bring(lines({"id": "c-3", "name": "'=1"}), "contacts.ndjson")
    assert book.contacts()["c-3"] == {"name": "'=1"}
