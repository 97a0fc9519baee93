"""Contacts in and out, as a user types it."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from contacts.command_line import CommandLine

THREE = "id,email,name\nc-1,ada@example.org,Ada\nc-2,bad,Alan\n,zoe@example.org,Zoë\n"


@pytest.fixture
def typed(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


def test_an_import_says_what_it_did_and_why_rows_were_left_out(typed: CommandLine) -> None:
    typed.write("contacts.csv", THREE)
    done = typed.call("contacts", "import", "customers", "contacts.csv")
    assert re.sub(r"\d\.\d s", "0.0 s", done.stdout) == (
        "3 rows read in 0.0 s into `customers`:\n1 added, 0 changed, 0 unchanged.\n2 rejected.\n"
    )
    assert done.stderr == (
        "new attribute `id` (text)\nnew attribute `email` (text)\nnew attribute `name` (text)\n"
        "line 3: bad address: `bad` is no e-mail address\nline 4: missing key: `id` is empty\n"
    )


def test_an_import_is_a_plain_document_for_programs(typed: CommandLine) -> None:
    typed.write("contacts.csv", THREE)
    found = typed.document("contacts", "import", "customers", "contacts.csv")
    assert found.pop("seconds") >= 0
    assert found == {
        "imported": True,
        "read": 3,
        "added": 1,
        "changed": 0,
        "unchanged": 0,
        "rejected_count": 2,
        "rejected_by_reason": {"bad address": 1, "missing key": 1},
        "rejected": [
            {"line": 3, "key": "c-2", "reason": "bad address", "detail": "`bad` is no e-mail address"},
            {"line": 4, "key": "", "reason": "missing key", "detail": "`id` is empty"},
        ],
        "attributes_added": {"id": "text", "email": "text", "name": "text"},
        "attributes_widened": [],
        "renamed_headers": {},
        "shared_addresses": 0,
        "stayed_out": 0,
        "opted_in": 0,
    }


def test_a_strict_import_of_rejected_rows_fails_and_changes_nothing(typed: CommandLine) -> None:
    typed.write("contacts.csv", THREE)
    done = typed.call("contacts", "import", "customers", "contacts.csv", "--strict", expected=1)
    assert done.stdout == ""
    assert "line 3: bad address" in done.stderr
    assert "error[S308]: 2 of 3 rows were rejected, and nothing was imported" in done.stderr
    found = typed.document("contacts", "import", "customers", "contacts.csv", "--strict", expected=1)
    assert (found["imported"], found["added"], len(found["rejected"])) == (False, 0, 2)
    typed.call("contacts", "export", "customers", expected=3)

    # And a file without such rows is imported
    typed.write("contacts.csv", THREE.partition("c-2")[0])
    typed.call("contacts", "import", "customers", "contacts.csv", "--strict")
    assert typed.names() == {"c-1": "Ada"}


def test_all_rejected_rows_are_written_into_a_file(typed: CommandLine) -> None:
    typed.write("contacts.csv", "id,email\n" + "".join(f"=c-{number},bad\n" for number in range(30)))
    done = typed.call("contacts", "import", "customers", "contacts.csv", "--rejected", "rejected.csv")
    assert "… and 10 more: `--rejected FILE` writes them all" in done.stderr
    rows = list(csv.reader(io.StringIO((typed.folder / "rejected.csv").read_text(), newline="")))
    assert rows[0] == ["line", "key", "reason", "detail"]
    # The keys would be formulas
    assert rows[1:] == [
        [str(number + 2), f"'=c-{number}", "bad address", "`bad` is no e-mail address"] for number in range(30)
    ]

    # A file that had none has a header alone
    typed.write("contacts.csv", "id,email\nc-1,\n")
    typed.call("contacts", "import", "customers", "contacts.csv", "--rejected", "rejected.csv")
    assert (typed.folder / "rejected.csv").read_text() == "line,key,reason,detail\n"


def test_data_of_rejected_rows_neither_steers_the_terminal_nor_breaks_the_document(typed: CommandLine) -> None:
    typed.write("contacts.ndjson", '{"id": "c-1", "email": "\\u001b[31mred"}\n{"id": "\\ud800"}\n')
    done = typed.call("contacts", "import", "customers", "contacts.ndjson", "--rejected", "rejected.csv")
    assert "\x1b" not in done.stderr
    found = typed.document("contacts", "import", "customers", "contacts.ndjson")
    assert [row["key"] for row in found["rejected"]] == ["c-1", "\ud800"]
    assert (typed.folder / "rejected.csv").read_text().endswith("2,\\ud800,not text,in `id`\n")


def nothing(_typed: CommandLine) -> None:
    """No file is there."""


def folder(typed: CommandLine) -> None:
    (typed.folder / "contacts.csv").mkdir()


def pipe(typed: CommandLine) -> None:
    os.mkfifo(typed.folder / "contacts.csv")


def holding(content: str | bytes) -> Callable[[CommandLine], None]:
    def make(typed: CommandLine) -> None:
        typed.write("contacts.csv", content)

    return make


TWO_KINDS = holding("id,visits\nc-1,3\n")
JSON = ("--input-format", "json")
NDJSON = ("--input-format", "ndjson")


@pytest.mark.parametrize(
    ("make", "more", "exit_code", "code", "said"),
    [
        (nothing, (), 1, "S301", "`contacts.csv` cannot be read: No such file"),
        (folder, (), 1, "S301", "`contacts.csv` is not a file"),
        (pipe, (), 1, "S301", "`contacts.csv` is not a file"),
        (TWO_KINDS, ("--encoding", "klingon"), 2, "S303", "`klingon` is no encoding"),
        (TWO_KINDS, ("--encoding", "base64"), 2, "S303", "`base64` is no encoding"),
        (TWO_KINDS, ("--type", "visits"), 2, "U103", "`visits` is no attribute and type"),
        (TWO_KINDS, ("--type", "visits=float"), 2, "U103", "`visits=float` is no attribute and type"),
        (TWO_KINDS, ("--input-format", "xml"), 2, "U100", "write one of `csv`"),
        (TWO_KINDS, ("--input-format", "sqlite"), 1, "S305", "is no readable SQLite database"),
        (TWO_KINDS, ("--rejected", "gone/rejected.csv"), 2, "U105", "`gone/rejected.csv` cannot be written"),
        (TWO_KINDS, ("--rejected", "./contacts.csv"), 2, "U105", "`contacts.csv` is the file to import"),
        (holding("id,name\nc-1,Zo\xeb\n".encode("cp1252")), (), 1, "S303", "line 2 of `contacts.csv` is not UTF-8"),
        (holding("id,name\nc-1,Ada\n".encode("utf-16")), (), 1, "S303", "line 1 of `contacts.csv` is not UTF-8"),
        (holding(""), (), 1, "S304", "`contacts.csv` is empty"),
        (holding("\n \n"), (), 1, "S304", "column 1 has no usable name"),
        (holding("id,Name,name\n"), (), 1, "S304", "the columns `Name` and `name` both are the attribute"),
        (holding("id,First name,first_name\n"), (), 1, "S304", "`First name` and `first_name` both are"),
        (holding("id,,x\n"), (), 1, "S304", "column 2 has no usable name"),
        (holding(",".join(f"n{n}" for n in range(501))), (), 1, "S304", "more than 500 columns"),
        (holding("name\nAda\n"), (), 1, "S307", "no column is the key `id` of the list `customers`"),
        (holding('id,name\nc-1,"Ada\nc-2,Alan\n'), (), 1, "S305", "a quote in the row on line 2"),
        (holding('id,name\nc-1,"Ada" x\n'), (), 1, "S305", "the quotes in the row on line 2"),
        (holding("id,name\nc-1," + "x" * 5 * 2**20), (), 1, "S305", "is longer than 4 MiB"),
        (holding('{"id": "' + "x" * 5 * 2**20), NDJSON, 1, "S305", "is longer than 4 MiB"),
        (holding(""), NDJSON, 1, "S307", "no column is the key `id`"),
        (holding('[{"id": 1},\n{"id" 2}]'), JSON, 1, "S305", "line 2 of `contacts.csv` is not JSON"),
        (holding('{"id": 1}'), JSON, 1, "S305", "is no array of contacts"),
        (holding("[" * 100_000), JSON, 1, "S305", "nested too deep"),
        (holding('[{"id": Infinity}]'), JSON, 1, "S305", "values that are not JSON"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_refused_with_code_sentence_and_hint(
    typed: CommandLine,
    make: Callable[[CommandLine], None],
    more: tuple[str, ...],
    exit_code: int,
    code: str,
    said: str,
) -> None:
    make(typed)
    before = (typed.folder / "contacts.csv").read_bytes() if (typed.folder / "contacts.csv").is_file() else b""
    done = typed.call("contacts", "import", "customers", "contacts.csv", *more, expected=exit_code)
    assert f"error[{code}]: " in done.stderr
    assert said in done.stderr
    assert "\n  = hint: " in done.stderr
    assert done.stdout == ""
    assert not list(typed.folder.glob(".campaignctl-import-*"))
    if before:
        assert (typed.folder / "contacts.csv").read_bytes() == before


def test_what_does_not_go_with_the_project_or_the_list_is_refused(typed: CommandLine) -> None:
    typed.write("contacts.csv", "id,visits\nc-1,3\n")
    typed.write("contacts", "id,visits\nc-1,3\n")
    typed.call("contacts", "import", "customers", "contacts.csv")
    unknown = typed.call("contacts", "import", "customer", "contacts.csv", expected=2)
    assert "error[C301]: the project has no list `customer`\n  = hint: did you mean `customers`?" in unknown.stderr
    assert "error[S302]" in typed.call("contacts", "import", "customers", "contacts", expected=2).stderr
    of_type = typed.call("contacts", "import", "customers", "contacts.csv", "--type", "visits=text", expected=3)
    assert "error[S204]: the attribute `visits` is of type integer, not text" in of_type.stderr
    project = (typed.folder / "campaignctl.yaml").read_text()
    typed.write("campaignctl.yaml", project.replace("key: id", "key: visits"))
    other_key = typed.call("contacts", "import", "customers", "contacts.csv", expected=3)
    assert "error[S201]: the contacts of `customers` are told apart by `id`, not by `visits`" in other_key.stderr


def test_contacts_are_shown_one_by_one(typed: CommandLine) -> None:
    typed.write("contacts.csv", "id,email,name,seen\nc-1,ada@example.org,Ada,2026-12-01T09:00+01:00\n")
    typed.call("contacts", "import", "customers", "contacts.csv")
    assert typed.document("contacts", "show", "customers", "c-1") == {
        "list": "customers",
        "contact": "c-1",
        "attributes": {"id": "c-1", "email": "ada@example.org", "name": "Ada", "seen": "2026-12-01T08:00:00Z"},
        "left_topics": {},
    }
    assert "seen       2026-12-01T08:00:00Z\n" in typed.call("contacts", "show", "customers", "c-1").stdout
    assert "error[P111]" in typed.call("contacts", "show", "customers", "c-2", expected=3).stderr


def test_a_terminal_shows_how_far_an_import_is_and_a_pipe_does_not(typed: CommandLine) -> None:
    typed.write("contacts.csv", "id,name\n" + "".join(f"c-{number},Ada\n" for number in range(20_000)))
    outside, inside = os.openpty()
    process = typed.started("contacts", "import", "customers", "contacts.csv", stderr=inside)
    os.close(inside)
    shown = b""
    with suppress(OSError):  # Linux says so when the last process has closed its end
        while some := os.read(outside, 65536):
            shown += some
    os.close(outside)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"contacts.csv" in shown
    assert b"100%" in shown
    assert "20000 added" in out

    done = typed.call("contacts", "import", "customers", "contacts.csv")
    assert done.stderr == ""
    assert "20000 unchanged" in done.stdout


@pytest.mark.parametrize(
    "arguments", [("contacts", "import", "--help"), ("events", "import", "--help"), ("suppress", "import", "--help")]
)
def test_help_fits_into_eighty_columns_and_has_an_example(typed: CommandLine, arguments: tuple[str, ...]) -> None:
    text = typed.call(*arguments).stdout
    assert max(map(len, text.splitlines())) <= 80
    assert f"Example: campaignctl {arguments[0]} import" in text
