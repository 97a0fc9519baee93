"""Requests to other systems: what is asked, where it may go, and what is known when no answer comes."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

import pytest
from channels.certificates import certificate, shown_by_server
from channels.web_server import OK, Act, WebServer, answer

from campaignctl.channels.http.exchange import HttpAnswer, HttpClient, HttpFailure, HttpRequest
from campaignctl.channels.http.guard import Resolver, allowed, is_public, system_addresses, target_of
from campaignctl.errors import ChannelError

SOON = timedelta(milliseconds=200)
PATIENT = timedelta(seconds=30)  # longer than anything here takes


OPENED: list[HttpClient] = []


@pytest.fixture(autouse=True)
def _closed_in_the_end() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


def opened(
    *,
    allow_private: bool = False,
    deadline: timedelta = PATIENT,
    resolver: Resolver = system_addresses,
    trust: ssl.SSLContext | None = None,
) -> HttpClient:
    asking = HttpClient(allow_private=allow_private, deadline=deadline, resolver=resolver, trust=trust)
    OPENED.append(asking)
    return asking


def client(deadline: timedelta = PATIENT) -> HttpClient:
    return opened(allow_private=True, deadline=deadline)


def post(url: str, content: bytes = b"{}", **headers: str) -> HttpRequest:
    return HttpRequest("POST", url, headers, content)


def failure_of(server: WebServer, deadline: timedelta = PATIENT, content: bytes = b"{}") -> HttpFailure:
    outcome = client(deadline).ask(post(server.url, content))
    assert isinstance(outcome, HttpFailure)
    return outcome


def answer_of(server: WebServer, deadline: timedelta = PATIENT) -> HttpAnswer:
    outcome = client(deadline).ask(post(server.url))
    assert isinstance(outcome, HttpAnswer)
    return outcome


# --- asking ---


def test_a_request_arrives_as_it_was_written_and_its_answer_comes_back() -> None:
    with WebServer([Act.READ, answer(201, "X-Id: 7", content=b"made")]) as server:
        said = client().ask(HttpRequest("POST", server.url + "?a=1", {"X-Key": "k"}, b'{"n": 1}'))
    head, _, content = server.requests[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /hook?a=1 HTTP/1.1"
    assert f"Host: 127.0.0.1:{server.port}" in lines
    assert {"X-Key: k", "Content-Length: 8"} <= set(lines)
    assert content == b'{"n": 1}'
    assert said == HttpAnswer(201, {"x-id": "7", "content-length": "4"}, b"made")


def test_a_connection_is_used_again() -> None:
    with WebServer([Act.READ, OK, Act.READ, OK]) as server:
        asking = client()
        assert [type(asking.ask(post(server.url))) for _ in range(2)] == [HttpAnswer, HttpAnswer]
        asking.close()
    assert (server.connections, len(server.requests)) == (1, 2)


def test_a_connection_that_was_closed_meanwhile_is_not_used_again() -> None:
    with WebServer([Act.READ, OK], [Act.READ, OK]) as server:
        asking = client()
        for _ in range(2):
            assert isinstance(asking.ask(post(server.url)), HttpAnswer)
            _wait_until_closed(asking)
    assert len(server.requests) == 2


def _wait_until_closed(asking: HttpClient) -> None:
    while not all(connection.has_expired() for connection in asking._pool.connections):
        pass


def test_a_name_in_the_headers_cannot_begin_another_header() -> None:
    with WebServer() as server:
        said = client().ask(post(server.url, **{"X-Name": "a\r\nX-Evil: 1"}))
    assert said == HttpFailure(False, "a header of the request cannot be sent")
    assert server.requests == []


def test_headers_of_a_project_do_not_say_how_long_a_request_is_or_whom_it_is_for() -> None:
    with WebServer() as server:
        client().ask(post(server.url, **{"host": "elsewhere.example", "Content-Length": "9", "transfer-encoding": "x"}))
    assert b"elsewhere" not in server.requests[0]
    assert b"transfer-encoding" not in server.requests[0].lower()


def test_the_environment_has_no_proxy_for_us(monkeypatch: pytest.MonkeyPatch) -> None:
    with WebServer() as server, WebServer() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert answer_of(server).status == 200
    assert proxy.connections == 0


# --- what is known when it goes wrong ---


def test_who_refuses_the_connection_has_got_nothing() -> None:
    with WebServer() as server:
        pass
    assert failure_of(server) == HttpFailure(False, "Connection refused")


@pytest.mark.parametrize(
    "part",
    [
        [Act.READ],
        [Act.READ, Act.RESET],
        [Act.READ, b"HTTP/1.1 20"],
        [Act.READ, b"HTTP/1.1 200 OK\r\nContent-Le"],
        [Act.READ, b"220 mail.example ESMTP\r\n"],
        [Act.READ, b"\x00\xff" * 100],
    ],
    ids=["closed", "reset", "half a status", "half the headers", "another protocol", "bytes"],
)
def test_a_request_without_an_answer_may_have_arrived(part: list[bytes | Act]) -> None:
    with WebServer(part) as server:
        assert failure_of(server).may_have_arrived


@pytest.mark.parametrize(
    "part",
    [
        [Act.SILENCE],
        [Act.READ, Act.SILENCE],
        [Act.READ, b"HTTP/1.1 200 OK\r\nX-Slow: ", Act.DRIP],
        [Act.READ, b"HTTP/1.1 100 Continue\r\n\r\n", Act.SILENCE],
    ],
    ids=["reads nothing", "answers nothing", "drips a header", "only says to go on"],
)
def test_one_deadline_holds_for_every_kind_of_slowness(part: list[bytes | Act]) -> None:
    with WebServer(part) as server:
        failure = failure_of(server, SOON)
    assert failure.may_have_arrived


def test_a_server_that_takes_only_part_of_a_request_may_have_it() -> None:
    with WebServer([Event()]) as server:
        failure = failure_of(server, SOON, b"x" * 20_000_000)
        server._parts[0][0].set()  # type: ignore[union-attr]  # the event above
    assert failure == HttpFailure(True, "no answer in time")


def test_a_server_that_refuses_a_large_request_early_is_heard() -> None:
    with WebServer([answer(413, "Connection: close"), Act.SILENCE]) as server:
        said = client().ask(post(server.url, b"x" * 5_000_000))
    assert isinstance(said, HttpAnswer)
    assert said.status == 413


def test_a_resolver_that_hangs_costs_no_more_than_the_deadline() -> None:
    over = Event()

    def hangs(host: str, port: int) -> Sequence[str]:
        over.wait()
        return []

    asking = opened(allow_private=True, deadline=SOON, resolver=hangs)
    assert asking.ask(post("http://slow.example/")) == HttpFailure(False, "no connection in time")
    over.set()


def test_a_name_without_an_address_got_nothing() -> None:
    said = client().ask(post("http://nobody.invalid/"))
    assert isinstance(said, HttpFailure)
    assert not said.may_have_arrived
    assert said.detail.startswith("its name does not resolve")


def test_a_status_counts_even_when_the_rest_of_the_answer_is_lost() -> None:
    with WebServer([Act.READ, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf", Act.RESET]) as server:
        said = answer_of(server)
    assert (said.status, said.is_whole) == (200, False)


def test_a_status_counts_even_when_the_rest_drips_for_ever() -> None:
    with WebServer(
        [Act.READ, b"HTTP/1.1 202 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", Act.SILENCE]
    ) as server:
        said = answer_of(server, SOON)
    assert (said.status, said.content, said.is_whole) == (202, b"x", False)


def test_no_more_of_an_answer_is_read_than_64_kib() -> None:
    with WebServer([Act.READ, b"HTTP/1.1 200 OK\r\n\r\n", Act.DRIP]) as server:
        said = answer_of(server)
    assert (len(said.content), said.is_whole) == (65536, False)


def test_a_request_under_way_can_be_broken_off() -> None:
    with WebServer([Act.READ, Act.SILENCE]) as server:
        asking, said = client(), list[HttpAnswer | HttpFailure]()
        thread = Thread(target=lambda: said.append(asking.ask(post(server.url))))
        thread.start()
        while not server.requests:
            pass
        asking.break_off()
        thread.join(30)
    assert said == [HttpFailure(True, "the request was broken off", was_broken_off=True)]


# --- where it may go ---


def test_a_redirect_is_an_answer_and_never_followed() -> None:
    with WebServer() as elsewhere, WebServer([Act.READ, answer(302, f"Location: {elsewhere.url}")]) as server:
        assert answer_of(server).status == 302
    assert elsewhere.connections == 0


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::808:808",
        "2002:7f00:1::",
        "2002:a9fe:a9fe::1",
        "2001:0:7f00:1::1",
    ],
)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    with pytest.raises(Exception, match="is not public"):
        allowed([address], allow_private=False)
    assert allowed([address], allow_private=True)


@pytest.mark.parametrize("address", ["8.8.8.8", "2620:fe::fe", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"])
def test_an_address_that_is_public_is_used(address: str) -> None:
    assert [is_public(each) for each in allowed([address], allow_private=False)] == [True]


def test_one_inner_address_among_public_ones_refuses_them_all() -> None:
    with pytest.raises(Exception, match=r"10\.0\.0\.1"):
        allowed(["8.8.8.8", "10.0.0.1"], allow_private=False)


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:a9fe:a9fe]/",
        "https://localhost/",
        "https://0/",
        "https://127.1/",
        "https://0x7f.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://017700000001/",
        "https://0177.0.0.1/",
        "https://127.0.0.1./",
        "https://１２７.０.０.１/",
        "https://①②⑦.⓪.⓪.①/",
        "https://127。0。0。1/",
    ],
)
def test_no_way_to_write_this_machine_reaches_it(url: str) -> None:
    with WebServer() as server:
        said = opened(deadline=PATIENT).ask(post(url.rstrip("/") + f":{server.port}/"))
    assert isinstance(said, HttpFailure)
    assert not said.may_have_arrived
    assert server.connections == 0


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://shop.example/", "not encrypted"),
        ("ftp://shop.example/", "begins with"),
        ("file:///etc/passwd", "begins with"),
        ("//shop.example/", "begins with"),
        ("https://", "begins with"),
        ("https://user:secret@shop.example/", "no user and no password"),
        ("https://shop.example@evil.example/", "no user and no password"),
        ("https://a b.example/", "names a host"),
        ("https://shop.example:99999/", "cannot be read"),
        ("https://.example/", "begins with"),
        ("https://[fe80::1%25eth0]/", ""),
        ("https://shop.example\r\nX: 1/", ""),
    ],
)
def test_an_address_that_no_request_may_go_to_says_why_and_keeps_its_secrets(url: str, why: str) -> None:
    said = opened().ask(post(url))
    assert isinstance(said, HttpFailure)
    assert not said.may_have_arrived
    assert why in said.detail
    assert "secret" not in said.detail


def test_a_name_is_resolved_once_and_connected_to_where_it_was_checked() -> None:
    """Who answers with a public address first and an inner one then (rebinding) is asked only once."""
    asked: list[str] = []

    def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["10.0.0.1"] if len(asked) == 1 else ["127.0.0.1"]

    with WebServer() as server:
        url = f"https://rebind.example:{server.port}/"
        said = opened(resolver=rebinding).ask(post(url))
    assert said == HttpFailure(False, "the endpoint leads to 10.0.0.1, which is not public: say `allow_private: true`")
    assert (asked, server.connections) == (["rebind.example"], 0)


def test_a_connection_is_kept_for_the_name_it_was_made_for() -> None:
    with WebServer() as server:
        asking = opened(allow_private=True, resolver=lambda host, port: ["127.0.0.1"])
        asking.ask(post(f"http://one.example:{server.port}/"))
        asking.ask(post(f"http://two.example:{server.port}/"))
    assert server.connections == 2
    assert b"Host: two.example" in server.requests[1]


def test_the_next_address_is_tried_where_one_refuses() -> None:
    with WebServer() as server:
        asking = opened(allow_private=True, resolver=lambda host, port: ["127.0.0.2", "127.0.0.1"])
        assert isinstance(asking.ask(post(f"http://two.example:{server.port}/")), HttpAnswer)


# --- TLS ---


def trusting(file: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=file)


def test_a_certificate_for_the_name_is_believed_though_the_address_was_resolved_before(tmp_path: Path) -> None:
    file = certificate(tmp_path, "hooks.example")
    with WebServer(tls=shown_by_server(file)) as server:
        asking = opened(
            allow_private=True, resolver=lambda host, port: ["127.0.0.1"], trust=trusting(file), deadline=PATIENT
        )
        assert isinstance(asking.ask(post(f"https://hooks.example:{server.port}/")), HttpAnswer)
        said = asking.ask(post(f"https://other.example:{server.port}/"))
    assert isinstance(said, HttpFailure)
    assert not said.may_have_arrived
    assert "certificate" in said.detail


def test_a_certificate_that_nobody_vouches_for_gets_no_request(tmp_path: Path) -> None:
    with WebServer(tls=shown_by_server(certificate(tmp_path, "127.0.0.1"))) as server:
        failure = failure_of(server)
    assert not failure.may_have_arrived
    assert (failure.detail, server.requests) == ("its certificate is not to be trusted: self-signed certificate", [])


def test_a_server_without_tls_where_it_is_expected_gets_no_request() -> None:
    with WebServer([b"HTTP/1.1 400 Bad Request\r\n\r\n"]) as server:
        said = client().ask(post(server.url.replace("http:", "https:")))
    assert isinstance(said, HttpFailure)
    assert not said.may_have_arrived


# --- downloads ---


def test_a_download_comes_in_pieces_and_other_requests_go_on_in_between() -> None:
    content = b"row\n" * 100_000
    with WebServer([Act.READ, answer(200, content=content)]) as server, WebServer() as other:
        asking, got = client(), b""
        for chunk in asking.download(server.url, most=len(content)):
            got += chunk
            assert isinstance(asking.ask(post(other.url)), HttpAnswer)
    assert got == content


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ([Act.READ, answer(404)], "the answer was 404"),
        ([Act.READ, answer(302, "Location: http://127.0.0.1/")], "the answer was 302"),
        ([Act.READ, answer(200, content=b"x" * 11)], "more of it than 10 bytes"),
        ([Act.READ, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"], "broke off"),
        ([Act.READ, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", Act.SILENCE], "no answer in time"),
    ],
)
def test_a_download_that_cannot_be_had_whole_is_a_failure(part: list[bytes | Act], why: str) -> None:
    with WebServer(part) as server, pytest.raises(ChannelError, match=why):
        list(client().download(server.url, most=10, deadline=SOON))


def test_a_download_goes_nowhere_private() -> None:
    with WebServer() as server, pytest.raises(ChannelError, match="not encrypted"):
        list(opened().download(server.url, most=10))
    assert server.connections == 0


def test_a_target_keeps_the_path_as_it_was_written() -> None:
    assert target_of("https://shop.example/a%2Fb?c=%20", allow_private=False).path == b"/a%2Fb?c=%20"
