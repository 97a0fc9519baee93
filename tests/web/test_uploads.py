"""Requests that come in parts."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from campaigns.test_triggering import ADA, BOB, THANKS
from web.serving import served, token_for
from world import World

from campaignctl.clock import SystemClock
from campaignctl.uploading import IncomingPart, begin, clear_away

PLACE = "/api/v1/campaigns/thanks/uploads"
NDJSON = {"Content-Type": "application/x-ndjson"}


def begun(client: httpx.Client) -> str:
    """Where a new upload is."""
    answer = client.post(PLACE)
    assert answer.status_code == 201
    assert answer.json()["parts_url"] == f"{answer.headers['location']}/parts/{{number}}"
    return answer.headers["location"]


def put(client: httpx.Client, upload: str, number: object, content: bytes) -> httpx.Response:
    return client.put(f"{upload}/parts/{number}", content=content, headers=NDJSON)


def files(world: World) -> list[str]:
    """What lies beside the store for uploads."""
    folder = world.folder / "campaignctl.db.uploads"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) if folder.exists() else []


def test_parts_come_in_any_order_and_lines_may_go_on_in_the_next(thanks: World, client: httpx.Client) -> None:
    upload, whole = begun(client), ADA + BOB
    for number, part in ((3, whole[60:]), (1, whole[:10]), (2, whole[10:60])):
        answer = put(client, upload, number, part)
        assert answer.status_code == 200
        assert answer.json() == {
            "version": 1, "number": number, "size": len(part), "sha256": hashlib.sha256(part).hexdigest(),
        }  # fmt: skip
    assert [part["number"] for part in client.get(upload).json()["parts"]] == [1, 2, 3]
    answer = client.post(f"{upload}/commence")
    assert (answer.status_code, answer.json()["members"]) == (202, 2)
    thanks.run_until("2026-11-20 10:01")
    assert thanks.addresses == ["ada@example.org", "bob@example.org"]
    # And nothing of it is left beside the store
    assert files(thanks) == []


def test_a_part_that_comes_again_takes_the_place_of_the_one_before(thanks: World, client: httpx.Client) -> None:
    upload = begun(client)
    for content in (BOB, BOB, ADA):
        put(client, upload, 1, content)
    assert client.get(upload).json()["parts"] == [{"number": 1, "size": len(ADA)}]
    client.post(f"{upload}/commence")
    thanks.run_until("2026-11-20 10:01")
    assert thanks.addresses == ["ada@example.org"]


def test_nothing_starts_while_a_part_is_missing(thanks: World, client: httpx.Client) -> None:
    upload = begun(client)
    assert client.post(f"{upload}/commence").json()["error"]["code"] == "P165"
    put(client, upload, 1, ADA)
    put(client, upload, 3, BOB)
    answer = client.post(f"{upload}/commence")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "P165")
    assert "part 2 " in answer.json()["error"]["message"]
    put(client, upload, 2, b"\n")
    # Only whoever sends them knows whether there is a fourth
    assert "part 4 " in client.post(f"{upload}/commence?parts=4").json()["error"]["message"]
    assert "a part 3" in client.post(f"{upload}/commence?parts=2").json()["error"]["message"]
    assert thanks.campaign("thanks").started_at is None
    assert client.post(f"{upload}/commence?parts=3").json()["members"] == 2


def test_rows_that_cannot_be_taken_are_listed_and_a_mended_part_is_enough(thanks: World, client: httpx.Client) -> None:
    upload = begun(client)
    put(client, upload, 1, ADA)
    put(client, upload, 2, b"nothing\n")
    answer = client.post(f"{upload}/commence")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "P155")
    assert [row["line"] for row in answer.json()["rejected"]] == [2]
    put(client, upload, 2, BOB)
    assert client.post(f"{upload}/commence").json()["members"] == 2


def test_a_dry_run_changes_nothing_and_keeps_the_upload(thanks: World, client: httpx.Client) -> None:
    upload = begun(client)
    put(client, upload, 1, ADA)
    for _ in range(2):
        answer = client.post(f"{upload}/commence?dry_run=true", headers={"Idempotency-Key": "k"})
        assert (answer.status_code, answer.json()["would_start"], answer.json()["members"]) == (200, True, 1)
    assert thanks.campaign("thanks").started_at is None
    assert client.post(f"{upload}/commence", headers={"Idempotency-Key": "k"}).status_code == 202


def test_of_twenty_equal_commences_at_once_one_starts_it(thanks: World, client: httpx.Client) -> None:
    upload = begun(client)
    put(client, upload, 1, ADA + BOB)
    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda _: client.post(f"{upload}/commence").status_code, range(20)))
    assert sorted(statuses) == [202] + [409] * 19
    thanks.run_until("2026-11-20 10:01")
    assert len(thanks.email.sent) == 2


def test_with_a_key_all_twenty_get_the_same_answer(thanks: World, client: httpx.Client) -> None:
    upload = begun(client)
    put(client, upload, 1, ADA + BOB)

    def ask(_: int) -> httpx.Response:
        return client.post(f"{upload}/commence", headers={"Idempotency-Key": "one"})

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(ask, range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert len({answer.text for answer in answers}) == 1


def test_the_key_of_another_upload_is_a_mistake(client: httpx.Client) -> None:
    key, uploads = {"Idempotency-Key": "k"}, [begun(client) for _ in range(2)]
    for upload in uploads:
        put(client, upload, 1, ADA)
    assert client.post(f"{uploads[0]}/commence", headers=key).status_code == 202
    other = client.post(f"{uploads[1]}/commence", headers=key)
    assert (other.status_code, other.json()["error"]["code"]) == (422, "P156")


def test_what_is_not_commenced_within_a_day_goes_away(thanks: World, client: httpx.Client) -> None:
    upload = begun(client)
    put(client, upload, 1, ADA)
    thanks.clock.set_to(thanks.clock.now() + timedelta(hours=23))
    assert client.get(upload).status_code == 200
    thanks.clock.set_to(thanks.clock.now() + timedelta(hours=1))
    for answer in (client.get(upload), put(client, upload, 1, ADA), client.post(f"{upload}/commence")):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "H141")
    clear_away(thanks.store, thanks.clock.now())
    assert files(thanks) == []


def test_what_a_crash_left_is_cleared_away_and_what_is_there_is_kept(thanks: World, client: httpx.Client) -> None:
    upload = begun(client)
    put(client, upload, 1, ADA)
    kept = files(thanks)
    # The process died after the upload was forgotten, and before its files were removed
    left = thanks.folder / "campaignctl.db.uploads" / ("0" * 32)
    left.mkdir()
    (left / "1").write_bytes(ADA)
    clear_away(thanks.store, thanks.clock.now())
    assert files(thanks) == kept


def test_a_part_that_breaks_off_leaves_the_one_before_in_its_place(thanks: World, client: httpx.Client) -> None:
    upload = begun(client)
    put(client, upload, 1, ADA)

    def broken() -> Iterator[bytes]:
        yield BOB
        raise ConnectionError

    with pytest.raises(ConnectionError):
        client.put(f"{upload}/parts/1", content=broken())
    assert client.get(upload).json()["parts"] == [{"number": 1, "size": len(ADA)}]
    client.post(f"{upload}/commence")
    thanks.run_until("2026-11-20 10:01")
    assert thanks.addresses == ["ada@example.org"]


def test_after_a_restart_an_upload_goes_on_where_it_was(thanks: World) -> None:
    token = token_for(thanks, "trigger:thanks")
    with served(thanks) as client:
        client.headers.update(token)
        upload = begun(client)
        put(client, upload, 1, ADA)
        # A part that was on its way when the process died
        (thanks.folder / "campaignctl.db.uploads" / upload.rpartition("/")[2] / ".2-00ff").write_bytes(b"{")
    with served(thanks) as client:
        client.headers.update(token)
        assert client.get(upload).json()["parts"] == [{"number": 1, "size": len(ADA)}]
        put(client, upload, 2, BOB)
        assert client.post(f"{upload}/commence?parts=2").json()["members"] == 2


def test_only_its_owner_can_read_what_has_come(thanks: World, client: httpx.Client) -> None:
    put(client, begun(client), 1, ADA)
    paths = [thanks.folder / "campaignctl.db.uploads", *(thanks.folder / "campaignctl.db.uploads").rglob("*")]
    assert {oct(path.stat().st_mode & 0o777) for path in paths if path.is_dir()} == {"0o700"}
    assert {oct(path.stat().st_mode & 0o777) for path in paths if path.is_file()} == {"0o600"}


@pytest.mark.parametrize("number", ["0", "1001", "-1", "01x", "١"])
def test_a_number_that_is_none_is_refused(client: httpx.Client, number: str) -> None:
    answer = put(client, begun(client), number, ADA)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "H142")


def test_an_upload_that_is_thrown_away_is_gone(thanks: World, client: httpx.Client) -> None:
    upload = begun(client)
    put(client, upload, 1, ADA)
    assert client.delete(upload).status_code == 204
    assert client.get(upload).status_code == 404
    assert client.delete(upload).status_code == 404
    assert files(thanks) == []


def test_a_campaign_has_ten_uploads_at_the_most(client: httpx.Client) -> None:
    uploads = [begun(client) for _ in range(10)]
    answer = client.post(PLACE)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "P166")
    client.delete(uploads[0])
    assert client.post(PLACE).status_code == 201


def test_no_upload_is_begun_for_a_campaign_that_cannot_start(thanks: World, client: httpx.Client) -> None:
    client.headers.update(token_for(thanks, "trigger:*"))
    assert client.post("/api/v1/campaigns/nothing/uploads").json()["error"]["code"] == "P100"
    client.post("/api/v1/campaigns/thanks/trigger", content=ADA, headers=NDJSON)
    assert client.post(PLACE).json()["error"]["code"] == "P152"


def test_an_upload_is_for_one_campaign_and_those_who_may_start_it(thanks: World, client: httpx.Client) -> None:
    upload = begun(client)
    thanks.publish(THANKS.replace("campaign: thanks", "campaign: other"))
    client.headers.update(token_for(thanks, "trigger:other"))
    assert client.get(upload).status_code == 403
    assert put(client, upload, 1, ADA).status_code == 403
    assert client.get(upload.replace("/thanks/", "/other/")).status_code == 404


def test_a_service_that_starts_clears_away_what_has_expired(thanks: World) -> None:
    long_ago = SystemClock().now() - timedelta(days=2)
    upload = begin(thanks.store, "thanks", actor="tester", now=long_ago)
    with IncomingPart(thanks.store, upload, 1) as part:
        part.write(ADA)
        part.keep()
    assert files(thanks) != []
    program = Path(sys.executable).parent / "campaignctl"
    with subprocess.Popen([program, "serve", "--listen", "127.0.0.1:0"], cwd=thanks.folder) as service:
        while files(thanks):
            assert service.poll() is None
        service.terminate()
