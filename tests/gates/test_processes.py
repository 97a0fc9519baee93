"""Gates between real processes: a daemon, the service and a compliance system, each of which may be killed."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from processes.test_run import CAMPAIGNCTL, answers, call, free_port, wait_for

SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQ="
SYSTEM = Path(__file__).parent / "compliance_system.py"
CONTACTS = 40
CAMPAIGN = """
campaign: sale
list: customers
starter: {segment: {attribute: email, exists: true}}
steps:
  - id: first
    at: 2037-01-01 09:00
    email:
      subject: "For {{ gate.promo }}"
      body: hello.md
      gate: {endpoint: compliance, timeout: 10m}
"""


class Processes:
    """A shop that asks a compliance system, each part a process that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.system_port, self.service_port = free_port(), free_port()
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def prepare(self) -> None:
        (self.folder / "campaignctl.yaml").write_text(
            "project: shop\ntimezone: Europe/Paris\nsender: Shop <news@shop.example>\npostal_address: Paris\n"
            "safety_delay: 1s\nlists: {customers: {key: id, email: email}}\n"
            f"public_url: http://127.0.0.1:{self.service_port}\n"
            f"endpoints: {{compliance: {{url: 'http://127.0.0.1:{self.system_port}/gate', secret: {SECRET},"
            " allow_private: true}}\n"
        )
        (self.folder / "hello.md").write_text("Hello {{ contact.name }} {{ unsubscribe_url }} {{ postal_address }}")
        (self.folder / "sale.yaml").write_text(CAMPAIGN)
        rows = "".join(f"c-{number},u{number}@example.org,N{number}\n" for number in range(CONTACTS))
        (self.folder / "contacts.csv").write_text("id,email,name\n" + rows)
        call(self.folder, "contacts", "import", "customers", "contacts.csv")
        call(self.folder, "publish", "sale.yaml", "--now", "--yes")

    def start_system(self, mode: str = "answers") -> None:
        self._start("system", sys.executable, str(SYSTEM), str(self.system_port), SECRET, str(self.folder), mode)
        wait_for(lambda: answers(self.system_port))

    def start_service(self) -> None:
        self._start("service", str(CAMPAIGNCTL), "serve", "--listen", f"127.0.0.1:{self.service_port}")
        wait_for(lambda: answers(self.service_port))

    def start_daemon(self) -> None:
        self._start("daemon", str(CAMPAIGNCTL), "run")

    def _start(self, name: str, *command: str) -> None:
        self.running[name] = subprocess.Popen(command, cwd=self.folder, stderr=subprocess.DEVNULL)

    def kill(self, name: str) -> None:
        process = self.running.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    def end(self) -> None:
        for name in list(self.running):
            self.kill(name)

    def written(self, name: str) -> list[dict[str, Any]]:
        path = self.folder / name
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def step(self) -> dict[str, Any]:
        shown = json.loads(call(self.folder, "status", "sale", "--format", "json").stdout)
        step: dict[str, Any] = shown["steps"][0]
        return step

    def is_done(self) -> bool:
        return bool(self.step()["state"] == "done")

    def subjects(self) -> list[str]:
        files = (self.folder / "outbox").rglob("*.eml") if (self.folder / "outbox").exists() else ()
        return sorted(message_from_bytes(file.read_bytes(), policy=policy.default)["Subject"] for file in files)

    def post(self, url: str, lines: list[object]) -> tuple[int, Any]:
        """Post an answer as anybody could who has the link."""
        body = "".join(json.dumps(line) + "\n" for line in lines).encode()
        return self.ask(urllib.request.Request(url, body, {"Content-Type": "application/x-ndjson"}))

    @staticmethod
    def ask(request: urllib.request.Request) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(request, timeout=20) as reply:
                content = reply.read()
                return reply.status, json.loads(content) if content.startswith(b'{"version"') else content
        except urllib.error.HTTPError as failure:
            return failure.code, json.loads(failure.read())


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path)
    made.prepare()
    yield made
    made.end()
    # However it went, the store is sound.
    call(tmp_path, "store", "check")


EXPECTED = sorted(f"For CODE-c-{number}" for number in range(CONTACTS) if number % 10 != 7)


def test_a_compliance_system_looks_at_a_campaign_before_it_leaves(processes: Processes) -> None:
    processes.start_system()
    processes.start_service()
    processes.start_daemon()
    wait_for(processes.is_done, 60)
    assert processes.subjects() == EXPECTED
    (asked,) = processes.written("asked.ndjson")
    assert (asked["campaign"], asked["step"], asked["count"], asked["actions"]) == ("sale", "first", CONTACTS, {})
    first = processes.written("contacts.ndjson")[0]
    assert first == {
        "id": "c-0", "email": "u0@example.org", "phone": None, "data": {}, "properties": {},
        "attributes": {"id": "c-0", "email": "u0@example.org", "name": "N0"},
    }  # fmt: skip
    (answered,) = processes.written("answered.ndjson")
    assert answered["said"] == {
        "version": 1, "campaign": "sale", "step": "first", "contacts": CONTACTS, "rejected": 4, "changed": 36,
    }  # fmt: skip


def kill_daemon(processes: Processes) -> None:
    """While it waits for the reply to its question: it has to ask again, with the same id."""
    processes.start_system("silent")
    processes.start_daemon()
    wait_for(lambda: processes.written("heard.ndjson"))
    processes.kill("daemon")
    processes.kill("system")
    processes.start_system()
    processes.start_daemon()
    wait_for(lambda: processes.written("asked.ndjson"), 60)


def kill_system(processes: Processes) -> None:
    """After it has fetched the contacts, and before it answers."""
    processes.start_system("downloads")
    processes.start_daemon()
    wait_for(lambda: processes.written("contacts.ndjson"))
    processes.kill("system")
    processes.start_system()


def kill_service(processes: Processes) -> None:
    """Before the answer comes: it is sent again, and taken once."""
    processes.start_system("downloads")
    processes.start_daemon()
    wait_for(lambda: processes.written("contacts.ndjson"))
    processes.kill("service")
    processes.kill("system")
    processes.start_system()
    processes.start_service()


@pytest.mark.parametrize("kill", [kill_daemon, kill_system, kill_service])
def test_whoever_is_killed_the_answer_counts_once_and_everybody_gets_one_message(
    processes: Processes, kill: Callable[[Processes], None]
) -> None:
    processes.start_service()
    kill(processes)
    wait_for(processes.is_done, 60)
    assert processes.subjects() == EXPECTED
    asked = [*processes.written("heard.ndjson"), *processes.written("asked.ndjson")]
    assert len({each["id"] for each in asked}) == 1
    assert len([each for each in processes.written("answered.ndjson") if "said" in each]) == 1


def test_only_the_answer_that_the_gate_waits_for_counts(processes: Processes) -> None:
    """Tampered links, wrong lines, replays and late answers."""
    processes.start_system("downloads")
    processes.start_service()
    processes.start_daemon()
    wait_for(lambda: processes.written("contacts.ndjson"))
    url = processes.written("asked.ndjson")[0]["finish_url"]
    token = url.split("/")[-2]
    flipped = ("A" if token[20] != "A" else "B").join((token[:20], token[21:]))
    reject = [{"id": "c-1", "reject": True}]

    # A link that was changed, and one that never was, are told alike
    for wrong in (flipped, hashlib.sha256(b"none").hexdigest()[:36], "x"):
        status, said = processes.post(url.replace(token, wrong), reject)
        assert (status, said["error"]["code"]) == (404, "H104")
    # A wrong line changes nothing, and is named
    status, said = processes.post(url, [*reject, {"id": "c-2", "reject": "yes"}])
    assert (status, said["error"]["code"]) == (422, "H131")
    assert "line 2" in said["error"]["message"]
    status, said = processes.post(url, [*reject, {"id": "stranger", "reject": True}])
    assert (status, said["error"]["code"]) == (422, "H132")
    assert processes.step()["deliveries"] == {"held": CONTACTS}

    # The right one counts, and again comes to the same
    lines = [{"id": f"c-{number}", "properties": {"promo": f"CODE-c-{number}"}} for number in range(CONTACTS)]
    first = processes.post(url, [*reject, *lines[2:], lines[0]])
    assert (first[0], first[1]["rejected"]) == (200, 1)
    assert processes.post(url, [*reject, *lines[2:], lines[0]]) == first
    status, said = processes.post(url, [])
    assert (status, said["error"]["code"]) == (409, "H134")
    wait_for(processes.is_done, 60)
    assert processes.post(url, [*reject, *lines[2:], lines[0]]) == first
    assert processes.ask(urllib.request.Request(url.replace("/finish", "/contacts")))[0] == 410
    assert len(processes.subjects()) == CONTACTS - 1


def test_a_stopped_campaign_takes_no_answer(processes: Processes) -> None:
    processes.start_system("downloads")
    processes.start_service()
    processes.start_daemon()
    wait_for(lambda: processes.written("contacts.ndjson"))
    call(processes.folder, "stop", "sale", "--yes")
    url = processes.written("asked.ndjson")[0]["finish_url"]
    assert processes.post(url, [])[0] == 410
    assert processes.subjects() == []
