"""Contacts are the same whatever form their file has."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from contacts.address_book import AddressBook, counts, rejected

from campaignctl.campaign.attribute import AttributeType
from campaignctl.contacts.source import Format
from campaignctl.errors import UsageError, WorkFailedError
from campaignctl.store.database import sqlite_module

SAME_CONTACTS: dict[str, dict[str, object]] = {
    "c-1": {
        "email": "ada@example.org",
        "name": 'Ada "the first"\nLovelace; and, so on',
        "visits": 7,
        "spent": 12.5,
        "is_member": True,
        "born": date(1815, 12, 10),
        "seen": datetime(2026, 11, 30, 8, 0, tzinfo=UTC),
    },
    "c-2": {
        "email": "zoe@example.org",
        "name": "Zoë Ünal",
        "visits": 0,
        "spent": -3.0,
        "is_member": False,
        "born": date(2000, 2, 29),
    },
}
CSV = (
    "id,email,name,visits,spent,is_member,born,seen\n"
    'c-1,ada@example.org,"Ada ""the first""\nLovelace; and, so on",7,12.5,true,1815-12-10,2026-11-30T09:00+01:00\n'
    "c-2,zoe@example.org,Zoë Ünal,0,-3,false,2000-02-29,\n"
)
SEMICOLONS = (
    "id;email;name;visits;spent;is_member;born;seen\n"
    'c-1;ada@example.org;"Ada ""the first""\nLovelace; and, so on";7;12.5;true;1815-12-10;2026-11-30T09:00+01:00\n'
    "c-2;zoe@example.org;Zoë Ünal;0;-3;false;2000-02-29;\n"
)
TSV = (
    "id\temail\tname\tvisits\tspent\tis_member\tborn\tseen\n"
    'c-1\tada@example.org\t"Ada ""the first""\nLovelace; and, so on"\t7\t12.5\ttrue\t1815-12-10\t2026-11-30T08:00Z\n'
    "c-2\tzoe@example.org\tZoë Ünal\t0\t-3\tfalse\t2000-02-29\t\n"
)
RECORDS = [
    {
        "id": "c-1",
        "email": "ada@example.org",
        "name": 'Ada "the first"\nLovelace; and, so on',
        "visits": 7,
        "spent": 12.5,
        "is_member": True,
        "born": "1815-12-10",
        "seen": "2026-11-30T08:00:00Z",
    },
    {
        "id": "c-2",
        "email": "zoe@example.org",
        "name": "Zoë Ünal",
        "visits": 0,
        "spent": -3,
        "is_member": False,
        "born": "2000-02-29",
        "seen": None,
    },
]
NDJSON = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in RECORDS)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("commas.csv", CSV),
        ("semicolons.csv", SEMICOLONS),
        ("tabs.tsv", TSV),
        ("tabs.tab", TSV),
        ("array.json", json.dumps(RECORDS)),
        ("lines.ndjson", NDJSON),
        ("lines.jsonl", NDJSON),
        ("ENDING.CSV", CSV),
        ("no_last_line_end.csv", CSV.removesuffix("\n")),
        ("blank_lines.csv", CSV.replace("c-2", "\n\nc-2") + "\n\n"),
        ("blank_lines.ndjson", "\n" + NDJSON.replace("\n", "\n \n")),
        ("crlf.ndjson", NDJSON.replace("\n", "\r\n")),
        ("bom.csv", "\ufeff" + CSV),
        ("bom.tsv", "\ufeff" + TSV),
        ("bom.json", "\ufeff" + json.dumps(RECORDS)),
        ("bom.ndjson", "\ufeff" + NDJSON),
    ],
)
def test_contacts_are_the_same_from_every_form_of_text_file(book: AddressBook, name: str, content: str) -> None:
    report = book.bring(content, name)
    assert counts(report) == (2, 0, 0, 0)
    assert book.contacts() == SAME_CONTACTS


def table_of_contacts(path: Path, *statements: str) -> Path:
    """An SQLite database with the contacts in a table, after which more may be done with it."""
    sqlite = sqlite_module()
    connection = sqlite.connect(path)
    connection.execute(
        "CREATE TABLE people (id TEXT, email TEXT, name TEXT, visits INTEGER, spent REAL, is_member TEXT, born, seen)"
    )
    rows = [list({**record, "is_member": str(record["is_member"]).lower()}.values()) for record in RECORDS]
    connection.executemany("INSERT INTO people VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return path


def test_contacts_are_the_same_from_a_table_of_a_database(book: AddressBook, tmp_path: Path) -> None:
    path = table_of_contacts(tmp_path / "people.sqlite")
    before = path.read_bytes()
    report = book.bring_file(path, types={"is_member": AttributeType.BOOLEAN})
    assert counts(report) == (2, 0, 0, 0)
    assert book.contacts() == SAME_CONTACTS
    assert path.read_bytes() == before


def test_of_several_tables_the_user_names_one(book: AddressBook, tmp_path: Path) -> None:
    path = table_of_contacts(tmp_path / "people.db", "CREATE TABLE orders (id TEXT)", "INSERT INTO orders VALUES ('o')")
    with pytest.raises(UsageError, match=r"several tables") as several:
        book.bring_file(path)
    assert (several.value.code, several.value.hint) == ("S306", "write `--table orders|people`")
    with pytest.raises(UsageError, match=r"has no table `peple`"):
        book.bring_file(path, table="peple")
    assert book.contacts() == {}

    assert book.bring_file(path, table="people").added == 2
    assert set(book.contacts()) == {"c-1", "c-2"}


def test_tables_that_sqlite_keeps_for_itself_are_no_choice(book: AddressBook, tmp_path: Path) -> None:
    """A database that numbers its rows has a table `sqlite_sequence`, of which its owner knows nothing."""
    sqlite = sqlite_module()
    connection = sqlite.connect(tmp_path / "people.db")
    connection.execute("CREATE TABLE people (id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT)")
    connection.execute("INSERT INTO people (email) VALUES ('ada@example.org')")
    connection.execute("CREATE INDEX by_email ON people (email)")
    connection.execute("ANALYZE")
    connection.commit()
    connection.close()
    assert book.bring_file(tmp_path / "people.db").added == 1
    assert book.contacts() == {"1": {"email": "ada@example.org"}}


def test_rows_of_a_table_are_told_by_their_number(book: AddressBook, tmp_path: Path) -> None:
    path = table_of_contacts(
        tmp_path / "people.db",
        "INSERT INTO people (id, email) VALUES ('c-3', 'nobody'), (NULL, NULL)",
        "INSERT INTO people (id, name) VALUES ('c-4', x'00ff')",
    )
    report = book.bring_file(path)
    assert rejected(report) == [(3, "bad address"), (4, "missing key"), (5, "not a record")]
    assert report.rejected[2].detail == "`name` holds binary data, not a single value"


@pytest.mark.parametrize("name", ["people.db", "people.sqlite3"])
def test_a_text_file_that_calls_itself_a_database_is_refused(book: AddressBook, name: str) -> None:
    with pytest.raises(WorkFailedError, match=r"is no readable SQLite database") as refused:
        book.bring(CSV * 20, name)
    assert refused.value.code == "S305"
    assert book.contacts() == {}


def test_line_ends_of_other_systems_end_rows_but_stay_in_quoted_cells(book: AddressBook) -> None:
    book.bring('id,name\r\nc-1,plain\r\nc-2,"two\r\nlines"\r\n')
    book.bring('id,name\rc-3,plain\rc-4,"two\rlines"\r', "mac.csv")
    assert book.values("name") == ["plain", "two\r\nlines", "plain", "two\rlines"]


def test_separators_inside_a_quoted_name_do_not_make_the_separator(book: AddressBook) -> None:
    book.bring('id,"name; first; last"\nc-1,Ada\n')
    assert book.contacts() == {"c-1": {"name_first_last": "Ada"}}


@pytest.mark.parametrize(
    ("encoding", "text"),
    [("cp1252", "Zoë € “smart”"), ("utf-16", "Zoë 名前"), ("latin-1", "Zoë é"), ("UTF8", "Zoë 名前")],
)
def test_the_encoding_is_what_the_user_says(book: AddressBook, encoding: str, text: str) -> None:
    book.bring(f"id,name\nc-1,{text}\n".encode(encoding), encoding=encoding)
    assert book.contacts() == {"c-1": {"name": text}}


def test_the_form_is_what_the_user_says_whatever_the_name(book: AddressBook) -> None:
    book.bring(NDJSON, "export.csv", form=Format.NDJSON)
    assert book.contacts() == SAME_CONTACTS


def test_records_may_come_with_different_attributes(book: AddressBook) -> None:
    book.bring('{"id": "1", "a": 1}\n{"b": "x", "id": "2"}\n{"id": "3", "b": null}\n', "contacts.ndjson")
    assert book.contacts() == {"1": {"a": 1}, "2": {"b": "x"}, "3": {}}


def test_names_of_columns_become_names_of_attributes(book: AddressBook) -> None:
    report = book.bring("ID, Email ,First Name,Prénom,2nd\n1,ada@example.org,Ada,A.,x\n")
    assert report.renamed_headers == {
        "ID": "id",
        " Email ": "email",
        "First Name": "first_name",
        "Prénom": "prenom",
        "2nd": "_2nd",
    }
    assert book.contacts() == {"1": {"email": "ada@example.org", "first_name": "Ada", "prenom": "A.", "_2nd": "x"}}


def test_a_table_with_as_many_columns_as_may_be_is_taken(book: AddressBook) -> None:
    names = ["id", *(f"n{number}" for number in range(499))]
    report = book.bring(",".join(names) + "\n" + ",".join(["c-1", *map(str, range(499))]) + "\n")
    assert (report.added, len(report.attributes_added)) == (1, 500)
    assert book.contacts()["c-1"] == {f"n{number}": number for number in range(499)}
    again = ["c-1", *map(str, range(498)), "x"]
    assert counts(book.bring(",".join(names) + "\n" + ",".join(again) + "\n")) == (0, 0, 0, 1)
