"""Requests by reference: the contacts are somewhere else, and are fetched."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from campaigns.test_triggering import ADA, BOB, THANKS
from channels.web_server import Act, WebServer, answer
from web.serving import served, token_for
from world import PROJECT, World

PATH = "/api/v1/campaigns/thanks/trigger"


@pytest.fixture
def files() -> Iterator[WebServer]:
    """A server that has the contacts."""
    with WebServer([Act.READ, answer(200, content=ADA + BOB)]) as server:
        yield server


def project_with(world: World, url: str, more: str = "allow_private: true") -> None:
    endpoint = f'{{url: "{url}", headers: {{Authorization: "Bearer sesame"}}, {more}}}'
    world.write("campaignctl.yaml", f"{PROJECT}endpoints: {{files: {endpoint}}}\n")


def asked(world: World, url: object, query: str = "", **headers: str) -> httpx.Response:
    with served(world) as client:
        token = token_for(world, "trigger:thanks")
        return client.post(PATH + query, json={"download_url": url}, headers=token | headers)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_the_contacts_are_fetched_from_where_an_endpoint_of_the_project_is(thanks: World, files: WebServer) -> None:
    project_with(thanks, files.url)
    url = files.url.replace("/hook", "/exports/today.ndjson?key=1")
    assert asked(thanks, url).json()["members"] == 2
    (request,) = files.requests
    assert request.startswith(b"GET /exports/today.ndjson?key=1 HTTP/1.1\r\n")
    # Whoever may start a campaign does not speak in the endpoint's name
    assert b"sesame" not in request
    thanks.run_until("2026-11-20 10:01")
    assert thanks.addresses == ["ada@example.org", "bob@example.org"]


def test_a_private_address_is_refused_that_the_project_does_not_allow(thanks: World, files: WebServer) -> None:
    # Without an endpoint
    assert code(asked(thanks, files.url)) == (422, "D120")
    # With one that may not be private
    project_with(thanks, files.url, more="allow_private: false")
    assert code(asked(thanks, files.url)) == (422, "D120")
    # With one at another port or host, or under another scheme
    project_with(thanks, files.url)
    for url in (
        f"http://127.0.0.1:{files.port + 1}/hook",
        f"http://localhost:{files.port}/hook",
        f"https://127.0.0.1:{files.port}/hook",
        f"http://127.0.0.1:{files.port}@169.254.169.254/latest",
    ):
        assert code(asked(thanks, url)) == (422, "D120")
    assert files.connections == 0
    assert thanks.campaign("thanks").started_at is None


@pytest.mark.parametrize(
    "url",
    [
        "https://169.254.169.254/latest/meta-data", "https://[::1]/", "https://[::ffff:10.0.0.1]/", "https://0x7f.1/",
        "http://example.org/", "file:///etc/passwd", "ftp://example.org/", "gopher://example.org/", "nothing", "//a",
        "https://user:sesame@example.org/", "https://example.org:0/", "https://localhost/",
    ],
)  # fmt: skip
def test_what_is_no_public_address_over_tls_is_refused(thanks: World, url: str) -> None:
    told = asked(thanks, url)
    assert code(told) == (422, "D120")
    assert "sesame" not in told.text


@pytest.mark.parametrize("status", [301, 302, 307, 404, 500, 204])
def test_nothing_but_a_plain_answer_is_taken_and_no_redirect_followed(thanks: World, status: int) -> None:
    with WebServer([Act.READ, answer(200, content=ADA)]) as inner:
        turned_away = answer(status, f"Location: {inner.url}", content=ADA)
        with WebServer([Act.READ, turned_away]) as server:
            project_with(thanks, server.url)
            told = asked(thanks, server.url)
    assert code(told) == (422, "D120")
    assert str(status) in told.json()["error"]["message"]
    assert inner.connections == 0
    assert thanks.campaign("thanks").started_at is None


def test_contacts_that_break_off_start_nothing(thanks: World) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"
    with WebServer([Act.READ, head, ADA, Act.RESET]) as server:
        project_with(thanks, server.url)
        told = asked(thanks, server.url)
    assert code(told) == (422, "D120")
    assert thanks.campaign("thanks").started_at is None


def test_more_than_a_request_may_hold_is_not_read(thanks: World) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {2 * 1024**3 + 1}\r\n\r\n".encode()
    with WebServer([Act.READ, head, ADA]) as server:
        project_with(thanks, server.url)
        assert code(asked(thanks, server.url)) == (422, "D120")


def test_rows_that_cannot_be_taken_are_listed(thanks: World) -> None:
    with WebServer([Act.READ, answer(200, content=ADA + b"x\n")]) as server:
        project_with(thanks, server.url)
        told = asked(thanks, server.url)
    assert code(told) == (422, "P155")
    assert [row["line"] for row in told.json()["rejected"]] == [2]


def test_the_same_request_again_fetches_nothing(thanks: World, files: WebServer) -> None:
    project_with(thanks, files.url)
    key = {"Idempotency-Key": "k"}
    first, again = (asked(thanks, files.url, **key) for _ in range(2))
    assert (first.status_code, again.status_code, first.json()) == (202, 202, again.json())
    assert again.headers["idempotent-replayed"] == "true"
    # The body is the reference, and another one is another request
    assert code(asked(thanks, files.url + "?other", **key)) == (422, "P156")
    # Without the key nothing is fetched for a campaign that was started
    assert code(asked(thanks, files.url)) == (409, "P152")
    assert files.connections == 1


def test_a_dry_run_fetches_and_changes_nothing(thanks: World, files: WebServer) -> None:
    project_with(thanks, files.url)
    told = asked(thanks, files.url, "?dry_run=true", **{"Idempotency-Key": "k"})
    assert (told.status_code, told.json()["accepted"]) == (200, 2)
    assert thanks.campaign("thanks").started_at is None
    assert asked(thanks, files.url, **{"Idempotency-Key": "k"}).status_code == 202


@pytest.mark.parametrize("url", [3, None, "x" * 2001, ["https://example.org/"]])
def test_a_reference_that_is_no_text_is_no_request(thanks: World, url: object) -> None:
    assert code(asked(thanks, url)) == (422, "H121")


def test_contacts_and_a_reference_at_once_are_no_request(thanks: World, files: WebServer) -> None:
    project_with(thanks, files.url)
    with served(thanks) as client:
        both = {"download_url": files.url, "contacts": [{"id": "a"}]}
        assert code(client.post(PATH, json=both, headers=token_for(thanks, "trigger:thanks"))) == (422, "H121")
    assert files.connections == 0


def test_a_service_that_ends_does_not_wait_for_a_server_that_says_nothing(world: World) -> None:
    """A download may take ten minutes; whoever stops the service does not wait so long."""
    world.publish(THANKS.partition("  - {id: later")[0])
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/contacts"
        project_with(world, url)
        command = [Path(sys.executable).parent / "campaignctl", "serve", "--listen", "127.0.0.1:0"]
        with subprocess.Popen(command, cwd=world.folder, stderr=subprocess.PIPE, text=True) as service:
            assert service.stderr is not None
            place = service.stderr.readline().split()[-1]
            asked = threading.Thread(target=ask_in_vain, args=(place + PATH, url, token_for(world, "trigger:thanks")))
            asked.start()
            with silent.accept()[0]:
                service.terminate()
                try:
                    service.wait(120)
                finally:
                    service.kill()
                    asked.join()


def ask_in_vain(place: str, url: str, headers: dict[str, str]) -> None:
    with httpx.Client(trust_env=False, timeout=300) as client, suppress(httpx.HTTPError):
        client.post(place, json={"download_url": url}, headers=headers)
