"""From a message that left to what became of it: the mark comes back, and the campaign knows."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from email import message_from_bytes

import pytest
from providers.mail_of_providers import NOW, ORIGIN
from sqlalchemy import select, text
from world import PROJECT, World

from campaignctl.message.links import Purpose
from campaignctl.ports import Verdict
from campaignctl.providers.event import Happened, ProviderEvent
from campaignctl.providers.taking import Taken, take
from campaignctl.store.checks.check import check_store
from campaignctl.store.suppressions import all_suppressions
from campaignctl.store.tables import events
from campaignctl.wiring import keys_of, signer_of

CAMPAIGN = (
    "campaign: sale\nlist: customers\nsegment: french\nat: 2026-12-01 10:05\nemail: {subject: Hi, body: hello.md}\n"
)


@pytest.fixture
def sent(world: World) -> World:
    """A campaign that has sent its message to Ada and Alan."""
    return run(world)


def run(world: World) -> World:
    world.write(
        "campaignctl.yaml", f"{PROJECT}public_url: {ORIGIN}\nproviders: {{postmark: {{token: '${{TOKEN}}'}}}}\n"
    )
    world.contacts()
    world.at("2026-12-01 10:00")
    world.publish(CAMPAIGN)
    world.run_until("2026-12-01 10:30")
    return world


def mark_of(world: World, address: str = "ada@example.org") -> str:
    """What a provider reads in the message, and gives back."""
    content = next(message.content for message in world.email.sent if message.recipient == address)
    return str(message_from_bytes(content)["X-PM-Metadata-campaignctl"])


def told(
    world: World, kind: Happened, *, at: datetime | None = NOW, address: str = "ada@example.org", **more: object
) -> ProviderEvent:
    return ProviderEvent(kind, at, mark_of(world, address), **more)  # type: ignore[arg-type] # named by tests


def bring(world: World, *events: ProviderEvent) -> Taken:
    return take(world.store, keys_of(world.store), events, world.clock.now())


def kinds(world: World) -> Counter[str]:
    with world.store.reading() as ledger:
        return Counter(ledger.connection.scalars(select(events.c.kind)))


def suppressed(world: World) -> list[tuple[str, str, str]]:
    with world.store.reading() as ledger:
        return [(each.channel, each.address, each.reason) for each in all_suppressions(ledger.connection)]


def is_sound(world: World) -> bool:
    with world.store.reading() as ledger:
        return all(found.ok for found in check_store(ledger))


@pytest.mark.parametrize(
    "kind", [Happened.OPEN, Happened.CLICK, Happened.COMPLAINT, Happened.UNSUBSCRIBE, Happened.BOUNCE]
)
def test_an_event_counts_once_however_often_it_comes(sent: World, kind: Happened) -> None:
    event = told(sent, kind)
    assert bring(sent, event, event).added == 1
    assert bring(sent, event) == Taken(read=1)
    assert kinds(sent) == {kind.value: 1}


def test_two_opens_of_one_message_are_two(sent: World) -> None:
    bring(sent, told(sent, Happened.OPEN), told(sent, Happened.OPEN, at=NOW + timedelta(seconds=1)))
    assert kinds(sent) == {"open": 2}


@pytest.mark.parametrize(
    ("kind", "more", "reason"),
    [
        (Happened.BOUNCE, {"is_hard": True}, "hard_bounce"),
        (Happened.COMPLAINT, {}, "complaint"),
        (Happened.UNSUBSCRIBE, {}, "unsubscribed"),
    ],
)
def test_who_has_no_address_or_has_enough_is_suppressed(
    sent: World, kind: Happened, more: dict[str, bool], reason: str
) -> None:
    assert bring(sent, told(sent, kind, **more)).newly_suppressed == 1
    assert suppressed(sent) == [("email", "ada@example.org", reason)]


@pytest.mark.parametrize("kind", [Happened.DELIVERED, Happened.OPEN, Happened.CLICK, Happened.BOUNCE])
def test_nobody_else_is_suppressed(sent: World, kind: Happened) -> None:
    bring(sent, told(sent, kind))
    assert suppressed(sent) == []


def test_opens_of_machines_are_kept_as_such(sent: World) -> None:
    bring(sent, told(sent, Happened.OPEN, is_machine=True), told(sent, Happened.CLICK, url="https://shop.example/x"))
    with sent.store.reading() as ledger:
        rows = ledger.connection.execute(select(events.c.kind, events.c.is_machine, events.c.url)).all()
    assert {tuple(row) for row in rows} == {("open", True, ""), ("click", False, "https://shop.example/x")}


def test_a_message_that_arrived_is_no_event(sent: World) -> None:
    assert bring(sent, told(sent, Happened.DELIVERED)) == Taken(read=1)
    assert kinds(sent) == {}


@pytest.mark.parametrize(
    ("kind", "more", "state"),
    [
        (Happened.DELIVERED, {}, "sent"),
        (Happened.OPEN, {}, "sent"),
        (Happened.BOUNCE, {}, "sent"),
        (Happened.BOUNCE, {"is_hard": True}, "failed"),
    ],
)
def test_evidence_gives_a_verdict_to_a_message_that_had_none(
    world: World, kind: Happened, more: dict[str, bool], state: str
) -> None:
    world.email.answer("ada@example.org", Verdict.UNCERTAIN, "line_lost")
    world.write("campaignctl.yaml", PROJECT + f"public_url: {ORIGIN}\nsend: {{guarantee: at_most_once}}\n")
    world.contacts()
    world.at("2026-12-01 10:00")
    world.publish(CAMPAIGN)
    world.run_until("2026-12-01 10:30", world.daemon(may_repeat=False))
    assert world.deliveries("sale") == {"uncertain": 1, "sent": 1}

    mark = signer_of(world.store, world.clock).token(Purpose.EVENT, world.campaign().step("sale").id, 1)
    bring(world, ProviderEvent(kind, NOW, mark, **more))  # type: ignore[arg-type] # named above
    assert world.deliveries("sale") == dict(Counter([state, "sent"]))
    assert is_sound(world)


def test_what_proves_both_is_proof_that_it_was_sent(world: World) -> None:
    """A message that was opened had arrived, whatever a later bounce says."""
    test_evidence_gives_a_verdict_to_a_message_that_had_none(world, Happened.OPEN, {}, "sent")
    mark = signer_of(world.store, world.clock).token(Purpose.EVENT, world.campaign().step("sale").id, 1)
    bring(world, ProviderEvent(Happened.BOUNCE, NOW, mark, is_hard=True))
    assert world.deliveries("sale") == {"sent": 2}


@pytest.mark.parametrize("mark", ["", "no mark", "A" * 36])
def test_events_about_other_mail_are_counted_and_nothing_more(sent: World, mark: str) -> None:
    assert bring(sent, ProviderEvent(Happened.COMPLAINT, NOW, mark)) == Taken(read=1, unmatched=1)
    assert suppressed(sent) == []


def test_a_mark_of_a_delivery_that_is_not_here_is_unmatched(sent: World) -> None:
    mark = signer_of(sent.store, sent.clock).token(Purpose.EVENT, 999, 1)
    assert bring(sent, ProviderEvent(Happened.OPEN, NOW, mark)) == Taken(read=1, unmatched=1)


def test_a_token_of_another_kind_is_no_mark(sent: World) -> None:
    token = signer_of(sent.store, sent.clock).token(Purpose.UNSUBSCRIBE, sent.campaign().step("sale").id, 1)
    assert bring(sent, ProviderEvent(Happened.COMPLAINT, NOW, token)).unmatched == 1


def test_who_answers_stop_is_suppressed_for_text_messages_alone(sent: World) -> None:
    stop = ProviderEvent(Happened.UNSUBSCRIBE, None, "", phone="+33612345678")
    assert bring(sent, stop) == Taken(read=1, newly_suppressed=1)
    assert bring(sent, stop) == Taken(read=1)
    assert suppressed(sent) == [("sms", "+33612345678", "unsubscribed")]


@pytest.mark.parametrize("kind", [Happened.BOUNCE, Happened.DELIVERED])
def test_other_news_of_other_text_messages_change_nothing(sent: World, kind: Happened) -> None:
    other = ProviderEvent(kind, None, "", is_hard=True, phone="+33612345678")
    assert bring(sent, other) == Taken(read=1, unmatched=1)
    assert suppressed(sent) == []


@pytest.mark.parametrize(("kind", "reason"), [(Happened.BOUNCE, "hard_bounce"), (Happened.UNSUBSCRIBE, "unsubscribed")])
def test_a_number_that_takes_no_text_messages_is_suppressed_as_the_provider_writes_it(
    sent: World, kind: Happened, reason: str
) -> None:
    """The contact's address of e-mail has done nothing."""
    event = told(sent, kind, is_hard=True, phone="+33612345678")
    with sent.store.writing() as ledger:
        ledger.connection.execute(text("UPDATE steps SET verb = 'sms'"))
    assert bring(sent, event) == Taken(read=1, added=1, newly_suppressed=1)
    assert suppressed(sent) == [("sms", "+33612345678", reason)]


def test_an_event_without_an_instant_counts_once_too(sent: World) -> None:
    event = told(sent, Happened.BOUNCE, at=None)
    assert [bring(sent, event).added, bring(sent, event).added] == [1, 0]


def test_a_contact_who_is_gone_has_events_and_no_address(sent: World) -> None:
    event = told(sent, Happened.COMPLAINT)
    with sent.store.writing() as ledger:
        table = ledger.connection.scalar(text("SELECT name FROM sqlite_master WHERE name LIKE '%contacts%'"))
        ledger.connection.execute(text(f"DELETE FROM {table} WHERE id = 1"))
    assert bring(sent, event) == Taken(read=1, added=1)
    assert suppressed(sent) == []


def test_without_providers_messages_have_no_mark(world: World) -> None:
    world.contacts()
    world.at("2026-12-01 10:00")
    world.publish(CAMPAIGN)
    world.run_until("2026-12-01 10:30")
    assert all(b"campaignctl" not in message.content.lower() for message in world.email.sent)
