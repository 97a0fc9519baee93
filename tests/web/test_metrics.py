"""What Prometheus sees of a store."""

from __future__ import annotations

from web.serving import served, token_for
from world import World

from campaignctl.ports import Verdict

SALE = """
campaign: sale
list: customers
starter: {segment: {attribute: id, exists: true}}
steps:
  - {id: first, at: 2026-12-01 10:00, email: {subject: Hi, body: hello.md}}
  - {id: second, at: 2026-12-02 10:00, email: {subject: Again, body: hello.md}}
"""


def test_numbers_are_those_of_the_ledger(world: World) -> None:
    world.contacts()
    world.at("2026-11-30 10:00")
    world.publish(SALE)
    world.email.answer("ada@example.org", Verdict.FAILED)
    world.run_until("2026-12-01 10:05")
    with served(world) as client:
        assert client.get("/metrics").status_code == 401
        answer = client.get("/metrics", headers=token_for(world, "read"))
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    for line in (
        'campaignctl_campaigns{state="active"} 1',
        'campaignctl_steps{state="done"} 1',
        'campaignctl_steps{state="scheduled"} 1',
        'campaignctl_deliveries{state="sent"} 2',
        'campaignctl_deliveries{state="failed"} 1',
        'campaignctl_deliveries{state="uncertain"} 0',
        'campaignctl_contacts{list="customers"} 3',
        "campaignctl_daemon_up 0",
        "campaignctl_overdue_seconds 0",
    ):
        assert line in lines


def test_messages_that_do_not_leave_are_seen(world: World) -> None:
    world.contacts()
    world.at("2026-11-30 10:00")
    world.publish(SALE)
    world.email.answer("ada@example.org", Verdict.NOT_SENT)
    world.email.answer("grace@example.org", Verdict.NOT_SENT)
    world.email.answer("alan@example.org", Verdict.NOT_SENT)
    world.at("2026-12-01 10:00")
    world.engine().tick(world.clock.now)
    world.at("2026-12-01 10:30")
    with served(world) as client:
        lines = client.get("/metrics", headers=token_for(world, "read")).text.splitlines()
    waiting = next(line for line in lines if line.startswith("campaignctl_overdue_seconds "))
    assert float(waiting.split()[1]) >= 1500
