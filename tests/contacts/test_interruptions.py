"""Imports that are interrupted, meet each other, or meet a daemon: real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from contacts.command_line import CommandLine

ROWS = 300_000
STAGED_BYTES = 2 * 2**20


@pytest.fixture
def typed(tmp_path: Path) -> CommandLine:
    made = CommandLine(tmp_path)
    made.write("first.csv", "id,email,name\nc-1,ada@example.org,Ada\nc-2,alan@example.org,Alan\n")
    made.call("contacts", "import", "customers", "first.csv")
    return made


def staged_bytes(process: subprocess.Popen[str]) -> int:
    """How much of its file an import has taken in: the size of the nameless file in which rows wait."""
    for link in Path(f"/proc/{process.pid}/fd").iterdir():
        try:
            if ".campaignctl-import-" in str(link.readlink()):
                return link.stat().st_size
        except FileNotFoundError:
            continue  # it was closed just now
    return 0


def frozen_half_way(typed: CommandLine) -> subprocess.Popen[str]:
    """An import of a large file that stands still after some of its rows."""
    rows = "".join(f"c-{number},u{number}@example.org,Changed,{number}\n" for number in range(ROWS))
    typed.write("large.csv", "id,email,name,visits\n" + rows)
    process = typed.started("contacts", "import", "customers", "large.csv")
    end = time.monotonic() + 60
    while process.poll() is None and staged_bytes(process) < STAGED_BYTES:
        assert time.monotonic() < end, "it did not begin in time"
        os.sched_yield()
    process.send_signal(signal.SIGSTOP)
    assert process.poll() is None, "the file is too small to be caught half-way"
    return process


@pytest.mark.parametrize(
    ("number", "exit_code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_an_import_that_is_interrupted_changes_nothing_and_leaves_nothing(
    typed: CommandLine, number: signal.Signals, exit_code: int
) -> None:
    before = typed.call("contacts", "export", "customers").stdout
    process = frozen_half_way(typed)

    # While it is under way others read and write the store, and its file has no name
    assert typed.call("contacts", "export", "customers").stdout == before
    typed.call("suppress", "add", "zoe@example.org")
    assert not list(typed.folder.glob(".campaignctl-import-*"))

    # When it is interrupted
    process.send_signal(number)
    process.send_signal(signal.SIGCONT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in said) == (exit_code, False)

    # Then the list is as it was
    assert typed.call("contacts", "export", "customers").stdout == before
    left = {path.name for path in typed.folder.iterdir()}
    assert left - {"campaignctl.db-wal", "campaignctl.db-shm", "campaignctl.db-journal"} == {
        "campaignctl.yaml",
        "sale.yaml",
        "hello.md",
        "first.csv",
        "large.csv",
        "campaignctl.db",
    }

    # And the next import works
    typed.write("next.csv", "id,name\nc-1,Augusta\n")
    assert "0 added, 1 changed" in typed.call("contacts", "import", "customers", "next.csv").stdout
    assert typed.names() == {"c-1": "Augusta", "c-2": "Alan"}


def test_two_imports_at_once_both_take_place(typed: CommandLine) -> None:
    rows = 20_000
    for name, start in (("left", 0), ("right", rows // 2)):
        body = "".join(f"k-{number},u{number}@example.org,{name}\n" for number in range(start, start + rows))
        typed.write(f"{name}.csv", "id,email,name\n" + body)
    both = [typed.started("contacts", "import", "customers", f"{name}.csv") for name in ("left", "right")]
    for process in both:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said

    names = typed.names()
    assert len(names) == 2 + rows + rows // 2
    # Where the files overlap one of them came last, for all contacts
    overlap = {names[f"k-{number}"] for number in range(rows // 2, rows)}
    assert len(overlap) == 1
    assert {names[f"k-{number}"] for number in range(rows // 2)} == {"left"}
    assert {names[f"k-{number}"] for number in range(rows, rows + rows // 2)} == {"right"}


def test_an_import_while_a_daemon_sends_loses_and_doubles_no_message(typed: CommandLine) -> None:
    count = 150
    body = "".join(f"k-{number},u{number}@example.org,Before\n" for number in range(count))
    typed.write("before.csv", "id,email,name\n" + body)
    typed.write("after.csv", "id,email,name\n" + body.replace("Before", "After"))
    typed.call("contacts", "import", "customers", "before.csv")
    typed.call("publish", "sale.yaml", "--now", "--yes")

    daemon = typed.started("run", "--until-idle")
    outbox = typed.folder / "outbox"
    end = time.monotonic() + 60
    while not (outbox.exists() and any(outbox.glob("*.eml"))):
        assert daemon.poll() is None
        assert time.monotonic() < end, "the daemon did not begin in time"
        os.sched_yield()
    assert f"0 added, {count} changed" in typed.call("contacts", "import", "customers", "after.csv").stdout
    _, said = daemon.communicate(timeout=60)
    assert daemon.returncode == 0, said

    messages = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in outbox.glob("*.eml")]
    recipients = Counter(message["To"] for message in messages)
    assert recipients == Counter(
        [f"u{number}@example.org" for number in range(count)] + ["ada@example.org", "alan@example.org"]
    )
    assert {message["Subject"] for message in messages} <= {"Hi Before", "Hi After", "Hi Ada", "Hi Alan"}
    assert typed.document("status", "sale")["steps"][0]["deliveries"] == {"sent": count + 2}
    assert set(typed.names().values()) == {"Ada", "Alan", "After"}
