"""Addresses that must not be written to, brought in from a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from contacts.command_line import CommandLine

from campaignctl.contacts.source import Format, Source
from campaignctl.contacts.suppression_file import suppressions_in
from campaignctl.errors import WorkFailedError


def found(tmp_path: Path, content: str | bytes, encoding: str = "utf-8") -> list[tuple[str, str]]:
    path = tmp_path / "addresses"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(suppressions_in(Source(path, Format.CSV, encoding), "imported"))


ADA_AND_ZOE = [("ada@example.org", "imported"), ("zoe@example.org", "no, thanks")]


@pytest.mark.parametrize(
    "content",
    [
        'ada@example.org\nzoe@example.org,"no, thanks"\n',
        'address,reason\nada@example.org,\nzoe@example.org,"no, thanks"\n',
        'Email,Reason\nada@example.org\nzoe@example.org,"no, thanks"',
        'reason,name,address\n,Ada,ada@example.org\n"no, thanks",Zoë,zoe@example.org\n',
        "address;reason\nada@example.org;\nzoe@example.org;no, thanks\n",
        '\ufeffaddress,reason\r\nada@example.org,\r\n\r\n ,\r\nzoe@example.org,"no, thanks"\r\n',
    ],
)
def test_addresses_stand_one_a_line_or_in_a_column_with_a_name(tmp_path: Path, content: str) -> None:
    assert found(tmp_path, content) == ADA_AND_ZOE


def test_a_file_without_addresses_is_fine(tmp_path: Path) -> None:
    assert found(tmp_path, "") == []
    assert found(tmp_path, "\n\n") == []
    assert found(tmp_path, "address,reason\n") == []


def test_addresses_have_the_form_in_which_contacts_have_them(tmp_path: Path) -> None:
    assert found(tmp_path, " Ada@Exämple.org \n".encode("cp1252"), "cp1252") == [("Ada@xn--exmple-cua.org", "imported")]


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        ("ada@example.org\n\nnobody\n", "S212", "line 3 has no address: `nobody`"),
        ("ada@example.org\n,because\n", "S212", "line 2 has no address: ``"),
        ('address,reason\nada@example.org,"two\nlines"\nname,x\n', "S212", "line 4 has no address: `name`"),
        ("reason,address\nbecause\n", "S212", "line 2 has no address: ``"),
        ("name,mail\nAda,ada@example.org\n", "S212", "line 1 has no address: `name`"),
        ('ada@example.org,"never closed\n', "S305", "a quote in the row on line 1"),
        ("ada@example.org," + "x" * 200_000, "S305", "a field of the row on line 1"),
        ("x" * 5 * 2**20, "S305", "is longer than 4 MiB"),
        (b"ada@ex\xe4mple.org\n", "S303", "line 1 of"),
    ],
)
def test_a_file_with_a_line_that_has_no_address_is_refused(
    tmp_path: Path, content: str | bytes, code: str, said: str
) -> None:
    with pytest.raises(WorkFailedError) as refused:
        found(tmp_path, content)
    assert refused.value.code == code
    assert said in refused.value.message


@pytest.fixture
def typed(tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path)


def test_suppressions_are_brought_listed_and_taken_back(typed: CommandLine) -> None:
    typed.write("gone.csv", "address,reason\nAda@example.org,complaint\nzoe@example.org,\n")
    assert typed.document("suppress", "import", "gone.csv") == {"read": 2, "added": 2, "known": 0}

    # The first reason stays
    again = typed.call("suppress", "import", "gone.csv", "--reason", "again").stdout
    assert again == "0 addresses are newly suppressed, 2 were already.\n"
    assert typed.call("suppress", "add", "ADA@example.org").stdout == "ADA@example.org was suppressed already.\n"
    listed = typed.document("suppress", "list")["suppressions"]
    assert [(each["address"], each["channel"], each["reason"]) for each in listed] == [
        ("ada@example.org", "email", "complaint"),
        ("zoe@example.org", "email", "imported"),
    ]
    assert all(each["since"].endswith("Z") for each in listed)

    typed.call("suppress", "remove", "Ada@Example.org")
    assert [each["address"] for each in typed.document("suppress", "list")["suppressions"]] == ["zoe@example.org"]
    assert "error[S210]" in typed.call("suppress", "remove", "ada@example.org", expected=1).stderr


def test_a_file_with_one_bad_line_suppresses_nobody(typed: CommandLine) -> None:
    typed.write("gone.txt", "".join(f"u{number}@example.org\n" for number in range(12_000)) + "nobody\n")
    done = typed.call("suppress", "import", "gone.txt", expected=1)
    assert "error[S212]: line 12001 has no address: `nobody`\n  = hint: mend it; nothing was changed" in done.stderr
    assert typed.call("suppress", "list").stdout == "Nobody is suppressed.\n"


@pytest.mark.parametrize("command", ["suppress", "events"])
@pytest.mark.parametrize(
    ("name", "exit_code", "said"),
    [("gone.csv", 1, "error[S301]: `gone.csv` cannot be read"), (".", 1, "error[S301]: `.` is not a file")],
)
def test_a_file_that_is_none_is_refused(typed: CommandLine, command: str, name: str, exit_code: int, said: str) -> None:
    assert said in typed.call(command, "import", name, expected=exit_code).stderr


def test_events_are_brought_with_counts_for_people_and_programs(typed: CommandLine) -> None:
    typed.write("contacts.csv", "id,email,name\nc-1,ada@example.org,Ada\n")
    typed.call("contacts", "import", "customers", "contacts.csv")
    typed.call("publish", "sale.yaml", "--now", "--yes")
    typed.call("run", "--until-idle")
    event = '{"campaign": "sale", "step": "sale", "contact": "%s", "event": "unsubscribe", "at": "2026-12-01T09:30Z"}\n'
    typed.write("events.ndjson", event % "c-1" + event % "nobody")
    expected = {
        "read": 2,
        "added": 1,
        "known": 0,
        "left_out": {"no_step": 0, "no_contact": 1, "no_delivery": 0},
        "newly_suppressed": 1,
    }
    assert typed.document("events", "import", "events.ndjson", "--dry-run") == {**expected, "dry_run": True}
    assert typed.call("suppress", "list").stdout == "Nobody is suppressed.\n"
    assert typed.document("events", "import", "events.ndjson") == {**expected, "dry_run": False}
    assert typed.call("events", "import", "events.ndjson").stdout == (
        "0 events are new, 1 were known.\n"
        "1 were left out: the list has no such contact.\n"
        "0 addresses are newly suppressed.\n"
    )
    typed.write("events.ndjson", event.replace("Z", "") % "c-1")
    refused = typed.call("events", "import", "events.ndjson", expected=1).stderr
    assert "error[S221]: line 1 is no event: `2026-12-01T09:30` is not an instant\n  = hint: " in refused
