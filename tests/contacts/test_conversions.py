"""Conversions: which message each is credited to, whatever is heard of first."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import delete
from world import World

from campaignctl.contacts.event_file import EventReport, import_events
from campaignctl.contacts.event_line import EventReader
from campaignctl.contacts.source import Format, Source
from campaignctl.errors import WorkFailedError
from campaignctl.store.checks.check import check_store
from campaignctl.store.events import EventOutcome
from campaignctl.store.tables import conversions, events

CAMPAIGN = """
campaign: sale
list: customers
starter: {segment: french}
steps:
  - {id: first, at: 2026-12-01 09:00, email: {subject: Hi, body: hello.md}}
  - {id: second, at: 2026-12-01 10:00, email: {subject: Hi, body: hello.md}}
"""
OTHER = "campaign: other\nlist: customers\nsegment: french\nat: 2026-12-01 09:30\nemail: {subject: O, body: hello.md}\n"
STEPS = (("sale", "first"), ("sale", "second"), ("other", "other"))
NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
WINDOW = timedelta(minutes=30)
READER = EventReader(WINDOW, "customers")

Event = Mapping[str, object]


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """After three messages have gone to c-1 and c-3."""
    world = World(Path(tmp_path_factory.mktemp("world")))
    world.contacts()
    world.publish(CAMPAIGN)
    world.publish_file(world.write("other.yaml", OTHER))
    world.run_until("2026-12-01 13:00")
    assert len(world.email.sent) == 6
    yield world
    world.store.close()


def bring(world: World, told: Sequence[Event]) -> EventReport:
    file = world.write("events.ndjson", "".join(json.dumps(each) + "\n" for each in told))
    return import_events(world.store, Source(file, Format.NDJSON), world.clock.now(), READER)


def credited(world: World) -> dict[str, str | None]:
    """The step that each conversion is credited to."""
    names = {world.campaign(campaign).step(step).id: f"{campaign}/{step}" for campaign, step in STEPS}
    with world.store.reading() as ledger:
        rows = ledger.connection.execute(conversions.select()).all()
    return {row.order_id: None if row.step_id is None else names[row.step_id] for row in rows}


def forget(world: World) -> None:
    with world.store.writing() as ledger:
        ledger.connection.execute(delete(conversions))
        ledger.connection.execute(delete(events))


minutes = st.integers(0, 50).map(lambda number: NOON + timedelta(minutes=number))
named = st.sampled_from(STEPS).map(lambda names: {"campaign": names[0], "step": names[1]})
contacts = st.sampled_from(["c-1", "c-3"])
touches = st.builds(
    lambda names, contact, kind, at, machine: {
        **names, "contact": contact, "event": kind, "at": at.isoformat(), "machine": machine,
    },
    named, contacts, st.sampled_from(["open", "click"]), minutes, st.sampled_from([False, False, True]),
)  # fmt: skip
orders = st.builds(
    lambda names, contact, at: {**names, "contact": contact, "event": "conversion", "at": at.isoformat()},
    st.one_of(st.just({}), st.just({}), named), contacts, minutes,
)  # fmt: skip


def expected(touched: Sequence[Event], order: Event) -> str | None:
    """The rule in words of Python: the last click, or else the last open, by a person and within the window."""
    if "step" in order:
        return f"{order['campaign']}/{order['step']}"
    at = datetime.fromisoformat(str(order["at"]))
    found = [
        (each["event"] == "click", datetime.fromisoformat(str(each["at"])), STEPS.index((campaign, step)))
        for each in touched
        for campaign, step in STEPS
        if (each["campaign"], each["step"], each["contact"]) == (campaign, step, order["contact"])
        and not each["machine"]
        and at - WINDOW <= datetime.fromisoformat(str(each["at"])) <= at
    ]
    return "/".join(STEPS[max(found)[2]]) if found else None


@given(st.lists(touches, max_size=8), st.lists(orders, min_size=1, max_size=5), st.data())
@settings(max_examples=60, deadline=None)
def test_in_whatever_order_and_how_often_events_are_told_they_come_to_the_same(
    sent: World, touched: list[Event], ordered: list[Event], data: st.DataObject
) -> None:
    forget(sent)
    same = ("campaign", "step", "contact", "event", "at")
    touched = list({tuple(each[name] for name in same): each for each in touched}.values())
    ordered = [{**each, "id": f"order-{number}", "value": 1, "currency": "EUR"} for number, each in enumerate(ordered)]
    told = data.draw(st.permutations([*touched, *ordered]))
    again = data.draw(st.lists(st.sampled_from(told), max_size=4))
    pieces = data.draw(st.lists(st.integers(0, len(told)), max_size=3).map(sorted))
    for start, end in zip([0, *pieces], [*pieces, len(told)], strict=True):
        bring(sent, told[start:end])
    assert bring(sent, again).outcomes == Counter({EventOutcome.KNOWN: len(again)})
    wanted = {str(each["id"]): expected(touched, each) for each in ordered}
    assert credited(sent) == wanted
    counts = Counter(wanted.values())
    ids = {f"{campaign}/{step}": sent.campaign(campaign).step(step).id for campaign, step in STEPS}
    with sent.store.reading() as ledger:
        found = ledger.engagement(list(ids.values()))
        checks = {check.name: check.found for check in check_store(ledger) if not check.ok}
    assert {name: found[number].conversions for name, number in ids.items()} == {name: counts[name] for name in ids}
    assert checks == {}


def test_the_window_holds_its_ends_and_no_more(sent: World) -> None:
    forget(sent)
    click = {"campaign": "sale", "step": "first", "contact": "c-1", "event": "click", "at": NOON.isoformat()}
    moments = [NOON - timedelta(microseconds=1), NOON, NOON + WINDOW, NOON + WINDOW + timedelta(microseconds=1)]
    order = {"event": "conversion", "contact": "c-1"}
    bring(sent, [click, *({**order, "id": number, "at": at.isoformat()} for number, at in enumerate(moments))])
    assert credited(sent) == {"0": None, "1": "sale/first", "2": "sale/first", "3": None}


def test_who_did_what_is_counted_by_contact_people_before_machines(sent: World) -> None:
    forget(sent)
    click = {"campaign": "sale", "step": "first", "contact": "c-1", "event": "click", "at": NOON.isoformat()}
    bring(sent, [{**click, "machine": True}, {**click, "url": "https://shop.example"}, {**click, "event": "open"}])
    bring(sent, [{**click, "contact": "c-3", "machine": True}, {**click, "step": "second"}])
    order = {**click, "event": "conversion"}
    bring(sent, [{**order, "id": 1}, {**order, "id": 2, "value": 5, "currency": "eur"}])
    bring(sent, [{**order, "id": 3, "value": "0.1", "currency": "SEK"}, {**order, "id": 4, "contact": "c-3"}])
    number = sent.campaign().step("first").id
    with sent.store.reading() as ledger:
        found = ledger.engagement([number])[number]
    assert (found.opens.people, found.opens.machines, found.clicks.people, found.clicks.machines) == (1, 0, 1, 1)
    assert (found.conversions, found.converted, found.revenue) == (4, 2, {"EUR": 5.0, "SEK": 0.1})


def test_a_conversion_belongs_to_a_message_or_to_nobody(sent: World) -> None:
    forget(sent)
    order = {"event": "conversion", "id": 1, "contact": "c-2", "at": NOON.isoformat()}
    report = bring(sent, [{**order, "campaign": "sale", "step": "first"}, {**order, "contact": "c-9"}])
    assert report.outcomes == Counter({EventOutcome.NO_DELIVERY: 1, EventOutcome.NO_CONTACT: 1})
    assert bring(sent, [order]).outcomes == Counter({EventOutcome.ADDED: 1})
    assert credited(sent) == {"1": None}


def test_a_conversion_without_an_id_of_its_own_is_refused(sent: World) -> None:
    with pytest.raises(WorkFailedError, match="it has no `id`"):
        bring(sent, [{"event": "conversion", "contact": "c-1", "at": NOON.isoformat()}])
