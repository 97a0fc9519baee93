"""The service as a process of its own, beside a daemon that sends."""

from __future__ import annotations

import re
import signal
import sqlite3
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from email import message_from_bytes, policy
from pathlib import Path

import httpx
import pytest
from processes.test_run import (
    CAMPAIGNCTL,
    Post,
    answers,
    call,
    daemon,
    free_port,
    mail_server,
    post_office,
    wait_for,
    with_contacts,
)

PUBLIC = "https://mail.shop.example"
TRACKED = """
campaign: {name}
list: customers
segment: {{attribute: email, exists: true}}
at: 2037-01-01 09:00
email: {{subject: Hi, body: sale.html, track: {{opens: true, clicks: true}}}}
"""
PERSON = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}


def project(folder: Path, port: int, contacts: int) -> None:
    with_contacts(folder, contacts, f"public_url: {PUBLIC}\n{mail_server(port)}")
    (folder / "sale.html").write_text(
        '<p><a href="https://shop.example/sale">Sale</a> <a href="{{ unsubscribe_url }}">Leave</a> '
        "{{ postal_address }}</p>"
    )


def published(folder: Path, name: str) -> None:
    (folder / f"{name}.yaml").write_text(TRACKED.format(name=name))
    call(folder, "publish", f"{name}.yaml", "--now", "--yes")


def links(content: bytes) -> dict[str, str]:
    """The address of the reader, and the paths of one message: its image `o`, its link `c`, the way out `u`."""
    message = message_from_bytes(content, policy=policy.default)
    part = message.get_body(("html",))
    assert part is not None
    found = {kind: path for path, kind in re.findall(rf"{PUBLIC}(/([ocu])/[\w-]+)", str(part.get_content()))}
    return {"to": str(message["To"]), **found}


@contextmanager
def service(folder: Path) -> Iterator[tuple[httpx.Client, subprocess.Popen[str]]]:
    port = free_port()
    process = subprocess.Popen(
        [CAMPAIGNCTL, "serve", "--listen", str(port)], cwd=folder, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_for(lambda: answers(port))
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=PERSON, trust_env=False, timeout=60) as client:
            yield client, process
    finally:
        process.kill()
        process.communicate(timeout=20)


@contextmanager
def often_locked(path: Path) -> Iterator[None]:
    """A store that somebody else holds most of the time, until the end of the block."""
    is_over = threading.Event()

    def lock() -> None:
        with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as store:
            while not is_over.is_set():
                store.execute("BEGIN IMMEDIATE")
                is_over.wait(0.05)
                store.execute("ROLLBACK")
                is_over.wait(0.05)

    locking = threading.Thread(target=lock)
    locking.start()
    try:
        yield
    finally:
        is_over.set()
        locking.join()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_service_that_is_asked_to_end_writes_down_what_it_saw(tmp_path: Path, number: int) -> None:
    post = Post()
    with post_office(post) as port:
        project(tmp_path, port, 20)
        published(tmp_path, "sale")
        call(tmp_path, "run", "--until-idle")
    with service(tmp_path) as (client, process):
        for content in post.taken:
            message = links(content)
            assert client.get(message["o"]).status_code == 200
            assert client.get(message["c"]).headers["location"] == "https://shop.example/sale"
        process.send_signal(number)
        process.communicate(timeout=20)
        assert process.returncode == 0
    with closing(sqlite3.connect(tmp_path / "campaignctl.db")) as store:
        assert Counter(store.execute("SELECT kind FROM events").fetchall()) == {("open",): 20, ("click",): 20}


def test_whoever_was_told_that_they_left_gets_nothing_that_was_not_under_way(tmp_path: Path) -> None:
    """Invariant 8, with a daemon that sends, readers who open and click, and a store that is locked again and again."""
    first, second = Post(), Post(delay=0.02)
    with post_office(first) as port:
        project(tmp_path, port, 120)
        published(tmp_path, "first")
        call(tmp_path, "run", "--until-idle")
    messages = [links(content) for content in first.taken]
    path = tmp_path / "campaignctl.db"
    state_of = (
        "SELECT d.state FROM deliveries d JOIN steps s ON s.id = d.step_id JOIN campaigns c ON c.id = s.campaign_id "
        "JOIN contacts_1 k ON k.id = d.contact_id WHERE c.name = 'second' AND k.a_email = ?"
    )

    def left(message: dict[str, str]) -> tuple[str, str]:
        """The address, and where its second message was when the service had said that they are out."""
        answer = client.post(message["u"], data={"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
        with closing(sqlite3.connect(path, timeout=60)) as store:
            found = store.execute(state_of, [message["to"]]).fetchone()
        return message["to"], found[0] if found else "queued"

    def read(message: dict[str, str]) -> None:
        assert client.get(message["o"]).status_code == 200
        assert client.get(message["c"]).status_code == 302

    with post_office(second) as port, service(tmp_path) as (client, process):
        config = tmp_path / "campaignctl.yaml"
        config.write_text(re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{port}", config.read_text()))
        published(tmp_path, "second")
        sending = daemon(tmp_path)
        try:
            wait_for(lambda: second.taken, 60)
            with often_locked(path), ThreadPoolExecutor(8) as readers:
                reading = [readers.submit(read, message) for message in messages]
                leaving = [readers.submit(left, message) for message in messages[::3]]
                answered = dict(each.result() for each in leaving)
                for each in reading:
                    each.result()
        finally:
            sending.terminate()
            sending.communicate(timeout=60)
        call(tmp_path, "run", "--until-idle")
        process.terminate()
        process.communicate(timeout=60)
    assert len(answered) == 40
    assert "queued" in answered.values()  # or nothing was tried
    reached = second.recipients()
    assert [to for to, state in answered.items() if state == "queued" and reached[to]] == []
    assert all(reached[message["to"]] == 1 for message in messages if message["to"] not in answered)
    with closing(sqlite3.connect(path)) as store:
        assert store.execute("SELECT count(*) FROM events WHERE kind IN ('open', 'click')").fetchone() == (240,)
        assert store.execute("SELECT count(*) FROM suppressions").fetchone() == (40,)
