"""`kill -9` while other systems have requests and have not answered: what the next daemon asks of them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest
from channels.web_server import OK, Act, WebServer

from campaignctl.clock import SetClock, SystemClock
from campaignctl.demo import FastTime
from campaignctl.project import ProjectFile, load_project
from campaignctl.store.database import open_sqlite
from campaignctl.store.ledger import SqlStore

CAMPAIGNCTL = Path(sys.executable).parent / "campaignctl"
CONTACTS = 12
PROJECT = """
project: shop
timezone: Europe/Paris
safety_delay: 1s
lists: {{customers: {{key: id, phone: mobile}}}}
channels: {{sms: {{endpoint: other, from: Shop}}}}
endpoints: {{other: {{url: "{url}", allow_private: true, secret: a secret}}}}
send: {{guarantee: {guarantee}}}
"""
HEAD = "campaign: sale\nlist: customers\nstarter: {segment: {attribute: id, exists: true}}\nsteps:\n"
VERBS = {
    "each": "webhook: {endpoint: other}",
    "batch": "webhook: {endpoint: other, per: batch, batch: 3}",
    "text": "sms: {text: Hi}",
}


def published(folder: Path, url: str, verb: str, guarantee: str) -> None:
    (folder / "campaignctl.yaml").write_text(PROJECT.format(url=url, guarantee=guarantee))
    rows = "".join(f"c-{number},+3361234{number:04}\n" for number in range(CONTACTS))
    (folder / "contacts.csv").write_text("id,mobile\n" + rows)
    (folder / "sale.yaml").write_text(HEAD + f"  - {{id: tell, at: 2037-01-01 09:00, {verb}}}\n")
    project = load_project(folder, {})
    assert isinstance(project, ProjectFile), project
    clock = SetClock(SystemClock().now() - timedelta(seconds=5))
    store = SqlStore(open_sqlite(folder / "campaignctl.db", clock.now()))
    fast = FastTime(project, store, folder / "campaignctl.db", clock)
    fast.import_list("customers", folder / "contacts.csv")
    fast.publish(folder / "sale.yaml", starts_now=True)
    store.close()


def run(folder: Path, until: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([CAMPAIGNCTL, "run", until, "-q"], cwd=folder, stderr=subprocess.DEVNULL)


def deliveries(folder: Path) -> dict[str, int]:
    shown = subprocess.run(
        [CAMPAIGNCTL, "status", "sale", "--format", "json"], cwd=folder, stdout=subprocess.PIPE, check=True
    )
    found: dict[str, int] = json.loads(shown.stdout)["steps"][0]["deliveries"]
    return found


def by_key(requests: list[bytes]) -> dict[str, set[bytes]]:
    """The different contents that came with each idempotency key."""
    found: defaultdict[str, set[bytes]] = defaultdict(set)
    for request in requests:
        head, _, content = request.partition(b"\r\n\r\n")
        lines = dict(line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:])
        assert lines["webhook-id"] == lines["idempotency-key"]
        found[lines["idempotency-key"]].add(content)
    return found


def killed_while_asking(folder: Path, server: WebServer, first: int) -> None:
    daemon = run(folder, "--until-idle")
    while len(server.requests) < first:
        assert daemon.poll() is None
    daemon.kill()
    daemon.wait()


@pytest.mark.parametrize(("verb", "first", "in_all"), [("each", 5, 12), ("batch", 4, 4), ("text", 5, 12)])
def test_what_had_no_answer_is_asked_again_with_the_same_key_and_content(
    tmp_path: Path, verb: str, first: int, in_all: int
) -> None:
    """At least once: nobody is forgotten, and the other side can tell what it had from what is new."""
    never = Event()
    held = [[Act.READ, never]] * first
    with WebServer(*held, [Act.READ, OK]) as server:
        published(tmp_path, server.url, VERBS[verb], "at_least_once")
        killed_while_asking(tmp_path, server, first)
        before = by_key(server.requests)
        assert run(tmp_path, "--until-idle").wait() == 0
        never.set()
    asked = by_key(server.requests)
    assert len(before) == first
    assert len(asked) == in_all
    assert {len(contents) for contents in asked.values()} == {1}
    assert len(server.requests) == in_all + first
    assert deliveries(tmp_path) == {"sent": CONTACTS}


def test_with_at_most_once_what_had_no_answer_is_not_asked_again(tmp_path: Path) -> None:
    never = Event()
    with WebServer(*[[Act.READ, never]] * 5, [Act.READ, OK]) as server:
        published(tmp_path, server.url, VERBS["each"], "at_most_once")
        killed_while_asking(tmp_path, server, 5)
        assert run(tmp_path, "--until-idle").wait() == 0
        never.set()
    assert len(server.requests) == CONTACTS
    assert deliveries(tmp_path) == {"sent": CONTACTS - 5, "uncertain": 5}
