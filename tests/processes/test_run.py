"""The daemon as a process of its own, talking to real mail servers."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

CAMPAIGNCTL = Path(sys.executable).parent / "campaignctl"
SMTP_SINK = Path("/usr/sbin/smtp-sink")
CAMPAIGN = """
campaign: sale
list: customers
segment: {attribute: email, exists: true}
at: 2037-01-01 09:00
email: {subject: "Hi {{ contact.name }}", body: hello.md}
"""


class Post:
    """A post office: remembers what it took, before it says so."""

    def __init__(self, delay: float = 0.0) -> None:
        self.taken: list[bytes] = []
        self.delay = delay

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        import asyncio

        self.taken.append(envelope.original_content)
        await asyncio.sleep(self.delay)
        return "250 taken"

    def recipients(self) -> Counter[str]:
        return Counter(message_from_bytes(content, policy=policy.default)["To"] for content in self.taken)


@contextmanager
def post_office(post: Post) -> Iterator[int]:
    controller = Controller(post, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def with_contacts(folder: Path, contacts: int, more: str) -> Path:
    """A project with so many contacts, and *more* in its file."""
    (folder / "campaignctl.yaml").write_text(
        "project: shop\ntimezone: Europe/Paris\nsender: Shop <news@shop.example>\npostal_address: Paris\n"
        f"safety_delay: 1s\nlists: {{customers: {{key: id, email: email}}}}\n{more}"
    )
    rows = "".join(f"c-{number},u{number}@example.org,N{number}\n" for number in range(contacts))
    (folder / "contacts.csv").write_text("id,email,name\n" + rows)
    call(folder, "contacts", "import", "customers", "contacts.csv")
    return folder


def mail_server(port: int) -> str:
    """What the project file says of one."""
    return f"channels: {{email: {{smtp: 'smtp://127.0.0.1:{port}', connections: 4}}}}\n"


def with_sale(folder: Path) -> Path:
    """The project with a campaign that is due."""
    (folder / "hello.md").write_text("Hello {{ contact.name }} {{ unsubscribe_url }} {{ postal_address }}")
    (folder / "sale.yaml").write_text(CAMPAIGN)
    call(folder, "publish", "sale.yaml", "--now", "--yes")
    return folder


def project(folder: Path, port: int, contacts: int) -> Path:
    return with_sale(with_contacts(folder, contacts, mail_server(port)))


def call(folder: Path, *arguments: str, expected: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [CAMPAIGNCTL, *arguments], cwd=folder, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )
    assert done.returncode == expected, done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    return done


def daemon(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([CAMPAIGNCTL, "run"], cwd=folder, stderr=subprocess.PIPE, text=True)


def wait_for(condition: Any, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        os.sched_yield()


def status(folder: Path) -> Any:
    return json.loads(call(folder, "status", "sale", "--format", "json").stdout)


def test_a_campaign_reaches_a_real_mail_server(tmp_path: Path) -> None:
    post = Post()
    with post_office(post) as port:
        project(tmp_path, port, 25)
        call(tmp_path, "run", "--until-idle")
    assert post.recipients() == Counter({f"u{number}@example.org": 1 for number in range(25)})
    shown = status(tmp_path)
    assert (shown["state"], shown["members"], shown["steps"][0]["deliveries"]) == ("completed", 25, {"sent": 25})


def test_a_campaign_reaches_postfix_sink(tmp_path: Path) -> None:
    assert SMTP_SINK.exists(), "install Debian's postfix package for its smtp-sink"
    port = free_port()
    (tmp_path / "taken").mkdir()
    command = [
        str(SMTP_SINK),
        "-u",
        "root" if os.geteuid() == 0 else "nobody",
        "-d",
        "taken/%H%M.",
        f"127.0.0.1:{port}",
        "100",
    ]
    if os.geteuid() != 0:
        del command[1:3]
    sink = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: answers(port))
        project(tmp_path, port, 50)
        call(tmp_path, "run", "--until-idle")
    finally:
        sink.terminate()
        sink.wait(10)
    taken = b"".join(path.read_bytes() for path in (tmp_path / "taken").iterdir())
    assert Counter(re.findall(rb"^To: (\S+)", taken, re.MULTILINE)) == Counter(
        {f"u{number}@example.org".encode(): 1 for number in range(50)}
    )


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_second_daemon_on_the_same_store_is_refused(tmp_path: Path) -> None:
    post = Post()
    with post_office(post) as port:
        project(tmp_path, port, 3)
        first = daemon(tmp_path)
        try:
            wait_for(lambda: post.taken)
            refused = call(tmp_path, "run", "--once", expected=3)
        finally:
            first.terminate()
            first.communicate(timeout=20)
    assert "D110" in refused.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_daemon_that_is_asked_to_end_records_what_was_under_way(tmp_path: Path, number: int) -> None:
    post = Post(delay=0.05)
    with post_office(post) as port:
        project(tmp_path, port, 200)
        running = daemon(tmp_path)
        wait_for(lambda: len(post.taken) > 10)
        running.send_signal(number)
        running.communicate(timeout=20)
        assert running.returncode == 0
        shown = status(tmp_path)["steps"][0]["deliveries"]
        assert shown["sent"] == len(post.taken)
        assert set(shown) == {"sent", "queued"}
        post.delay = 0
        call(tmp_path, "run", "--until-idle")
    assert set(post.recipients().values()) == {1}
    assert len(post.taken) == 200


def test_a_daemon_that_is_killed_loses_nothing_and_repeats_no_more_than_its_connections(tmp_path: Path) -> None:
    post = Post(delay=0.02)
    kills = 3
    with post_office(post) as port:
        project(tmp_path, port, 300)
        for round_ in range(1, kills + 1):
            running = daemon(tmp_path)
            wait_for(lambda: len(post.taken) > 40 * round_)  # noqa: B023 # asked within the round
            running.kill()
            running.communicate(timeout=20)
        post.delay = 0
        call(tmp_path, "run", "--until-idle")
    recipients = post.recipients()
    assert len(recipients) == 300
    assert sum(recipients.values()) - 300 <= kills * 4
    by_contact: dict[str, set[str]] = {}
    for content in post.taken:
        message = message_from_bytes(content, policy=policy.default)
        by_contact.setdefault(message["To"], set()).add(message["Message-ID"])
    assert all(len(ids) == 1 for ids in by_contact.values())


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that no wrong command changes."""
    folder = tmp_path_factory.mktemp("shop")
    project(folder, 1, 2)
    return folder


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["frobnicate"], 2),
        (["run", "--frob"], 2),
        (["run", "--once", "--until-idle"], 2),
        (["status", "nobody"], 3),
        (["stop", "nobody", "--yes"], 3),
        (["stop", "nobody"], 2),
        (["validate", "gone.yaml"], 1),
        (["publish", "gone.yaml", "--yes"], 1),
        (["publish", "sale.yaml"], 0),
        (["preview", "sale.yaml", "sale", "--contact", "nobody"], 3),
        (["preview", "sale.yaml", "nothing", "--contact", "c-1"], 3),
        (["contacts", "import", "nobody", "contacts.csv"], 2),
        (["contacts", "import", "customers", "gone.csv"], 1),
        (["suppress", "add", "not an address"], 2),
        (["suppress", "remove", "ada@example.org"], 1),
        (["events", "import", "contacts.csv"], 1),
        (["explain", "C999"], 2),
        (["list", "--store", "/nowhere/at/all.db"], 78),
        (["list", "--store", "contacts.csv"], 78),
        (["list", "--project", "/nowhere"], 2),
    ],
)
def test_what_is_wrong_is_said_with_a_code_and_an_exit_code(shop: Path, arguments: list[str], code: int) -> None:
    done = call(shop, *arguments, expected=code)
    if code:
        assert re.search(r"error\[[CPSDU]\d{3}\]", done.stderr + done.stdout)
