"""Events: what contacts did with messages, brought in from a file."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world import World

from campaignctl.campaign.when import When, zone_named
from campaignctl.contacts.event_file import EventReport, import_events
from campaignctl.contacts.source import Format, Source
from campaignctl.errors import WorkFailedError
from campaignctl.store.events import EventOutcome
from campaignctl.store.suppressions import all_suppressions
from campaignctl.store.tables import events

CAMPAIGN = """
campaign: sale
list: customers
segment: {attribute: country, eq: FR}
at: 2026-12-01 09:00
email: {subject: "Hi {{ contact.name }}", body: hello.md}
"""
OPEN = {"campaign": "sale", "step": "sale", "contact": "c-1", "event": "open", "at": "2026-12-01T09:30Z"}


@pytest.fixture
def sent(world: World) -> World:
    """A world in which `sale` has gone to c-1 and c-3, and not to c-2."""
    world.contacts()
    world.publish(CAMPAIGN)
    world.run_until("2026-12-01 12:00")
    assert world.addresses == ["ada@example.org", "alan@example.org"]
    return world


def lines(*given_: object) -> str:
    return "".join(json.dumps(each) + "\n" for each in given_)


def bring(world: World, text: str | bytes, *, is_trial: bool = False) -> EventReport:
    file = world.folder / "events.ndjson"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return import_events(world.store, Source(file, Format.NDJSON), world.clock.now(), is_trial=is_trial)


def suppressed(world: World) -> dict[str, str]:
    with world.store.reading() as ledger:
        return {each.address: each.reason for each in all_suppressions(ledger.connection)}


def kept(world: World) -> int:
    with world.store.reading() as ledger:
        return len(ledger.connection.execute(events.select()).all())


def test_each_event_is_there_once_however_often_it_is_brought(sent: World) -> None:
    click = {**OPEN, "event": "click", "url": "https://shop.example/a"}
    file = lines(OPEN, click, {**click, "url": "https://shop.example/b"}, OPEN, {**OPEN, "at": "2026-12-01T09:31Z"})
    assert bring(sent, file) == EventReport(5, Counter({EventOutcome.ADDED: 4, EventOutcome.KNOWN: 1}), 0)
    assert bring(sent, file).outcomes == Counter({EventOutcome.KNOWN: 5})
    assert kept(sent) == 4


def test_events_come_by_the_thousand_and_the_last_counts_as_the_first(sent: World) -> None:
    clicks = [{**OPEN, "event": "click", "url": f"https://shop.example/{number}"} for number in range(12_000)]
    last = {**OPEN, "contact": "c-3", "event": "unsubscribe"}
    file = lines(*clicks, last)
    assert bring(sent, file) == EventReport(12_001, Counter({EventOutcome.ADDED: 12_001}), 1)
    assert suppressed(sent) == {"alan@example.org": "unsubscribed"}
    assert bring(sent, file).outcomes == Counter({EventOutcome.KNOWN: 12_001})


def test_a_bounce_that_turns_out_hard_suppresses_although_it_is_known(sent: World) -> None:
    bounce = {**OPEN, "event": "bounce"}
    assert bring(sent, lines(bounce, {**bounce, "hard": True})).newly_suppressed == 1
    assert suppressed(sent) == {"ada@example.org": "hard_bounce"}


def test_events_that_belong_to_nothing_are_counted_and_left_out(sent: World) -> None:
    report = bring(
        sent,
        lines(
            {**OPEN, "campaign": "winter"},
            {**OPEN, "step": "reminder"},
            {**OPEN, "step": "reminder", "contact": "nobody"},
            {**OPEN, "contact": "nobody"},
            {**OPEN, "contact": "c-2", "event": "unsubscribe"},
            {**OPEN, "contact": "c-2", "event": "complaint"},
            OPEN,
        ),
    )
    assert report.outcomes == Counter(
        {EventOutcome.NO_STEP: 3, EventOutcome.NO_CONTACT: 1, EventOutcome.NO_DELIVERY: 2, EventOutcome.ADDED: 1}
    )
    assert (kept(sent), suppressed(sent)) == (1, {})


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"event": "unsubscribe"}, "unsubscribed"),
        ({"event": "complaint"}, "complaint"),
        ({"event": "bounce", "hard": True}, "hard_bounce"),
        ({"event": "bounce", "hard": False}, None),
        ({"event": "bounce"}, None),
        ({"event": "open", "hard": True}, None),
        ({"event": "click", "url": "https://shop.example"}, None),
    ],
)
def test_who_does_not_want_messages_or_has_no_address_is_suppressed_at_once(
    sent: World, event: dict[str, object], reason: str | None
) -> None:
    report = bring(sent, lines({**OPEN, **event}))
    assert suppressed(sent) == ({} if reason is None else {"ada@example.org": reason})
    assert report.newly_suppressed == len(suppressed(sent))


def test_the_first_reason_for_a_suppression_stays(sent: World) -> None:
    report = bring(sent, lines({**OPEN, "event": "complaint"}, {**OPEN, "event": "unsubscribe"}))
    assert (report.newly_suppressed, suppressed(sent)) == (1, {"ada@example.org": "complaint"})


def test_an_unsubscription_holds_for_messages_that_are_queued(world: World) -> None:
    world.contacts()
    world.publish(CAMPAIGN)
    world.publish(CAMPAIGN.replace("sale", "later").replace("12-01", "12-02"))
    world.run_until("2026-12-01 12:00")
    bring(world, lines({**OPEN, "event": "unsubscribe"}))
    world.run_until("2026-12-03 00:00")
    assert world.addresses == ["ada@example.org", "alan@example.org", "alan@example.org"]
    assert world.deliveries("later", "later") == {"skipped": 1, "sent": 1}


def test_events_of_several_campaigns_may_stand_in_one_file(world: World) -> None:
    world.contacts()
    world.publish(CAMPAIGN)
    world.publish(CAMPAIGN.replace("sale", "other"))
    world.run_until("2026-12-01 12:00")
    other = {**OPEN, "campaign": "other", "step": "other"}
    report = bring(world, lines(OPEN, other, {**OPEN, "step": "other"}, {**other, "contact": "c-3"}))
    assert report.outcomes == Counter({EventOutcome.ADDED: 3, EventOutcome.NO_STEP: 1})


def test_a_trial_says_what_would_happen_and_changes_nothing(sent: World) -> None:
    file = lines(OPEN, {**OPEN, "event": "unsubscribe"})
    trial = bring(sent, file, is_trial=True)
    assert (kept(sent), suppressed(sent)) == (0, {})
    assert bring(sent, file) == trial == EventReport(2, Counter({EventOutcome.ADDED: 2}), 1)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"campaign": ', "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ('["sale"]', "it is not an object"),
        (lines({name: value for name, value in OPEN.items() if name != "contact"}), "it has no `contact`"),
        (lines({**OPEN, "contact": None}), "`contact` is not text"),
        (lines({**OPEN, "contact": True}), "`contact` is not text"),
        (lines({**OPEN, "campaign": ""}), "`campaign` is not text"),
        (lines({**OPEN, "step": ["sale"]}), "`step` is not text"),
        (lines({**OPEN, "event": "opened"}), "`opened` is not something that happens with a message"),
        (lines({**OPEN, "at": "2026-12-01 09:30"}), "`2026-12-01 09:30` is not an instant"),
        (lines({**OPEN, "at": "2026-12-01T09:30"}), "`2026-12-01T09:30` is not an instant"),
        (lines({**OPEN, "at": "2026-12-01"}), "`2026-12-01` is not an instant"),
        (lines({**OPEN, "at": "2026-02-30T09:30Z"}), "`2026-02-30T09:30Z` is not an instant"),
        (lines({**OPEN, "at": 1796112000}), "`1796112000` is not an instant"),
        (lines({**OPEN, "url": {}}) + lines({**OPEN, "url": ["x"]}), "`url` is not text"),
        (lines({**OPEN, "machine": "yes"}), "`machine` is neither true nor false"),
        (lines({**OPEN, "event": "bounce", "hard": 1}), "`hard` is neither true nor false"),
        ('{"campaign": "\\ud800", "step": "s", "contact": "c", "event": "open", "at": "x"}', "`campaign`: not text"),
        (lines({**OPEN, "url": "a\0"}), "`url`: contains NUL"),
        (lines({**OPEN, "url": "x" * 70_000}), "`url`: value too long"),
    ],
)
def test_a_line_that_is_no_event_changes_nothing_and_says_what_is_wrong(sent: World, line: str, what: str) -> None:
    with pytest.raises(WorkFailedError) as refused:
        bring(sent, lines({**OPEN, "event": "unsubscribe"}) + "\n" + line)
    assert refused.value.code == "S221"
    assert what in refused.value.message
    assert refused.value.message.startswith(("line 3 is no event: ", "line 4 is no event: "))
    assert "nothing was changed" in refused.value.hint or refused.value.hint.startswith("did you mean `open`")
    assert (kept(sent), suppressed(sent)) == (0, {})


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2026-12-01T09:30Z", "2026-12-01T09:30Z"),
        ("2026-12-01T10:30+01:00", "2026-12-01T09:30Z"),
        ("2026-12-01 10:30:00.000+0100", "2026-12-01T09:30Z"),
        ("2026-11-30T23:30:00-10:00", "2026-12-01T09:30Z"),
    ],
)
def test_an_instant_is_the_same_however_it_is_written(sent: World, written: str, meant: str) -> None:
    assert bring(sent, lines({**OPEN, "at": meant})).outcomes == Counter({EventOutcome.ADDED: 1})
    assert bring(sent, lines({**OPEN, "at": written})).outcomes == Counter({EventOutcome.KNOWN: 1})
    with sent.store.reading() as ledger:
        (at,) = ledger.connection.scalars(events.select().with_only_columns(events.c.at))
    assert at == int(When.parse(meant).at(zone_named("UTC")).timestamp()) * 1_000_000


def test_keys_may_be_written_as_numbers_and_a_file_may_begin_with_a_mark(world: World) -> None:
    world.contacts("id,email,country\n17,ada@example.org,FR\n")
    world.publish(CAMPAIGN.replace("contact.name", "contact.email"))
    world.run_until("2026-12-01 12:00")
    report = bring(world, b"\xef\xbb\xbf\r\n" + lines({**OPEN, "contact": 17}).replace("\n", "\r\n").encode())
    assert report.outcomes == Counter({EventOutcome.ADDED: 1})


some_events = st.fixed_dictionaries(
    {
        "campaign": st.sampled_from(["sale", "sale", "winter"]),
        "step": st.sampled_from(["sale", "sale", "gone"]),
        "contact": st.sampled_from(["c-1", "c-2", "c-3", "nobody"]),
        "event": st.sampled_from(["open", "click", "bounce", "complaint", "unsubscribe"]),
        "at": st.sampled_from(["2026-12-01T09:30Z", "2026-12-01T09:31Z"]),
        "hard": st.booleans(),
    }
)


@given(st.lists(st.lists(some_events, max_size=6), min_size=1, max_size=3))
@settings(max_examples=25, deadline=None)
def test_whatever_is_brought_adds_up_and_suppresses_whom_it_should(
    tmp_path_factory: pytest.TempPathFactory, files: list[list[dict[str, object]]]
) -> None:
    world = World(Path(tmp_path_factory.mktemp("world")))
    world.contacts()
    world.publish(CAMPAIGN)
    world.run_until("2026-12-01 12:00")
    addresses = {"c-1": "ada@example.org", "c-3": "alan@example.org"}
    real: set[tuple[object, ...]] = set()
    unwanted: set[str] = set()
    for file in files:
        report = bring(world, lines(*file))
        assert report.outcomes.total() == report.read == len(file)
        for event in file:
            contact = str(event["contact"])
            if (event["campaign"], event["step"]) == ("sale", "sale") and contact in addresses:
                real.add((contact, event["event"], event["at"]))
                if event["event"] in ("complaint", "unsubscribe") or (event["event"] == "bounce" and event["hard"]):
                    unwanted.add(addresses[contact])
        assert kept(world) == len(real)
        assert set(suppressed(world)) == unwanted
    world.store.close()
