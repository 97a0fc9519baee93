"""
What a simulation says is what then happens.

Each campaign is simulated first, and then run by the real engine with the same
seed, on the same store, until nothing is left to come. What contacts did in the
simulation, they do in the real run at the same time.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from world import World

from campaignctl.contacts.event_file import import_events
from campaignctl.contacts.source import Source
from campaignctl.publishing import frozen
from campaignctl.simulation.assumptions import Assumptions
from campaignctl.simulation.run import Settings, Simulation, copied, simulate
from campaignctl.store.instants import instant
from campaignctl.validation import check_file

PROJECT = """
project: shop
timezone: Europe/Paris
sender: Shop <news@shop.example>
postal_address: 1 rue de la Paix, Paris
lists: {customers: {key: id, email: email, timezone: tz}}
segment: {attribute: consent, eq: true}
"""
STEPS = """
campaign: sale
list: customers
starter: {segment: {attribute: country, in: [FR, BE, DE]}}
steps:
  - {id: invitation, at: 2026-12-01 09:00, email: {subject: "Hi {{ contact.name }}", body: hello.md%s}}
  - id: reaction
    at: 2026-12-01 12:00
    split:
      by: engagement
      of: invitation
      branches:
        - name: clicked
          when: clicked
          steps:
            - {id: thank, at: 2026-12-01 12:00, email: {subject: Thanks, body: hello.md%s}}
            - {id: mark, at: 2026-12-01 12:00, set: {level: 2}}
        - name: the-rest
          steps:
            - id: half
              at: 2026-12-01 12:00
              split:
                by: random
                branches:
                  - {name: a, share: 50%%, steps: [{id: remind, at: 2026-12-01 12:00, email: {%s}}]}
                  - {name: b, share: 50%%}
  - id: loyal
    at: 2026-12-02 08:00
    split:
      by: segment
      branches:
        - {name: gold, when: {attribute: level, eq: 2}, steps: [{id: leave, at: 2026-12-02 08:00, exit: {}}]}
  - {id: goodbye, at: 2026-12-02 09:00, email: {subject: "Bye {{ contact.level | default(1) }}", body: hello.md}}
"""
ZONES = ("Europe/Paris", "America/New_York", "Asia/Tokyo", "", "nonsense")
NUMBER = 24

# Where somebody sleeps and there is a rate, steps that send at once may take turns in another order.
_REMINDER = ", steps: [{id: remind, at: 2026-12-01 12:00, email: {%s}}]"
ONE_AT_A_TIME = {"quiet-hours-and-a-rate": STEPS.replace(_REMINDER, "")}

CASES: dict[str, tuple[str, tuple[str, str, str]]] = {
    "without-rates": ("", ("", "", "")),
    "rate-of-the-channel": ("channels: {email: {rate: 30/h}}", ("", "", "")),
    "fast-rate": ("channels: {email: {rate: 200/s}}", ("", "", "")),
    "rates-of-steps": ("", (", rate: 20/h", ", rate: 1/min", ", rate: 7/h")),
    "rates-of-both": ("channels: {email: {rate: 40/h}}", (", rate: 50/h", ", rate: 10/h", "")),
    "windows": ("", (', rate: 20/h, window: "08:00-10:00"', ', window: "13:00-14:00"', "")),
    "quiet-hours-of-each-contact": ('send: {quiet_hours: "08:00-16:00"}', ("", "", "")),
    "quiet-hours-and-a-rate": ('send: {quiet_hours: "10:00-20:00"}\nchannels: {email: {rate: 25/h}}', ("", "", "")),
    "cap": ("send: {frequency_cap: {messages: 1, per: 2d}}", ("", "", "")),
    "cap-that-ends-meanwhile": (
        "send: {frequency_cap: {messages: 1, per: 23h}}\nchannels: {email: {rate: 30/h}}",
        ("", "", ""),
    ),
}


def contacts() -> str:
    rows = ["id,email,name,country,consent,tz"]
    for number in range(NUMBER):
        address = "" if number % 17 == 3 else f"c{number}@example.org"
        name = "" if number % 13 == 5 else f"Name {number}"
        country = ("FR", "BE", "DE", "IT")[number % 4]
        zone = ZONES[number % len(ZONES)]
        rows.append(f"c-{number},{address},{name},{country},{'false' if number % 11 == 7 else 'true'},{zone}")
    return "\n".join(rows) + "\n"


def made(folder: Path, project: str, keys: tuple[str, str, str], steps: str = STEPS) -> World:
    world = World(folder)
    world.write("campaignctl.yaml", f"{PROJECT}{project}\n")
    world.contacts(contacts())
    first, second, third = keys
    texts = (first, second, f"subject: Last, body: hello.md{third}")
    world.write("campaign.yaml", steps % texts[: steps.count("%s")])
    world.at("2026-11-30 10:00")
    return world


def simulated(world: World, **settings: Any) -> tuple[Simulation, list[tuple[str, str, str, datetime]]]:
    """What the simulation says, and what contacts did in it."""
    project = world.project
    checked = check_file(world.folder / "campaign.yaml", project, {})
    assert checked.file is not None, checked.problems
    version = frozen(checked.file, project.project, checked.files)
    with copied(world.store) as copy:
        found = simulate(copy, version, project.project, Settings(world.clock.now(), **settings))
        with copy.reading() as ledger:
            events = [(step, key, kind, instant(at)) for step, key, kind, at in ledger.reactions(found.campaign)]
    return found, events


def really_run(world: World, events: list[tuple[str, str, str, datetime]], seed: str) -> None:
    """Run the campaign, and let contacts do those things at those times."""
    project = world.project
    checked = check_file(world.folder / "campaign.yaml", project, {})
    assert checked.file is not None
    world.fast.publish(world.folder / "campaign.yaml", seed=seed)
    engine = world.engine()
    coming = sorted(events, key=lambda event: event[3])
    end = world.clock.now() + timedelta(days=30)
    while True:
        report = engine.tick(world.clock.now)
        now = world.clock.now()
        happened = [event for event in coming if event[3] <= now and has_got(world, *event[:2])]
        coming = [event for event in coming if event not in happened]
        lines = [
            {
                "campaign": "sale",
                "step": step,
                "contact": key,
                "event": kind,
                "at": at.isoformat(),
                "hard": kind == "bounce",
            }
            for step, key, kind, at in happened
        ]
        if lines:
            file = world.write("events.ndjson", "".join(json.dumps(line) + "\n" for line in lines))
            assert import_events(world.store, Source(file), now).added == len(lines)
        if report.did_something:
            continue
        if report.wake_at is None or report.wake_at > end:
            break
        world.clock.set_to(report.wake_at)


def has_got(world: World, step: str, key: str) -> bool:
    with world.store.reading() as ledger:
        rows = ledger.connection.exec_driver_sql(
            "SELECT 1 FROM deliveries d JOIN contacts_1 c ON c.id = d.contact_id"
            " WHERE d.state = 'sent' AND d.step_id = ? AND c.contact_key = ?",
            (world.campaign().step(step).id, key),
        )
        return rows.first() is not None


def table(world: World) -> dict[str, tuple[Any, ...]]:
    """Of each step what a real run left: effective, ended, cohort, messages, errors, skipped."""
    campaign = world.campaign()
    found = {}
    with world.store.reading() as ledger:
        for step in campaign.steps:
            rows = ledger.connection.exec_driver_sql(
                "SELECT state, reason, count(*) FROM deliveries WHERE step_id = ? GROUP BY 1, 2", (step.id,)
            )
            counts = {(state, reason): number for state, reason, number in rows}
            skipped = {reason: number for (state, reason), number in counts.items() if state == "skipped"}
            sent = sum(number for (state, _), number in counts.items() if state == "sent")
            found[step.name] = (step.effective_at, step.finished_at, step.cohort, sent, skipped)
    return found


def table_of(simulation: Simulation) -> dict[str, tuple[Any, ...]]:
    return {
        each.step.name: (
            each.step.effective_at, each.step.finished_at, each.step.cohort, each.messages, dict(each.skipped),
        )
        for each in simulation.steps
    }  # fmt: skip


def errors_of(world: World) -> list[tuple[str, str, str]]:
    with world.store.reading() as ledger:
        return [
            tuple(row)
            for row in ledger.connection.exec_driver_sql(
                "SELECT s.name, c.contact_key, d.detail FROM deliveries d JOIN steps s ON s.id = d.step_id"
                " JOIN contacts_1 c ON c.id = d.contact_id WHERE d.reason = 'render_error'"
                " ORDER BY s.position, c.id"
            )
        ]


@pytest.mark.parametrize("case", CASES)
def test_a_real_run_does_what_the_simulation_said(case: str, tmp_path: Path) -> None:
    project, keys = CASES[case]
    world = made(tmp_path, project, keys, ONE_AT_A_TIME.get(case, STEPS))
    assumed = Assumptions.parse("opened=50%,clicked=25%,bounced=4%,unsubscribed=4%", "7")
    before = world.folder.joinpath("campaignctl.db").read_bytes()
    simulation, events = simulated(world, assumed=assumed)
    assert world.folder.joinpath("campaignctl.db").read_bytes() == before
    really_run(world, events, "7")
    assert table_of(simulation) == table(world)
    assert simulation.finished_at == world.campaign().finished_at is not None
    assert [(each.step, each.contact, each.error) for each in simulation.render_errors] == errors_of(world)
    assert len(errors_of(world)) > 0
    world.store.close()
