"""Simulations of steps that send no e-mail, held against what then happens."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from world import World, WrittenChannel

from campaignctl.publishing import frozen
from campaignctl.simulation.run import Settings, copied, simulate
from campaignctl.store.suppressions import suppress
from campaignctl.store.tables import deliveries
from campaignctl.validation import check_file

PROJECT = """
project: shop
timezone: Europe/Paris
lists: {customers: {key: id, phone: mobile}}
channels: {sms: {endpoint: crm, country: FR}}
endpoints: {crm: {url: "https://crm.example/"}}
"""
CAMPAIGN = """
campaign: sale
list: customers
starter: {segment: {attribute: id, exists: true}}
steps:
  - {id: text, at: 2026-12-01 10:00, sms: {text: "Hi {{ contact.name }}", rate: 1/min}}
  - {id: tell, at: 2026-12-01 11:00, webhook: {endpoint: crm, per: batch, batch: 2, rate: 1/h}}
  - {id: ads, at: 2026-12-02 11:00, export: {format: csv, to: ads.csv}}
  - {id: hand-on, at: 2026-12-02 12:00, export: {format: meta, to: crm}}
"""
PEOPLE = "id,name,mobile\nc-1,Ada,+33612345678\nc-2,Bo,12\nc-3,Cy,\nc-4,Dee,+33612345679\nc-5,,+33612345670\n"
SILENT = "c-6,Eve,06 12 34 56 71\nc-7,Flo,+33 6.12.34.56.72\n"


def happened(world: World, step: str) -> tuple[int, dict[str, int], datetime | None]:
    """How many were sent, how many skipped for which reason, and when the step ended."""
    live, skipped, sent = world.campaign().step(step), dict[str, int](), 0
    with world.store.reading() as ledger:
        rows = ledger.connection.execute(
            select(deliveries.c.state, deliveries.c.reason).where(deliveries.c.step_id == live.id)
        )
        for state, reason in rows:
            sent += state == "sent"
            if state == "skipped":
                skipped[reason] = skipped.get(reason, 0) + 1
    return sent, skipped, live.finished_at


def test_texts_and_batches_leave_as_they_were_simulated(world: World) -> None:
    world.write("campaignctl.yaml", PROJECT)
    world.channels = {name: WrittenChannel(world.clock) for name in ("sms", "webhook/crm", "export/crm")}
    world.import_file(world.write("contacts.csv", PEOPLE + SILENT))
    with world.store.writing() as ledger:
        suppress(ledger.connection, "sms", "+33612345671", "unsubscribed", world.clock.now())
        suppress(ledger.connection, "sms", "+33612345672", "manual", world.clock.now())
    file = world.write("campaign.yaml", CAMPAIGN)
    checked = check_file(file, world.project, {})
    assert checked.file is not None
    version = frozen(checked.file, world.project.project, checked.files)
    with copied(world.store) as copy:
        simulated = simulate(copy, version, world.project.project, Settings(now=world.clock.now()))
    assert not (world.folder / "ads.csv").exists()

    world.publish_file(file)
    world.run_until("2026-12-03 00:00")
    text, tell, _, hand_on = simulated.steps
    assert happened(world, "text") == (text.messages, dict(text.skipped), text.step.finished_at)
    assert happened(world, "text")[:2] == (
        2,
        {"no_address": 2, "render_error": 1, "unsubscribed": 1, "suppressed": 1},
    )
    assert happened(world, "tell")[:2] == (tell.messages, dict(tell.skipped)) == (7, {})
    assert (world.folder / "ads.csv").exists()
    assert (
        happened(world, "hand-on")[:2]
        == (hand_on.messages, dict(hand_on.skipped))
        == (
            3,
            {"no_address": 2, "unsubscribed": 1, "suppressed": 1},
        )
    )
