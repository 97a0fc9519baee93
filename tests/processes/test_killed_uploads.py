"""`kill -9` of the service while a request comes in parts: what has arrived is kept, and nothing starts by half."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from web.serving import token_for
from world import World

PLACE = "/api/v1/campaigns/thanks/uploads"
THANKS = (
    "campaign: thanks\nlist: customers\nstarter: {api: {}}\n"
    "steps: [{id: first, email: {subject: Thank you, body: hello.md}}]\n"
)
ROWS = 60_000


def contacts(first: int, after: int) -> bytes:
    rows = ({"id": f"c-{n}", "properties": {"email": f"p{n}@example.org"}} for n in range(first, after))
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@contextmanager
def service(world: World) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """A service in a process of its own, which is killed at the end where it was not before."""
    command = [Path(sys.executable).parent / "campaignctl", "serve", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, cwd=world.folder, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        place = process.stderr.readline().split()[-1]
        headers = token_for(world, "trigger:thanks")
        try:
            with httpx.Client(base_url=place, headers=headers, trust_env=False, timeout=120) as client:
                yield process, client
        finally:
            process.kill()


def files_of(process: subprocess.Popen[str], part_of_name: str) -> list[int]:
    """How large the files are that the process has open under such a name."""
    found = []
    for link in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed just now
            if part_of_name in str(link.readlink()):
                found.append(link.stat().st_size)
    return found


@pytest.fixture
def thanks(world: World) -> World:
    world.publish(THANKS)
    return world


def test_parts_that_were_answered_outlive_the_service_and_the_others_are_sent_again(thanks: World) -> None:
    with service(thanks) as (process, client):
        upload = client.post(PLACE).headers["location"]
        assert client.put(f"{upload}/parts/1", content=contacts(0, 10)).status_code == 200

        def killing() -> Iterator[bytes]:
            yield contacts(10, ROWS)
            while not files_of(process, "/.2-"):
                os.sched_yield()
            process.kill()
            yield b""

        with pytest.raises(httpx.HTTPError):
            client.put(f"{upload}/parts/2", content=killing())
    with service(thanks) as (_, client):
        assert [part["number"] for part in client.get(upload).json()["parts"]] == [1]
        assert client.post(f"{upload}/commence?parts=2").json()["error"]["code"] == "P165"
        client.put(f"{upload}/parts/2", content=contacts(10, 20))
        assert client.post(f"{upload}/commence?parts=2").json()["members"] == 20


def test_a_service_that_is_killed_while_it_commences_has_started_nothing(thanks: World) -> None:
    key = {"Idempotency-Key": "k"}
    with service(thanks) as (process, client), ThreadPoolExecutor(1) as pool:
        upload = client.post(PLACE).headers["location"]
        client.put(f"{upload}/parts/1", content=contacts(0, ROWS))
        asked = pool.submit(client.post, f"{upload}/commence", headers=key)
        while sum(files_of(process, ".campaignctl-import-")) < 2**20:
            assert not asked.done(), "there are too few rows to be caught half-way"
        process.kill()
        with pytest.raises(httpx.HTTPError):
            asked.result()
    assert thanks.campaign("thanks").started_at is None
    assert not list(thanks.folder.glob(".campaignctl-import-*"))
    with service(thanks) as (_, client):
        for _ in range(2):
            answer = client.post(f"{upload}/commence", headers=key)
            assert (answer.status_code, answer.json()["members"]) == (202, ROWS)
        assert answer.headers["idempotent-replayed"] == "true"
