"""`bounces import`, as somebody types it."""

from __future__ import annotations

import json

import pytest
from bounces.returned_mail import MAILBOX, report
from world import PROJECT, World

from campaignctl.cli.start import run
from campaignctl.project import PROJECT_FILE

CAMPAIGN = """
campaign: sale
list: customers
segment: {attribute: country, eq: FR}
at: 2026-12-01 09:00
email: {subject: "Hi {{ contact.name }}", body: hello.md}
"""


def test_a_mailbox_is_brought_in_and_scripts_can_read_what_it_held(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.write(PROJECT_FILE, f"{PROJECT}bounces: {MAILBOX}\n")
    world.contacts()
    world.publish(CAMPAIGN)
    world.run_until("2026-12-01 12:00")
    for message, name in zip(world.email.sent, ("postfix-unknown-user", "yahoo-complaint"), strict=True):
        (world.folder / f"{name}.eml").write_bytes(report(name, message.sender))
    arguments = ["bounces", "import", str(world.folder), "--project", str(world.folder)]

    assert run([*arguments, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "version": 1,
        "read": 2,
        "bounces": {"hard": 1, "soft": 0, "policy": 0},
        "complaints": 1,
        "ignored": {"delayed": 0, "delivered": 0, "auto_reply": 0, "other": 0},
        "unmatched": 0,
        "unreadable": 0,
        "troubles": [],
        "added": 2,
        "newly_suppressed": 2,
        "dry_run": False,
    }

    assert run(arguments) == 0
    assert capsys.readouterr().out == (
        "2 messages read: 1 bounces (1 hard, 0 soft, 0 policy),\n"
        "1 complaints, 0 about no message of this store,\n"
        "0 ignored, 0 unreadable.\n"
        "0 events are new, 0 addresses are newly suppressed.\n"
    )
