"""How long a request takes that starts a campaign, against `contacts import` of the same contacts."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from bench.importing import write_contacts
from bench.processes import Used, run, start
from bench.results import COMPARED, Section, compared

CONTACTS = 1_000_000
GOAL = "≤ 2x, ≤ 200 MiB"
_PROGRAM = [sys.executable, "-c", "from campaignctl.cli.start import start; start()"]
_PROJECT = """
project: bench
timezone: Europe/Paris
sender: Shop <news@shop.example>
postal_address: 1 rue de la Paix, Paris
lists: {customers: {key: customer_id, email: email}}
"""
_CAMPAIGN = """
campaign: bench
list: customers
starter: {api: {}}
steps:
  - {id: thanks, email: {subject: "Order {{ data.order }}", body: body.md}}
"""
_BODY = "Hello {{ contact.firstname }}. {{ postal_address }} [unsubscribe]({{ unsubscribe_url }})\n"


def measure() -> Section:
    """All of them in turns, with a quarter of the contacts as well, to see what memory does."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for count in (CONTACTS // 4, CONTACTS):
            same, request = _files(folder, count)
            imported = [_in_new_project(folder, "contacts", "import", "customers", str(same))]
            triggered = [_in_new_project(folder, "trigger", "bench", str(request), "--yes")]
            over_http = [_over_http(folder, request)]
            against = "`contacts import`"
            rows.append(compared(f"{count:,} contacts, `trigger`", triggered, against, imported, GOAL))
            rows.append(compared(f"{count:,} contacts, over HTTP", over_http, against, imported, GOAL))
    return Section(
        "Requests",
        "A request of NDJSON brings contacts of eight attributes, each with an order in its `data`; they are checked,\n"
        "become contacts and members, and the campaign starts. Against it, `contacts import` of the same contacts in\n"
        "NDJSON into a new list. Whole processes; over HTTP `curl` sends the request to `campaignctl serve`, whose\n"
        "processor time and memory are told. One run each.",
        COMPARED,
        rows,
    )


def _files(folder: Path, count: int) -> tuple[Path, Path]:
    """The same contacts as a file to import, and as a request."""
    table, same, request = (folder / f"{count}.{ending}" for ending in ("csv", "contacts.ndjson", "request.ndjson"))
    write_contacts(table, count)
    with same.open("w", encoding="utf-8") as plain, request.open("w", encoding="utf-8") as asked:
        for number, contact in enumerate(_contacts(table)):
            plain.write(json.dumps(contact, ensure_ascii=False) + "\n")
            row = {"id": contact.pop("customer_id"), "properties": contact, "data": {"order": number}}
            asked.write(json.dumps(row, ensure_ascii=False) + "\n")
    table.unlink()
    return same, request


def _contacts(table: Path) -> Iterator[dict[str, object]]:
    """The rows of a file, with the types that JSON has."""
    with table.open(encoding="utf-8") as lines:
        names = next(lines).rstrip("\n").split(",")
        for line in lines:
            row: dict[str, object] = dict(zip(names, line.rstrip("\n").split(","), strict=True))
            spent, visits = str(row["total_spent"]), str(row["visits"])
            yield row | {"total_spent": float(spent), "visits": int(visits), "consent": row["consent"] == "true"}


def _in_new_project(folder: Path, *arguments: str) -> Used:
    """One command in a project with a campaign that waits, and an empty list."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        _prepare(Path(name))
        return run([*_PROGRAM, "--quiet", *arguments, "--project", name])


def _prepare(project: Path) -> None:
    (project / "campaignctl.yaml").write_text(_PROJECT)
    (project / "bench.yaml").write_text(_CAMPAIGN)
    (project / "body.md").write_text(_BODY)
    run([*_PROGRAM, "--quiet", "publish", str(project / "bench.yaml"), "--yes", "--project", str(project)])


def _over_http(folder: Path, request: Path) -> Used:
    """One request to a service of its own: how long `curl` waits, and what the service uses."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        _prepare(Path(name))
        asked = [*_PROGRAM, "token", "create", "--scope", "trigger:bench", "--format", "json", "--project", name]
        token = json.loads(subprocess.run(asked, check=True, capture_output=True).stdout)["token"]
        place = f"127.0.0.1:{_free_port()}"
        service = start([*_PROGRAM, "--quiet", "serve", "--listen", place, "--project", name])
        try:
            seconds = _asked(place, token, request)
        except BaseException:
            service.kill()
            raise
        service.send_signal(signal.SIGTERM)
        _, _, used = os.wait4(service.pid, 0)
        service.returncode = 0  # it was waited for
        return Used(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, used.ru_stime)


def _asked(place: str, token: str, request: Path) -> float:
    """How long the answer to the request takes."""
    _wait_for(f"http://{place}/readyz")
    began = time.perf_counter()
    run([
        "curl", "-sS", "--fail-with-body", "--noproxy", "*", "-X", "POST", "-T", str(request),
        "-H", f"Authorization: Bearer {token}", "-H", "Content-Type: application/x-ndjson",
        f"http://{place}/api/v1/campaigns/bench/trigger",
    ])  # fmt: skip
    return time.perf_counter() - began


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _wait_for(url: str) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(600):
        try:
            opener.open(url, timeout=5).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"{url} does not answer")
