"""Recurring campaigns at the command line: what is shown, in words and as documents."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import chdir
from typing import Any

import pytest
from world import World

from campaignctl.cli.start import run

# Starts so seldom that no test runs while one comes.
DIGEST = (
    'campaign: digest\nlist: customers\nstarter: {segment: {attribute: email, exists: true}, every: "0 9 29 2 *"}\n'
    "steps:\n  - {id: news, at: +0d, email: {subject: News, body: hello.md}}\n"
)


@pytest.fixture
def shop(world: World) -> Iterator[World]:
    """A project with contacts and a recurring campaign, seen from its folder."""
    world.contacts()
    world.write("digest.yaml", DIGEST)
    with chdir(world.folder):
        yield world


def called(command: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code of a command, and what it shows; days of the year depend on the year."""
    capsys.readouterr()
    code = run(command.split())
    return code, re.sub(r"\d{4}-02-29", "<day>", capsys.readouterr().out)


def document(command: str, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    code, shown = called(f"{command} --format json", capsys)
    assert code == 0
    found: dict[str, Any] = json.loads(shown)
    return found


def test_a_series_is_published_listed_and_told_in_words(shop: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, shown = called("publish digest.yaml --yes", capsys)
    assert (code, shown) == (
        0,
        "Published `digest`, version 1: it starts <day> 09:00 (Europe/Paris).\n"
        "It starts on day 29 of February at 09:00, each time as a campaign of its own.\n",
    )
    _, shown = called("list", capsys)
    assert [line.split()[0] for line in shown.splitlines()[1:]] == ["digest", "digest@<day>"]
    _, shown = called("status digest", capsys)
    assert shown.splitlines() == [
        "digest: active, version 1, recurring",
        "It starts on day 29 of February at 09:00. Times are those of Europe/Paris.",
        "",
        "next start        campaign",
        "<day> 09:00  digest@<day>",
        *["<day> 09:00  -"] * 4,
        "",
        "occurrence         state   start             members",
        "digest@<day>  active  <day> 09:00  -",
    ]


def test_the_documents_of_a_series_keep_the_keys_of_all_campaigns(
    shop: World, capsys: pytest.CaptureFixture[str]
) -> None:
    published = document("publish digest.yaml --yes", capsys)
    assert published["starts_at"] == "<day>T08:00:00Z"
    series, occurrence = document("list", capsys)["campaigns"]
    assert (series["campaign"], series["next_at"], series["series"]) == ("digest", "<day>T08:00:00Z", None)
    assert (occurrence["campaign"], occurrence["next_at"], occurrence["series"]) == (
        "digest@<day>",
        "<day>T08:00:00Z",
        "digest",
    )
    status = document("status digest", capsys)
    assert {"campaign", "state", "version", "members", "steps", "waiting_for_approval"} <= set(status)
    assert (status["every"], status["until"], status["timezone"]) == ("0 9 29 2 *", None, "Europe/Paris")
    assert status["starts"][0] == {
        "at": "<day>T08:00:00Z",
        "local": "<day> 09:00",
        "campaign": "digest@<day>",
        "skipped": False,
    }
    assert status["occurrences"] == [
        {"campaign": "digest@<day>", "state": "active", "starts_at": "<day>T08:00:00Z", "members": None, "held": False}
    ]
    assert document("plan digest.yaml", capsys)["every"] == "0 9 29 2 *"


def test_an_occurrence_that_waits_for_a_person_says_so(shop: World, capsys: pytest.CaptureFixture[str]) -> None:
    run(["publish", "digest.yaml", "--yes"])
    with shop.store.writing() as ledger:
        (occurrence,) = ledger.occurrences(ledger.known_campaign("digest"))
        ledger.step_held(occurrence.step("news"), "too_late")
    assert "digest@<day>  held" in called("status digest", capsys)[1]
    assert document("status digest", capsys)["occurrences"][0]["held"]


def test_a_start_is_skipped_and_taken_back(shop: World, capsys: pytest.CaptureFixture[str]) -> None:
    run(["publish", "digest.yaml", "--yes"])
    with shop.store.reading() as ledger:
        (occurrence,) = ledger.occurrences(ledger.known_campaign("digest"))
    day = occurrence.name.removeprefix("digest@")
    assert called(f"skip digest {day}", capsys) == (0, "`digest` does not start <day> 09:00 (Europe/Paris).\n")
    _, shown = called("status digest", capsys)
    assert "<day> 09:00  skipped" in shown
    assert called(f"skip digest {day}", capsys)[0] == 3
    undone = document(f"skip digest {day} --undo", capsys)
    assert undone == {
        "version": 1,
        "campaign": "digest",
        "start": "<day>T08:00:00Z",
        "skipped": False,
        "occurrence": "digest@<day>",
    }


def test_a_day_that_is_no_start_is_refused(shop: World, capsys: pytest.CaptureFixture[str]) -> None:
    run(["publish", "digest.yaml", "--yes"])
    assert run(["skip", "digest", "2099-03-01"]) == 3
    assert "the next are " in capsys.readouterr().err


def test_stop_names_what_will_not_begin(shop: World, capsys: pytest.CaptureFixture[str]) -> None:
    run(["publish", "digest.yaml", "--yes"])
    assert called("stop digest --yes", capsys) == (
        0,
        "Stopped `digest`: it starts no more.\n`digest@<day>` will not begin.\n",
    )
    assert "No start is to come." in called("status digest", capsys)[1]
    assert called("stop digest --yes", capsys)[0] == 3


def test_pause_and_resume_take_the_occurrences_with_them(shop: World, capsys: pytest.CaptureFixture[str]) -> None:
    run(["publish", "digest.yaml", "--yes"])
    assert called("pause digest", capsys)[0] == 0
    assert [each["state"] for each in document("list", capsys)["campaigns"]] == ["paused", "paused"]
    assert called("resume digest", capsys) == (0, "Resumed `digest`.\n")
    assert [each["state"] for each in document("list", capsys)["campaigns"]] == ["active", "active"]


def test_the_audience_of_a_recurring_campaign_is_the_one_of_now(
    shop: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert document("audience digest.yaml", capsys)["count"] == 3
    assert called("preview digest.yaml news --contact c-1", capsys)[0] == 0
