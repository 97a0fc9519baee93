"""Contacts leave while the daemon sends: after the answer, no intent for them commits (invariant 8)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
from web.serving import served
from web.test_topics import TOPICS
from world import World, WrittenChannel

from campaignctl.clock import SetClock
from campaignctl.engine.daemon import Until
from campaignctl.message.links import Purpose
from campaignctl.ports import Outcome, Outgoing
from campaignctl.wiring import signer_of

NUMBER = 80
CAPACITY = 4
SALE = """
campaign: sale
list: customers
starter: {segment: {attribute: id, exists: true}}
steps:
  - {id: first, at: 2026-12-01 10:00, email: {subject: Buy, body: hello.md, topic: offers}}
"""


class HeldChannel(WrittenChannel):
    """A mail server that takes nothing until it is told to go on."""

    def __init__(self, clock: SetClock) -> None:
        super().__init__(clock, CAPACITY)
        self.is_asked = threading.Event()
        self.goes_on = threading.Event()

    def exchange(self, messages: Sequence[Outgoing], patience: timedelta | None = None) -> Sequence[Outcome]:
        if messages:
            self.is_asked.set()
            assert self.goes_on.wait(60)
        return super().exchange(messages, patience)


@pytest.fixture
def shop(world: World) -> World:
    """A campaign that is due, and a store that writes down each intent in the order of their commits."""
    world.write("campaignctl.yaml", (world.folder / "campaignctl.yaml").read_text() + TOPICS)
    world.contacts("id,email,name\n" + "".join(f"c-{each},u{each}@example.org,N\n" for each in range(1, NUMBER + 1)))
    world.email = HeldChannel(world.clock)
    world.at("2026-11-30 10:00")
    world.publish(SALE)
    world.at("2026-12-01 10:00")
    with world.store.database.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE intents (number INTEGER PRIMARY KEY, contact_id INTEGER)")
        connection.exec_driver_sql(
            "CREATE TRIGGER intent AFTER UPDATE OF state ON deliveries WHEN new.state = 'sending'"
            " BEGIN INSERT INTO intents (contact_id) VALUES (new.contact_id); END"
        )
    return world


def intents(world: World) -> list[tuple[int, int]]:
    with world.store.reading() as ledger:
        return [tuple(row) for row in ledger.connection.exec_driver_sql("SELECT number, contact_id FROM intents")]


@pytest.mark.parametrize("form", [{"List-Unsubscribe": "One-Click"}, {"action": "leave"}], ids=["topic", "everything"])
def test_after_the_answer_no_intent_commits_whatever_the_daemon_is_doing(shop: World, form: dict[str, str]) -> None:
    channel = shop.email
    assert isinstance(channel, HeldChannel)
    signer = signer_of(shop.store, shop.clock)
    daemon = shop.daemon(signer=signer)
    work = threading.Thread(target=daemon.run, args=(Until.DONE_FOR_NOW,))
    last_before: dict[int, int] = {}  # of each who left, the last intent of all at the moment of the answer

    def leave(client: httpx.Client, contact: int) -> None:
        token = signer.token(Purpose.UNSUBSCRIBE, shop.campaign().steps[0].id, contact)
        assert client.post(f"/u/{token}", data=form).status_code == 200
        last_before[contact] = max((number for number, _ in intents(shop)), default=0)

    with served(shop) as client:
        work.start()
        try:
            # Some leave while the first messages are under way
            assert channel.is_asked.wait(60)
            first = range(NUMBER, NUMBER // 2, -1)
            for contact in first:
                leave(client, contact)
            under_way = {contact for _, contact in intents(shop)}
        finally:
            channel.goes_on.set()
        # and others while everybody else is written to
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda contact: leave(client, contact), range(NUMBER // 2, 5, -1)))
        work.join()
    assert not daemon.wake_at
    broken = [(contact, number) for number, contact in intents(shop) if number > last_before.get(contact, NUMBER)]
    assert broken == []
    assert {contact for _, contact in intents(shop)} & set(first) <= under_way
    assert len(under_way) <= CAPACITY
    # Nobody else was forgotten
    stayed = {contact for contact in range(1, NUMBER + 1) if contact not in last_before}
    assert stayed <= {contact for _, contact in intents(shop)}
    counts = shop.deliveries("first")
    assert counts["sent"] + counts["skipped"] == NUMBER
