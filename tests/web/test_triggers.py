"""Starting a campaign over HTTP."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from campaigns.test_triggering import ADA, BOB
from web.serving import token_for
from world import World

PATH = "/api/v1/campaigns/thanks/trigger"
NDJSON = {"Content-Type": "application/x-ndjson"}


def test_a_request_starts_the_campaign_and_says_what_runs_when(thanks: World, client: httpx.Client) -> None:
    answer = client.post(PATH, content=ADA + BOB, headers=NDJSON)
    assert answer.status_code == 202
    told = answer.json()
    assert (told["campaign"], told["version"], told["members"]) == ("thanks", 1, 2)
    assert [(step["id"], step["effective_at"]) for step in told["steps"]] == [
        ("first", "2026-11-20T09:00:00Z"), ("second", "2026-11-20T09:00:00Z"), ("later", "2026-12-01T09:00:00Z"),
    ]  # fmt: skip
    thanks.run_until("2026-11-20 10:01")
    assert [message.recipient for message in thanks.email.sent] == ["ada@example.org", "bob@example.org"]
    second = client.post(PATH, content=ADA, headers=NDJSON)
    assert (second.status_code, second.json()["error"]["code"]) == (409, "P152")


def test_a_document_does_the_same(thanks: World, client: httpx.Client) -> None:
    answer = client.post(PATH, json={"contacts": [json.loads(ADA), json.loads(BOB)]})
    assert (answer.status_code, answer.json()["members"]) == (202, 2)


@pytest.mark.parametrize(
    ("content", "media", "status", "code"),
    [
        (b"[]", "application/json", 422, "H121"),
        (b'{"contacts": 3}', "application/json", 422, "H121"),
        (b"{", "application/json", 400, "H106"),
        (b"id\nc-1\n", "text/csv", 415, "H122"),
        (b"", "application/x-ndjson", 422, "P154"),
        (b"{}\n", "application/x-ndjson", 422, "P155"),
    ],
)
def test_what_cannot_be_taken_is_refused(
    thanks: World, client: httpx.Client, content: bytes, media: str, status: int, code: str
) -> None:
    answer = client.post(PATH, content=content, headers={"Content-Type": media})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert thanks.campaign("thanks").started_at is None


def test_rows_that_cannot_be_taken_are_listed(client: httpx.Client) -> None:
    answer = client.post(PATH, content=ADA + b"x\n" + ADA, headers=NDJSON).json()
    assert [(row["line"], row["id"], row["reason"]) for row in answer["rejected"]] == [
        (2, "", "not a record"), (3, "a", "duplicate key"),
    ]  # fmt: skip
    assert answer["rejected_count"] == 2


def test_the_same_request_again_is_harmless(client: httpx.Client) -> None:
    headers = {**NDJSON, "Idempotency-Key": "k-1"}
    first, again = (client.post(PATH, content=ADA, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
    other = client.post(PATH, content=BOB, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (422, "P156")
    assert client.post(PATH, content=ADA, headers={**NDJSON, "Idempotency-Key": "k" * 201}).status_code == 400


def test_of_twenty_equal_requests_at_once_one_starts_it(thanks: World, client: httpx.Client) -> None:
    def ask(number: int) -> int:
        return client.post(PATH, content=ADA + BOB, headers=NDJSON).status_code

    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(ask, range(20)))
    assert sorted(statuses) == [202] + [409] * 19
    thanks.run_until("2026-11-20 10:01")
    assert len(thanks.email.sent) == 2


def test_many_requests_at_once_do_not_keep_others_waiting(thanks: World, client: httpx.Client) -> None:
    """There are forty threads; readers who unsubscribe need one of them."""
    with ThreadPoolExecutor(45) as pool:
        # None of them gets any further, for somebody else writes
        with thanks.store.writing():
            asked = [pool.submit(client.post, PATH, content=ADA, headers=NDJSON) for _ in range(45)]
            while waiting_bodies(thanks) < 45:
                assert not any(request.done() for request in asked)
            assert client.get("/readyz", timeout=20).status_code == 200
        statuses = sorted(request.result().status_code for request in asked)
    assert statuses == [202] + [409] * 44


def waiting_bodies(world: World) -> int:
    """How many bodies wait beside the store, in files without a name."""
    files = []
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed just now
            files.append(str(link.readlink()))
    nameless = [file for file in files if file.startswith(str(world.folder)) and file.endswith("(deleted)")]
    return sum("-import-" not in file for file in nameless)


def test_with_a_key_all_twenty_get_the_same_answer(thanks: World, client: httpx.Client) -> None:
    def ask(number: int) -> httpx.Response:
        return client.post(PATH, content=ADA + BOB, headers={**NDJSON, "Idempotency-Key": "one"})

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(ask, range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert thanks.campaign("thanks").members == 2


def test_a_dry_run_says_what_would_start_when_and_changes_nothing(thanks: World, client: httpx.Client) -> None:
    tried = client.post(f"{PATH}?dry_run=true", content=ADA + BOB, headers={**NDJSON, "Idempotency-Key": "k"})
    assert tried.status_code == 200
    assert thanks.campaign("thanks").started_at is None
    started = client.post(PATH, content=BOB + ADA, headers={**NDJSON, "Idempotency-Key": "k"})
    # What was tried was not the request with this key, and would have come to the same
    assert started.status_code == 202
    assert started.json().items() <= tried.json().items()
    assert client.post(f"{PATH}?dry_run=true", content=ADA, headers=NDJSON).json()["error"]["code"] == "P152"


def test_a_dry_run_counts_the_rows_that_cannot_be_taken_and_why(thanks: World, client: httpx.Client) -> None:
    wrong = b'{"id": "c", "properties": {"email": "nobody"}}\nx\n'
    told = client.post(f"{PATH}?dry_run=true", content=ADA + wrong + ADA + BOB, headers=NDJSON).json()
    assert (told["would_start"], told["rows"], told["accepted"], told["members"]) == (False, 5, 2, 2)
    assert told["rejected_count"] == 3
    assert told["rejected_by_reason"] == {"bad address": 1, "not a record": 1, "duplicate key": 1}
    assert [row["line"] for row in told["rejected"]] == [2, 3, 4]
    assert client.post(f"{PATH}?dry_run=yes", content=ADA, headers=NDJSON).json()["error"]["code"] == "H140"


def test_a_row_of_a_document_that_is_nested_too_deep_is_rejected_as_a_row(client: httpx.Client) -> None:
    for levels, code in ((9, "P155"), (600, "P155"), (100_000, "H106")):
        nested = b"[" * levels + b"]" * levels
        answer = client.post(
            PATH,
            content=b'{"contacts": [{"id": "a"}, {"id": "b", "data": {"x": ' + nested + b"}}]}",
            headers={"Content-Type": "application/json"},
        )
        assert answer.json()["error"]["code"] == code
        assert [row["line"] for row in answer.json().get("rejected", [])] == [2] * (code == "P155")


def test_a_token_for_another_campaign_starts_nothing(thanks: World, client: httpx.Client) -> None:
    answer = client.post(PATH, content=ADA, headers=NDJSON | token_for(thanks, "trigger:other"))
    assert answer.status_code == 403
    assert thanks.campaign("thanks").started_at is None
