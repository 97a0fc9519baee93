"""Hooks between real processes: a daemon that is killed, stopped or told to end while it tells."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from hooks.receiver import SECRET, Answer, Receiver, Told
from processes.test_run import CAMPAIGNCTL, call, wait_for, with_contacts, with_sale
from standardwebhooks import Webhook

CONTACTS = 60
EVENTS = "campaign.published, campaign.started, step.started, message.sent, step.done, campaign.completed"
ORDER = ["campaign.published", "campaign.started", "step.started", *["message.sent"] * CONTACTS, "step.done",
         "campaign.completed"]  # fmt: skip


def prepare(folder: Path, url: str) -> None:
    endpoints = f"endpoints: {{crm: {{url: '{url}', secret: {SECRET}, allow_private: true}}}}\n"
    with_sale(with_contacts(folder, CONTACTS, f"{endpoints}hooks: {{crm: {{endpoint: crm, events: [{EVENTS}]}}}}\n"))


def started(folder: Path, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([CAMPAIGNCTL, "run", "-q", *options], cwd=folder, stderr=subprocess.DEVNULL)


def hooks(folder: Path) -> dict[str, Any]:
    listed: dict[str, Any] = json.loads(call(folder, "hooks", "list", "--format", "json").stdout)["hooks"][0]
    return listed


def in_order(heard: list[Told]) -> list[str]:
    """The types of what was heard, each event where it was heard first."""
    seen: dict[str, str] = {}
    for each in heard:
        seen.setdefault(each.id, each.type)
    return list(seen.values())


@pytest.mark.parametrize("kills", [1, 4])
def test_a_daemon_that_is_killed_while_it_tells_loses_nothing_and_keeps_the_order(tmp_path: Path, kills: int) -> None:
    """Killed with a request under way: the next daemon tells that event, and what was not written down, again."""
    silent, blocked = Event(), Event()
    stops = {7 * number for number in range(1, kills + 1)}

    def answering(told: Told) -> Answer:
        if len(receiver.heard) in stops:
            stops.discard(len(receiver.heard))
            blocked.set()
            silent.wait(30)
            return Answer(503)  # nobody is there to hear it
        return Answer()

    with Receiver(answering) as receiver:
        prepare(tmp_path, receiver.url)
        for _ in range(kills):
            daemon = started(tmp_path)
            assert blocked.wait(60)
            blocked.clear()
            daemon.kill()
            daemon.wait(10)
        silent.set()
        assert started(tmp_path, "--until-idle").wait(120) == 0
    assert in_order(receiver.heard) == ORDER
    assert in_order(receiver.taken) == ORDER
    by_id = {each.id: {told.body for told in receiver.heard if told.id == each.id} for each in receiver.heard}
    assert {len(bodies) for bodies in by_id.values()} == {1}
    assert hooks(tmp_path)["waiting"] == 0
    assert call(tmp_path, "store", "check").returncode == 0


def test_a_daemon_that_is_asked_to_end_finishes_what_it_tells_and_tells_nothing_twice(tmp_path: Path) -> None:
    heard, ended = Event(), Event()

    def answering(told: Told) -> Answer:
        if len(receiver.heard) == 10:
            heard.set()
            ended.wait(30)
        return Answer()

    with Receiver(answering) as receiver:
        prepare(tmp_path, receiver.url)
        daemon = started(tmp_path)
        assert heard.wait(60)
        daemon.send_signal(signal.SIGTERM)
        ended.set()
        assert daemon.wait(30) == 0
        assert hooks(tmp_path)["waiting"] > 0
        assert started(tmp_path, "--until-idle").wait(120) == 0
    assert [each.type for each in receiver.heard] == ORDER


def test_a_run_once_tells_what_is_due_and_does_not_wait_for_what_is_not(tmp_path: Path) -> None:
    with Receiver() as receiver:
        prepare(tmp_path, receiver.url)
        receiver.answering = lambda _: Answer(503, (("Retry-After", "3600"),))
        assert started(tmp_path, "--once").wait(60) == 0
    assert [each.type for each in receiver.heard] == ORDER[:1]
    assert hooks(tmp_path)["state"] == "stuck"


def test_the_library_of_the_other_side_verifies_what_it_is_told(tmp_path: Path) -> None:
    """With its own clock, and its tolerance of five minutes."""
    with Receiver() as receiver:
        prepare(tmp_path, receiver.url)
        assert started(tmp_path, "--until-idle").wait(120) == 0
    assert [each.type for each in receiver.taken] == ORDER
    for told, headers in zip(receiver.taken, receiver.headers, strict=True):
        assert Webhook(SECRET).verify(told.body, headers)["type"] == told.type


def test_a_slow_receiver_does_not_slow_the_sender(tmp_path: Path) -> None:
    """All messages are sent while the receiver still thinks about the first event."""
    all_sent = Event()

    def answering(told: Told) -> Answer:
        all_sent.wait(60)
        return Answer()

    with Receiver(answering) as receiver:
        prepare(tmp_path, receiver.url)
        daemon = started(tmp_path, "--until-idle")
        wait_for(lambda: len(list((tmp_path / "outbox").rglob("*.eml"))) == CONTACTS, 60)
        assert len(receiver.heard) <= 6, "the first event, and its next attempts"
        assert receiver.taken == []
        all_sent.set()
        assert daemon.wait(120) == 0
    assert in_order(receiver.taken) == ORDER


def test_a_hook_that_is_off_keeps_no_run_from_ending(tmp_path: Path) -> None:
    with Receiver(lambda _: Answer(410)) as receiver:
        prepare(tmp_path, receiver.url)
        assert started(tmp_path, "--until-idle").wait(120) == 0
    assert len(receiver.heard) == 1
    assert (hooks(tmp_path)["state"], hooks(tmp_path)["waiting"]) == ("off", len(ORDER))
