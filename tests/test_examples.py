"""Every example, run from its files to the messages."""

from __future__ import annotations

import shutil
from collections import Counter
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from world import World, WrittenChannel

from campaignctl.contacts.request import rows_of_lines
from campaignctl.incoming import Request
from campaignctl.project import ProjectFile, load_project
from campaignctl.triggering import trigger, try_out
from campaignctl.validation import campaign_files, check_files, check_project

EXAMPLES = Path(__file__).parents[1] / "examples"
EXPECTED = {
    "one-message": {"opening-hours": 2},
    "two-languages": {"letter-fr": 4, "letter-en": 4},
    "launch": {"invitation": 19, "thank": 3, "remind": 15, "goodbye": 18},
    "control-group": {"short-text": 40, "long-text": 40},
    "gate": {"codes": 5},
    "last-day": {"text": 4, "tell": 1, "hand-on": 1},
    "order-thanks": {"thanks": 3, "review": 3},
    "weekly-digest": {"breads": 24, "last-call": 16},
    "clock-changes": {"avant-le-printemps": 3, "apres-le-printemps": 3, "la-nuit-d-automne": 3},
}


def test_every_example_is_here() -> None:
    assert sorted(EXPECTED) == sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_an_example_has_no_problems(name: str) -> None:
    project = load_project(EXAMPLES / name, {})
    assert isinstance(project, ProjectFile)
    assert check_project(project).problems == []
    assert check_files(campaign_files([EXAMPLES / name]), project, {}).problems == []


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_an_example_sends_what_it_says(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    shutil.copytree(EXAMPLES / name, folder)
    project = (folder / "campaignctl.yaml").read_text("utf-8")
    world = World(folder)
    world.write("campaignctl.yaml", project)
    world.import_file(folder / "contacts.csv")
    (file,) = campaign_files([folder / "campaigns"])
    endpoints = [f"{verb}/{each}" for verb in ("webhook", "export") for each in world.project.project.endpoints]
    others = {each: WrittenChannel(world.clock) for each in ("sms", *endpoints)}
    world.channels.update(others)
    world.publish_file(file)
    if name == "launch":
        world.run_until("2026-12-02 10:00")
        world.bring_events(folder / "events.ndjson")
    if name == "order-thanks":
        rows = (folder / "orders.ndjson").read_bytes()
        asked = Request("order-thanks", lambda: rows_of_lines([rows]), "tester")
        assert try_out(world.store, asked, world.clock.now).would_start
        trigger(world.store, asked, world.clock.now)
    world.run_until("2027-12-01 00:00")
    world.store.close()
    sent = [message for channel in (world.email, *others.values()) for message in channel.sent]
    assert Counter(message.key.split("/")[1] for message in sent) == EXPECTED[name]
    for message in world.email.sent:
        parsed = message_from_bytes(message.content, policy=policy.default)
        text = parsed.get_body(("plain",))
        assert text is not None
        assert "mailto:" in text.get_content()


def test_the_french_example_keeps_paris_time_over_both_clock_changes(tmp_path: Path) -> None:
    folder = tmp_path / "clock"
    shutil.copytree(EXAMPLES / "clock-changes", folder)
    project = (folder / "campaignctl.yaml").read_text("utf-8")
    world = World(folder)
    world.write("campaignctl.yaml", project)
    world.import_file(folder / "contacts.csv")
    world.publish_file(folder / "campaigns" / "heure.yaml")
    times = [f"{step.at:%m-%d %H:%M}" for step in world.campaign("changement-d-heure").steps]
    world.store.close()
    assert times == ["03-27 08:00", "03-28 07:00", "10-31 01:30"]
