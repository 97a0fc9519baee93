"""Clocks that change between a publication and its steps, and rules of zones that change."""

from __future__ import annotations

import json

import pytest
from world import World

from campaignctl.cli.start import run

HEAD = "campaign: sale\nlist: customers\nstarter: {segment: {attribute: email, exists: true}}\nsteps:\n"


def email(step: str, at: str) -> str:
    return f"  - {{id: {step}, at: {at}, email: {{subject: Hi, body: hello.md}}}}\n"


@pytest.mark.parametrize(
    ("published", "at", "utc"),
    [
        ("2027-03-20 12:00", "2027-03-29 09:00", "2027-03-29 07:00"),
        ("2027-10-20 12:00", "2027-11-02 09:00", "2027-11-02 08:00"),
    ],
)
def test_a_step_comes_at_its_local_time_after_the_clocks_have_changed(
    world: World, published: str, at: str, utc: str
) -> None:
    world.contacts()
    world.at(published)
    world.publish(HEAD + email("first", at))
    world.run_until(f"{at[:10]} 12:00")
    assert {f"{left:%Y-%m-%d %H:%M}" for left in world.email.left_at} == {utc}


def test_equal_instants_written_before_and_after_the_change_keep_their_order(world: World) -> None:
    # Given the hour that comes twice: the first 02:30, then the second one as an instant
    world.contacts()
    world.at("2027-10-20 12:00")
    world.publish(HEAD + email("first", "2027-10-31 02:30") + email("second", "2027-10-31T02:30+01:00"))
    world.run_until("2027-10-31 12:00")
    steps = world.campaign().steps
    assert [f"{step.started_at:%H:%M}" for step in steps] == ["00:30", "01:30"]


def test_status_tells_that_the_rules_of_a_zone_have_changed(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    # Given a step that was published when Paris was an hour further ahead
    world.contacts()
    world.publish(HEAD + email("first", "2026-12-01 10:05") + email("second", "2026-12-02 09:00"))
    with world.store.writing() as ledger:
        ledger.connection.exec_driver_sql(
            "UPDATE steps SET at = at - 3600000000, effective_at = effective_at - 3600000000 WHERE name = 'second'"
        )
    # When somebody asks how things are
    assert run(["status", "sale", "--project", str(world.folder)]) == 0
    said = capsys.readouterr().err
    assert "second: the rules of Europe/Paris have changed" in said
    assert "it runs at 2026-12-02 08:00, and was to run at 2026-12-02 09:00" in said
    assert "first: the rules" not in said
    assert run(["status", "sale", "--format", "json", "--project", str(world.folder)]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert [step["local_time_changed"] for step in shown["steps"]] == [False, True]
    # Then the step still runs at the instant that it was given
    world.run_until("2026-12-02 08:00")
    assert len(world.addresses) == 6
