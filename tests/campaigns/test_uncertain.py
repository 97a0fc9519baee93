"""Messages without a verdict: what a person, or what happens with the message, says of them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from world import World

from campaignctl.errors import RefusedError
from campaignctl.pausing import pause, resume
from campaignctl.ports import Verdict
from campaignctl.resolving import resolve
from campaignctl.store.suppressions import suppress
from campaignctl.store.uncertain import Resolution, UncertainDelivery

TWO = """
campaign: sale
list: customers
starter: {segment: {attribute: email, exists: true}}
steps:
  - {id: first, at: 2026-12-01 10:05, email: {subject: Hi, body: hello.md}}
  - {id: second, at: 2026-12-02 09:00, email: {subject: Hi, body: hello.md}}
"""


@pytest.fixture
def doubtful(world: World) -> World:
    """After a first step of which two of three messages have no verdict, and with at most once."""
    world.contacts()
    world.email.answer("ada@example.org", Verdict.UNCERTAIN, "no_answer")
    world.email.answer("grace@example.org", Verdict.UNCERTAIN, "no_answer")
    world.publish(TWO)
    world.run_until("2026-12-01 12:00", world.daemon(may_repeat=False))
    assert world.deliveries("first") == {"sent": 1, "uncertain": 2}
    return world


def decide(world: World, resolution: str, **more: str) -> int:
    return resolve(world.store, "sale", Resolution(resolution), actor="ada", now=world.clock.now(), **more).resolved


def uncertain(world: World) -> list[UncertainDelivery]:
    with world.store.reading() as ledger:
        return list(ledger.uncertain(ledger.known_campaign("sale")))


def journal(world: World, action: str = "uncertain_resolved") -> list[tuple[str, object]]:
    with world.store.reading() as ledger:
        entries = ledger.history(ledger.known_campaign("sale"))
    return [(entry.actor, entry.detail) for entry in entries if entry.action == action]


def test_what_has_no_verdict_is_listed_with_why_and_since_when(doubtful: World) -> None:
    since = doubtful.instant("2026-12-01 10:05")
    assert uncertain(doubtful) == [
        UncertainDelivery("sale", "first", key, since, "no_answer", None, None) for key in ("c-1", "c-2")
    ]


def test_at_least_once_says_when_it_is_tried_again(world: World) -> None:
    world.contacts()
    world.email.answer("ada@example.org", Verdict.UNCERTAIN, "no_answer")
    world.publish(TWO)
    world.run_until("2026-12-01 10:05")
    (found,) = uncertain(world)
    assert found.next_attempt_at is not None
    assert found.next_attempt_at > world.clock.now()


@pytest.mark.parametrize("word", ["sent", "failed"])
def test_a_person_s_word_ends_it_and_is_in_the_journal(doubtful: World, word: str) -> None:
    assert decide(doubtful, word) == 2
    doubtful.run_until("2026-12-01 20:00", doubtful.daemon())
    expected = {"sent": 3} if word == "sent" else {"sent": 1, "failed": 2}
    assert doubtful.deliveries("first") == expected
    assert doubtful.addresses == ["alan@example.org"]
    detail = {"step": "first", "as": word, "count": 2, "by": "by_hand", "contacts": ["c-1", "c-2"]}
    assert journal(doubtful) == [("ada", detail)]


def test_what_is_tried_again_leaves_at_once_and_once(doubtful: World) -> None:
    assert decide(doubtful, "retry", contact="c-2") == 1
    doubtful.run_until("2026-12-01 12:01", doubtful.daemon(may_repeat=False))
    assert doubtful.addresses == ["alan@example.org", "grace@example.org"]
    assert doubtful.deliveries("first") == {"sent": 2, "uncertain": 1}


def test_what_is_tried_again_in_a_pause_leaves_after_it(doubtful: World) -> None:
    pause(doubtful.store, "sale", actor="ada", now=doubtful.clock.now())
    decide(doubtful, "retry")
    doubtful.run_until("2026-12-01 13:00", doubtful.daemon(may_repeat=False))
    assert doubtful.addresses == ["alan@example.org"]
    resume(doubtful.store, "sale", actor="ada", now=doubtful.clock.now())
    doubtful.run_until("2026-12-01 14:00", doubtful.daemon(may_repeat=False))
    assert len(doubtful.addresses) == 3


def test_another_try_of_what_has_no_verdict_is_in_the_journal(world: World) -> None:
    """And only that: what was refused for now has one."""
    world.contacts()
    world.email.answer("ada@example.org", Verdict.UNCERTAIN, "no_answer")
    world.email.answer("grace@example.org", Verdict.DEFERRED, "refused_for_now")
    world.publish(TWO)
    world.run_until("2026-12-01 12:00")
    assert world.deliveries("first") == {"sent": 3}
    assert journal(world, "uncertain_retried") == [
        ("campaignctl", {"step": "first", "count": 1, "contacts": ["c-1"]}),
    ]


def test_what_must_not_be_tried_again_is_in_the_journal(doubtful: World) -> None:
    decide(doubtful, "retry")
    with doubtful.store.writing() as ledger:
        suppress(ledger.connection, "email", "ada@example.org", "unsubscribed", doubtful.clock.now())
    doubtful.run_until("2026-12-01 13:00", doubtful.daemon(may_repeat=False))
    assert doubtful.deliveries("first") == {"sent": 2, "skipped": 1}
    assert journal(doubtful, "uncertain_skipped") == [
        ("campaignctl", {"step": "first", "reason": "unsubscribed", "count": 1, "contacts": ["c-1"]}),
    ]
    assert journal(doubtful, "uncertain_retried") == [
        ("campaignctl", {"step": "first", "count": 1, "contacts": ["c-2"]}),
    ]


def test_of_a_stopped_campaign_nothing_is_tried_again(doubtful: World) -> None:
    doubtful.stop("sale")
    with pytest.raises(RefusedError) as refused:
        decide(doubtful, "retry")
    assert refused.value.code == "P115"
    assert decide(doubtful, "failed") == 2


def test_one_step_or_one_contact_can_be_chosen(doubtful: World) -> None:
    for chosen in ({"step": "second"}, {"contact": "c-3"}, {"contact": "nobody"}):
        with pytest.raises(RefusedError) as refused:
            decide(doubtful, "sent", **chosen)
        assert refused.value.code == "P116"
    with pytest.raises(RefusedError) as refused:
        decide(doubtful, "sent", step="frist")
    assert (refused.value.code, "first" in refused.value.hint) == ("P117", True)
    assert decide(doubtful, "sent", step="first", contact="c-1") == 1
    assert doubtful.deliveries("first") == {"sent": 2, "uncertain": 1}


def test_a_trial_changes_nothing(doubtful: World) -> None:
    trial = resolve(doubtful.store, "sale", Resolution.SENT, actor="ada", now=doubtful.clock.now(), is_trial=True)
    assert trial.resolved == 2
    assert len(uncertain(doubtful)) == 2
    assert journal(doubtful) == []


def test_what_got_a_verdict_meanwhile_is_left_alone(doubtful: World) -> None:
    """Somebody asks, the message is tried again and taken, and only then the answer comes."""
    with doubtful.store.reading() as ledger:
        campaign = ledger.known_campaign("sale")
        chosen = ledger.uncertain_contacts(campaign, campaign.step("first"))
    decide(doubtful, "sent", contact="c-1")
    with doubtful.store.writing() as ledger:
        count = ledger.resolve(
            campaign, campaign.step("first"), chosen, Resolution.FAILED, "by_hand", "ada", doubtful.clock.now()
        )
    assert count == 1
    assert doubtful.deliveries("first") == {"sent": 2, "failed": 1}


@pytest.mark.parametrize("kind", ["open", "click", "unsubscribe", "complaint", "bounce"])
def test_whoever_does_something_with_a_message_had_got_it(doubtful: World, kind: str) -> None:
    doubtful.event("first", "c-1", kind)
    assert doubtful.deliveries("first") == {"sent": 2, "uncertain": 1}
    detail = {"step": "first", "as": "sent", "count": 1, "by": "evidence", "contacts": ["c-1"]}
    assert journal(doubtful) == [("campaignctl", detail)]


def test_a_machine_s_open_is_evidence_too(doubtful: World) -> None:
    doubtful.event("first", "c-1", "open", machine=True)
    assert doubtful.deliveries("first") == {"sent": 2, "uncertain": 1}


def test_a_message_that_came_back_for_good_has_failed(doubtful: World) -> None:
    doubtful.event("first", "c-1", "bounce", hard=True)
    assert doubtful.deliveries("first") == {"sent": 1, "failed": 1, "uncertain": 1}
    doubtful.run_until("2026-12-03 00:00", doubtful.daemon())
    assert "ada@example.org" not in doubtful.addresses


def test_what_was_opened_did_not_come_back(doubtful: World) -> None:
    """Of a mailing list's address both may be told; what was seen had arrived."""
    events = doubtful.write(
        "events.ndjson",
        "".join(
            f'{{"campaign": "sale", "step": "first", "contact": "c-1", "event": "{kind}", "hard": true,'
            f' "at": "2026-12-01T1{hour}:00Z"}}\n'
            for kind, hour in (("bounce", 1), ("open", 2))
        ),
    )
    doubtful.bring_events(events)
    assert doubtful.deliveries("first") == {"sent": 2, "uncertain": 1}


def test_evidence_for_what_has_a_verdict_changes_nothing(doubtful: World) -> None:
    doubtful.event("first", "c-3", "bounce", hard=True)
    assert doubtful.deliveries("first") == {"sent": 1, "uncertain": 2}
    assert journal(doubtful) == []


def test_evidence_counts_for_the_messages_of_all_the_campaigns_in_a_file(doubtful: World) -> None:
    doubtful.event("second", "c-1", "open")  # not made yet
    assert journal(doubtful) == []
    doubtful.event("first", "c-1", "open")
    doubtful.event("first", "c-1", "open")
    assert len(journal(doubtful)) == 1


def test_what_is_known_to_have_been_sent_left_when_it_was_tried(doubtful: World) -> None:
    """A frequency cap counts from then."""
    doubtful.clock.set_to(doubtful.clock.now() + timedelta(days=3))
    decide(doubtful, "sent")
    with doubtful.store.reading() as ledger:
        changed = ledger.connection.exec_driver_sql(
            "SELECT COUNT(DISTINCT changed_at) FROM deliveries WHERE reason = 'by_hand'"
            " OR contact_id = (SELECT id FROM contacts_1 WHERE contact_key = 'c-3')"
        ).scalar_one()
    assert changed == 1


def test_the_journal_names_a_few_contacts_and_counts_all(world: World) -> None:
    """More than SQLite takes as parameters of one statement."""
    world.contacts("id,email,name\n" + "".join(f"c-{n:04},u{n}@example.org,N\n" for n in range(1000)))
    world.publish(TWO)
    world.run_until("2026-12-01 12:00")
    with world.store.database.writing() as connection:
        connection.exec_driver_sql("UPDATE deliveries SET state = 'uncertain'")
    assert decide(world, "sent") == 1000
    ((_, detail),) = journal(world)
    assert isinstance(detail, dict)
    assert (detail["count"], len(detail["contacts"])) == (1000, 20)
    assert world.deliveries("first") == {"sent": 1000}
