"""Who may ask the service, and how often."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from web.serving import raw_conversation, served, token_for
from world import World

from campaignctl.errors import StoreError
from campaignctl.store.tokens import add_token, revoke_token
from campaignctl.web.access import Bucket
from campaignctl.web.bodies import body_of, form_of, json_of
from campaignctl.web.operations import Operation, Reply
from campaignctl.web.service import Service


async def told_who(request: Request, _service: Service) -> Response:
    return JSONResponse({"token": request.state.token.id})


async def told_length(request: Request, _service: Service) -> Response:
    return JSONResponse({"length": len(await body_of(request, 1000))})


async def told_json(request: Request, _service: Service) -> Response:
    return JSONResponse(await json_of(request, 1000))


async def told_form(request: Request, _service: Service) -> Response:
    return JSONResponse(await form_of(request))


WELL = {200: Reply("Well.")}
OPERATIONS = (
    Operation("POST", "/campaigns/{name}/trigger", "start", "Start", told_who, WELL, scope="trigger:{name}"),
    Operation("POST", "/length", "length", "Length", told_length, WELL),
    Operation("POST", "/json", "json", "JSON", told_json, WELL),
    Operation("POST", "/form", "form", "Form", told_form, WELL),
)


@pytest.fixture
def client(world: World) -> Iterator[httpx.Client]:
    with served(world, OPERATIONS) as client:
        yield client


def asked(client: httpx.Client, headers: dict[str, str], name: str = "welcome") -> httpx.Response:
    return client.post(f"/campaigns/{name}/trigger", headers=headers)


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_token_opens_what_its_scope_names_and_nothing_else(world: World, client: httpx.Client) -> None:
    headers = token_for(world, "trigger:welcome")
    assert asked(client, headers).status_code == 200
    assert code_of(asked(client, headers, "goodbye")) == (403, "H102")
    assert code_of(asked(client, token_for(world, "events", "read"))) == (403, "H102")


def test_a_token_for_every_trigger_opens_all_of_them(world: World, client: httpx.Client) -> None:
    headers = token_for(world, "trigger:*")
    assert asked(client, headers).status_code == asked(client, headers, "goodbye").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer cctl_000000000000_" + "a" * 43},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"Authorization": "Bearer cctl_' OR 1=1 --"},
    ],
)
def test_without_a_good_token_nothing_opens(client: httpx.Client, headers: dict[str, str]) -> None:
    answer = asked(client, headers)
    assert code_of(answer) == (401, "H101")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_every_letter_of_a_token_counts(world: World, client: httpx.Client) -> None:
    text = token_for(world, "trigger:welcome")["Authorization"]
    for place in range(len("Bearer cctl_"), len(text), 7):
        other = text[:place] + ("b" if text[place] != "b" else "c") + text[place + 1 :]
        answer = asked(client, {"Authorization": other})
        assert answer.status_code in (401, 429)


def test_a_revoked_or_expired_token_is_worth_nothing_at_once(world: World, client: httpx.Client) -> None:
    now = world.clock.now()
    with world.store.writing() as ledger:
        lasting, text = add_token(ledger.connection, ["trigger:welcome"], "tester", now)
        _, brief = add_token(ledger.connection, ["trigger:welcome"], "tester", now, now + timedelta(hours=1))
    assert asked(client, {"Authorization": f"Bearer {text}"}).status_code == 200
    assert asked(client, {"Authorization": f"Bearer {brief}"}).status_code == 200
    with world.store.writing() as ledger:
        assert revoke_token(ledger.connection, lasting.id, now)
        assert not revoke_token(ledger.connection, lasting.id, now)
    assert asked(client, {"Authorization": f"Bearer {text}"}).status_code == 401
    world.clock.set_to(now + timedelta(hours=1))
    assert asked(client, {"Authorization": f"Bearer {brief}"}).status_code == 401


def test_a_token_is_nowhere_in_the_store(world: World, client: httpx.Client) -> None:
    secret = token_for(world, "trigger:welcome")["Authorization"].rpartition("_")[2]
    for file in world.folder.glob("campaignctl.db*"):
        assert secret.encode() not in file.read_bytes()


def test_who_guesses_tokens_has_to_wait(world: World, client: httpx.Client) -> None:
    answers = [asked(client, {"Authorization": "Bearer no"}).status_code for _ in range(12)]
    assert answers == [401] * 10 + [429] * 2
    # And even a good token from there does not help for the moment: it could be a guess.
    assert asked(client, token_for(world, "trigger:welcome")).status_code == 429
    world.clock.set_to(world.clock.now() + timedelta(minutes=1))
    assert asked(client, token_for(world, "trigger:welcome")).status_code == 200


def test_a_token_asks_so_often_and_not_more(world: World, client: httpx.Client) -> None:
    headers, other = token_for(world, "trigger:welcome"), token_for(world, "trigger:welcome")
    answers = [asked(client, headers).status_code for _ in range(105)]
    assert answers == [200] * 100 + [429] * 5
    assert asked(client, other).status_code == 200
    world.clock.set_to(world.clock.now() + timedelta(seconds=1))
    assert [asked(client, headers).status_code for _ in range(21)] == [200] * 20 + [429]


def test_a_bucket_forgets_who_asked_longest_ago(world: World) -> None:
    bucket, now = Bucket(1, 1, most_known=2), world.clock.now()
    assert bucket.take("a", now) is None
    assert bucket.take("a", now) == timedelta(seconds=1)
    assert bucket.is_empty("a", now)
    bucket.take("b", now)
    bucket.take("c", now)
    assert bucket.take("a", now) is None


def test_a_body_is_read_up_to_its_limit(client: httpx.Client) -> None:
    assert client.post("/length", content=b"a" * 1000).json() == {"length": 1000}
    assert code_of(client.post("/length", content=b"a" * 1001)) == (413, "H108")
    assert code_of(client.post("/length", content=iter([b"a" * 600, b"a" * 600]))) == (413, "H108")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 900, b'{"a": NaN}'])
def test_a_body_that_is_no_json_is_refused(client: httpx.Client, body: bytes) -> None:
    assert code_of(client.post("/json", content=body)) == (400, "H106")


def test_a_form_has_a_hundred_fields_at_most(client: httpx.Client) -> None:
    assert client.post("/form", content=b"a=1&b=%C3%A9&a=2").json() == {"a": "2", "b": "é"}
    assert code_of(client.post("/form", content=b"&".join(b"a=1" for _ in range(101)))) == (400, "H107")
    assert code_of(client.post("/form", content=b"a=\xff")) == (400, "H107")


def test_every_answer_says_what_browsers_may_do_with_it(client: httpx.Client) -> None:
    for answer in (client.get("/nothing"), client.get("/length"), client.post("/length", content=b"a")):
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_what_is_not_there_and_what_is_not_for_it_are_told_apart(client: httpx.Client) -> None:
    assert code_of(client.get("/nothing")) == (404, "H104")
    answer = client.delete("/length")
    assert code_of(answer) == (405, "H110")
    assert answer.headers["allow"] == "POST"


def test_a_locked_store_asks_to_come_again(world: World) -> None:
    async def look(_request: Request, _service: Service) -> Response:
        raise StoreError("S105", "the store is locked by another process", "try again when it is done")

    with served(world, [Operation("GET", "/look", "look", "Look", look, WELL)]) as client:
        answer = client.get("/look")
    assert code_of(answer) == (503, "S105")
    assert answer.headers["retry-after"] == "5"


def test_the_service_says_that_it_is_well(world: World) -> None:
    with served(world) as client:
        assert client.get("/healthz").json() == client.get("/readyz").json() == {"version": 1, "ok": True}


def test_a_head_that_is_too_large_is_refused(world: World) -> None:
    with served(world) as client:
        heard = raw_conversation(client, b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 700_000 + b"\r\n\r\n")
    # The line is cut while we still write, so the answer may be lost on its way.
    assert b" 200 " not in heard


def test_a_head_that_comes_in_pieces_is_refused_once_it_is_too_large(world: World) -> None:
    with served(world) as client:
        heard = raw_conversation(client, b"GET /healthz HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 17_000)
    assert heard.startswith(b"HTTP/1.1 400 ")


def test_a_second_head_has_to_come_in_time_too(world: World) -> None:
    whole = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
    with served(world) as client:
        host, port = client.base_url.host, client.base_url.port or 80
        with socket.create_connection((host, port), timeout=20) as line:
            line.sendall(whole + whole)
            heard = line.recv(65536)
            while heard.count(b" 200 OK") < 2:
                heard += line.recv(65536)
            line.sendall(whole[:-2])
            while piece := line.recv(65536):  # until the service ends it
                heard += piece
    assert heard.count(b"HTTP/1.1 ") == 2


def test_a_head_that_does_not_come_in_time_ends_the_conversation(world: World) -> None:
    with served(world) as client:
        heard = raw_conversation(client, b"GET /healthz HTTP/1.1\r\nHost:", patience=20)
        assert heard == b""
        # And one that came whole is answered.
        assert client.get("/healthz").status_code == 200
