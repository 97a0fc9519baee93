"""What an import makes of a list: added, changed, left as it was, rejected."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from contacts.address_book import AddressBook, Counts, counts, rejected
from hypothesis import given, settings
from hypothesis import strategies as st

from campaignctl.campaign.attribute import AttributeType
from campaignctl.contacts.importing import RowsRejectedError
from campaignctl.contacts.rejection import SHOWN, Reason, RejectedRow
from campaignctl.errors import RefusedError

TEXT = AttributeType.TEXT


@contextmanager
def new_book() -> Iterator[AddressBook]:
    """For properties, which need one for each example."""
    with TemporaryDirectory() as name:
        book = AddressBook(Path(name))
        try:
            yield book
        finally:
            book.close()


def lines(*records: object) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def test_contacts_are_known_by_their_key(book: AddressBook) -> None:
    assert counts(book.bring("id,email,name\nc-1,ada@example.org,Ada\nc-2,alan@example.org,Alan\n")) == (2, 0, 0, 0)

    # When one is new, one changed and one as it was
    report = book.bring(
        "id,email,name\nc-3,zoe@example.org,Zoë\nc-1,ada@example.org,Ada L.\nc-2,alan@example.org,Alan\n"
    )

    # Then the counts say so, and nobody is there twice
    assert counts(report) == (1, 1, 1, 0)
    assert book.contacts() == {
        "c-1": {"email": "ada@example.org", "name": "Ada L."},
        "c-2": {"email": "alan@example.org", "name": "Alan"},
        "c-3": {"email": "zoe@example.org", "name": "Zoë"},
    }


def test_keys_that_differ_in_case_or_spaces_are_different_contacts(book: AddressBook) -> None:
    assert counts(book.bring("id,name\nc-1,Ada\nC-1,Alan\n c-1,Zoë\n")) == (3, 0, 0, 0)
    assert set(book.contacts()) == {"c-1", "C-1", " c-1"}


def test_a_column_that_the_file_lacks_keeps_its_values(book: AddressBook) -> None:
    book.bring("id,name,city\nc-1,Ada,Lyon\nc-2,Alan,Paris\n")
    assert counts(book.bring("id,city\nc-1,Nice\n")) == (0, 1, 0, 0)
    assert book.contacts() == {"c-1": {"name": "Ada", "city": "Nice"}, "c-2": {"name": "Alan", "city": "Paris"}}


def test_a_file_with_keys_alone_changes_nobody(book: AddressBook) -> None:
    book.bring("id,name\nc-1,Ada\n")
    assert counts(book.bring("id\nc-1\nc-2\n")) == (1, 0, 1, 0)
    assert book.contacts() == {"c-1": {"name": "Ada"}, "c-2": {}}


def test_an_empty_cell_takes_the_value_away(book: AddressBook) -> None:
    book.bring("id,email,name,visits\nc-1,ada@example.org,Ada,3\nc-2,alan@example.org,Alan,4\n")
    assert counts(book.bring("id,email,name,visits\nc-1,,,\nc-2,alan@example.org,Alan,4\n")) == (0, 1, 1, 0)
    assert book.contacts()["c-1"] == {}


def test_null_takes_a_value_away_and_an_absent_name_keeps_it(book: AddressBook) -> None:
    book.bring(lines({"id": "c-1", "name": "Ada", "visits": 3}, {"id": "c-2", "name": "Alan", "visits": 4}), "a.ndjson")
    report = book.bring(lines({"id": "c-1", "name": None}, {"id": "c-2", "visits": 5}, {"id": "c-3"}), "b.ndjson")
    assert counts(report) == (1, 2, 0, 0)
    assert book.contacts() == {"c-1": {"visits": 3}, "c-2": {"name": "Alan", "visits": 5}, "c-3": {}}


def test_a_row_that_cannot_be_taken_is_reported_with_line_key_and_reason(book: AddressBook) -> None:
    book.bring("id,email,visits\nc-0,,1\n")
    long = "x" * (64 * 2**10 + 1)
    report = book.bring(
        "id,email,visits,note\n"
        "c-1,ada@example.org,1,fine\n"
        "c-2,ada at example.org,1,\n"
        ",alan@example.org,1,\n"
        "  ,alan@example.org,1,\n"
        "c-1,zoe@example.org,1,\n"
        "c-3,zoe@example.org\n"
        "c-4,zoe@example.org,1,,,\n"
        "c-5,,1,a\0b\n"
        f"c-6,,1,{long}\n"
        "c-7,,many,\n"
        f"c-8,,1,{long[:-1]}\n"
    )
    assert counts(report) == (2, 0, 0, 9)
    assert [(row.line, row.key, str(row.reason), row.detail) for row in report.rejected] == [
        (3, "c-2", "bad address", "`ada at example.org` is no e-mail address"),
        (4, "", "missing key", "`id` is empty"),
        (5, "  ", "missing key", "`id` is empty"),
        (6, "c-1", "duplicate key", "as on line 2"),
        (7, "", "wrong number of fields", "2 fields, and the header has 4"),
        (8, "", "wrong number of fields", "6 fields, and the header has 4"),
        (9, "c-5", "contains NUL", "in `note`"),
        (10, "c-6", "value too long", "in `note`"),
        (11, "c-7", "wrong type", "`visits` is of type integer, and `many` is not"),
    ]
    assert report.rejected_by_reason[Reason.MISSING_KEY] == 2
    assert set(book.contacts()) == {"c-0", "c-1", "c-8"}


def test_lines_are_counted_through_cells_with_line_breaks(book: AddressBook) -> None:
    report = book.bring('id,note\nc-1,"one\ntwo\nthree"\n\nc-2,too,many\n,nobody\n')
    assert rejected(report) == [(6, "wrong number of fields"), (7, "missing key")]


def test_a_line_that_is_no_record_is_rejected_and_the_next_one_read(book: AddressBook) -> None:
    report = book.bring(
        '{"id": "c-1"}\n{"id": \n[1, 2]\n"c-2"\n{"id": "c-3", "tags": ["a"]}\n{"id": "c-4", "more": {}}\n'
        '{"id": "c-5", "spent": NaN}\n{"id": "c-6", "name": "\\ud800"}\n{"id": "c-7", "name": "a\\u0000"}\n'
        '{"name": "nobody"}\n{"id": null}\n{"id": "c-8"}\n',
        "contacts.ndjson",
    )
    assert [(row.line, str(row.reason), row.detail) for row in report.rejected] == [
        (2, "not a record", "not JSON"),
        (3, "not a record", "not an object"),
        (4, "not a record", "not an object"),
        (5, "not a record", "`tags` holds an array, not a single value"),
        (6, "not a record", "`more` holds an object, not a single value"),
        (7, "not a record", "not JSON"),
        (8, "not text", "in `name`"),
        (9, "contains NUL", "in `name`"),
        (10, "missing key", "`id` is empty"),
        (11, "missing key", "`id` is empty"),
    ]
    assert set(book.contacts()) == {"c-1", "c-8"}


def test_of_rows_with_the_same_key_the_first_good_one_counts(book: AddressBook) -> None:
    """A row that is rejected for something else does not stand in the way of the next."""
    for _ in ("into an empty list", "into a list with contacts"):
        report = book.bring("id,email,name\nc-1,bad,A\nc-1,a@example.org,B\nc-1,a@example.org,C\nc-2,,D\nc-1,,E\n")
        assert rejected(report) == [(2, "bad address"), (4, "duplicate key"), (6, "duplicate key")]
        assert report.rejected[2].detail == "as on line 3"
        assert {key: values["name"] for key, values in book.contacts().items()} == {"c-1": "B", "c-2": "D"}


def test_all_rejected_rows_are_counted_and_told_and_the_first_are_in_the_report(book: AddressBook) -> None:
    count = SHOWN + 500
    told: list[RejectedRow] = []
    report = book.bring(
        "id,email\nc-0,\n" + "".join(f"c-{n % 2},{'bad' if n % 2 else ''}\n" for n in range(2 * count)),
        on_rejected=told.append,
    )
    assert report.rejected_by_reason == {Reason.BAD_ADDRESS: count, Reason.DUPLICATE: count}
    assert [row.line for row in report.rejected] == list(range(3, 3 + SHOWN))
    assert sorted(row.line for row in told) == list(range(3, 3 + 2 * count))


def test_a_strict_import_takes_all_rows_or_none(book: AddressBook) -> None:
    assert counts(book.bring("id,name\nc-1,Ada\n", is_strict=True)) == (1, 0, 0, 0)
    before = book.contacts(), book.types(), book.journal()
    for content in ("id,name,city\nc-2,Alan,Paris\n,Zoë,Lyon\n", "id,name\nc-1,Grace\nc-3,x\nc-1,y\n"):
        with pytest.raises(RowsRejectedError) as refused:
            book.bring(content, is_strict=True)
        assert (refused.value.code, refused.value.exit_code) == ("S308", 1)
        report = refused.value.report
        assert (counts(report), report.attributes_added) == ((0, 0, 0, 1), {})
        assert (book.contacts(), book.types(), book.journal()) == before


def test_duplicates_of_a_first_import_refuse_it_when_it_is_strict(book: AddressBook) -> None:
    """They come to light when the contacts are in the list already, which has to be taken back."""
    with pytest.raises(RowsRejectedError) as refused:
        book.bring("id,name\nc-1,Ada\nc-2,Alan\nc-1,Zoë\n", is_strict=True)
    assert rejected(refused.value.report) == [(4, "duplicate key")]
    assert (book.contacts(), book.journal()) == ({}, [])


def test_addresses_are_kept_in_one_form_and_shared_ones_counted(book: AddressBook) -> None:
    report = book.bring("id,email\nc-1,Ada@Example.ORG\nc-2, Ada@example.org \nc-3,ada@exämple.org\nc-4,\nc-5,\n")
    assert report.shared_addresses == 1
    assert book.values("email") == ["Ada@example.org", "Ada@example.org", "ada@xn--exmple-cua.org", None, None]

    # Also when the other contact has been in the list for long
    assert book.bring("id,email\nc-6,ada@exämple.org\n").shared_addresses == 2


def test_the_journal_has_each_import_with_its_counts_and_who_it_was(book: AddressBook) -> None:
    book.bring("id,name\nc-1,Ada\n,Alan\n")
    (actor, action, detail), *others = book.journal()
    assert (actor, action, others) == ("tester", "import", [])
    assert json.loads(detail) == {"list": "customers", "read": 2, "added": 1, "changed": 0, "rejected": 1}


def test_progress_is_told_in_bytes_up_to_the_last_one(book: AddressBook) -> None:
    content = "id,name\n" + "".join(f"c-{number},{'x' * 50}\n" for number in range(10_000))
    for name in ("contacts.csv", "contacts.tsv"):
        told: list[int] = []
        book.bring(content if name.endswith("csv") else content.replace(",", "\t"), name, progress=told.append)
        assert len(told) > 3
        assert told == sorted(told)
        assert told[-1] == len(content)


def test_another_import_into_the_list_meanwhile_is_merged_with_this_one(book: AddressBook) -> None:
    book.bring("id,name\n")
    others = iter(["id,name\nc-1,Alan\nc-9,Zoë\n"])

    def meanwhile(_done: int) -> None:
        for content in others:
            assert book.bring(content, "other.csv").added == 2

    report = book.bring("id,name\nc-1,Ada\nc-2,Grace\nc-1,Edsger\n", progress=meanwhile)
    assert counts(report) == (1, 1, 0, 1)
    assert book.contacts() == {"c-1": {"name": "Ada"}, "c-9": {"name": "Zoë"}, "c-2": {"name": "Grace"}}


def test_a_list_that_got_other_attributes_meanwhile_refuses_what_was_checked_before(book: AddressBook) -> None:
    book.bring("id,name\nc-1,Ada\n")
    others = iter(["id,visits\nc-1,3\n"])

    def meanwhile(_done: int) -> None:
        for content in others:
            book.bring(content, "other.csv")

    with pytest.raises(RefusedError, match=r"were changed while its contacts were read") as refused:
        book.bring("id,visits\nc-1,many\n", progress=meanwhile)
    assert refused.value.code == "S205"
    assert book.contacts() == {"c-1": {"name": "Ada", "visits": 3}}


def test_a_list_keeps_its_key(book: AddressBook) -> None:
    book.bring("id,name\nc-1,Ada\n")
    with pytest.raises(RefusedError, match=r"told apart by `id`, not by `name`") as refused:
        book.bring("id,name\nc-1,Ada\n", key="name")
    assert refused.value.code == "S201"
    assert book.bring("ID,name\nc-1,Ada\n", key="ID").unchanged == 1


def test_nothing_is_kept_of_an_import_that_fails(book: AddressBook) -> None:
    book.bring("id,name\nc-1,Ada\n")
    before = book.contacts(), book.types(), book.journal()

    class PulledPlugError(Exception):
        pass

    def fail(_done: int) -> None:
        raise PulledPlugError

    with pytest.raises(PulledPlugError):
        book.bring("id,name,city\nc-1,Grace,Lyon\nc-2,Alan,Paris\n", progress=fail)
    assert (book.contacts(), book.types(), book.journal()) == before
    assert not list(book.folder.glob(".campaignctl-import-*"))
    assert counts(book.bring("id,name\nc-1,Grace\n")) == (0, 1, 0, 0)


Record = Mapping[str, str | None]

plain_text = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8)
records = st.fixed_dictionaries(
    {"id": st.sampled_from(["a", "b", "c", "d", "", " "])},
    optional={
        "email": st.sampled_from(["ada@example.org", "alan@example.org", "bad", "", None]),
        "note": st.none() | plain_text,
        "city": st.none() | st.sampled_from(["Lyon", "Paris", ""]),
    },
)


def as_it_should_be(known: dict[str, dict[str, str]], file: Sequence[Record]) -> Counts:
    """The contract in a few lines: changes *known* as an import has to, and counts."""
    outcomes = [0, 0, 0, 0]
    seen: set[str] = set()
    for record in file:
        key = record["id"] or ""
        if not key.strip() or record.get("email") == "bad" or key in seen:
            outcomes[3] += 1
            continue
        seen.add(key)
        before = known.get(key)
        given = {name: value for name, value in record.items() if name != "id"}
        after = {name: value for name, value in {**(before or {}), **given}.items() if value}
        outcomes[0 if before is None else 2 if before == after else 1] += 1
        known[key] = after
    return outcomes[0], outcomes[1], outcomes[2], outcomes[3]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(records, min_size=1, max_size=6), min_size=1, max_size=3))
def test_imports_one_after_another_make_the_list_that_the_contract_promises(files: list[list[Record]]) -> None:
    known: dict[str, dict[str, str]] = {}
    types = {"id": TEXT, "email": TEXT, "note": TEXT, "city": TEXT}
    with new_book() as book:
        for file in files:
            report = book.bring(lines(*file), "contacts.ndjson", types=types)
            assert counts(report) == as_it_should_be(known, file)
            assert book.contacts() == known

            # And once more changes nothing
            again = book.bring(lines(*file), "contacts.ndjson", types=types)
            assert counts(again) == (0, 0, len(file) - report.rejected_count, report.rejected_count)
            assert book.contacts() == known


odd_cells = st.text(st.sampled_from("ab1.-=+@'\";, \t\r\n\0é"), max_size=5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(odd_cells, min_size=1, max_size=4), max_size=8))
def test_every_row_is_added_changed_unchanged_or_rejected_whatever_it_holds(rows: list[list[str]]) -> None:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerows([["id", "email", "note"], *rows])
    with new_book() as book:
        report = book.bring(out.getvalue())
        assert sum(counts(report)) == report.read == len(rows)
        again = book.bring(out.getvalue())
        assert (again.read, again.added, again.changed, again.rejected) == (len(rows), 0, 0, report.rejected)
