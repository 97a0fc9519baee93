"""`store check`: what it finds in a store that somebody damaged, and that it finds nothing in one at work."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from world import PROJECT, World, WrittenChannel

from campaignctl.pausing import pause
from campaignctl.ports import Verdict
from campaignctl.resolving import resolve
from campaignctl.store.checks.check import CHECKS, MOST_SHOWN, check_store
from campaignctl.store.uncertain import Resolution

CAMPAIGN = """
campaign: sale
list: customers
starter: {segment: {attribute: email, exists: true}}
steps:
  - {id: first, at: 2026-12-01 10:05, email: {subject: Hi, body: hello.md}}
  - id: half
    at: 2026-12-02 09:00
    split:
      by: engagement
      of: first
      branches:
        - name: opened
          when: opened
          steps:
            - {id: thanks, at: 2026-12-02 10:00, email: {subject: Thanks, body: hello.md}}
            - {id: enough, at: 2026-12-02 11:00, exit: {}}
        - {name: others}
  - {id: last, at: 2026-12-03 10:00, email: {subject: Bye, body: hello.md}}
"""


def found(world: World) -> dict[str, tuple[str, ...]]:
    """What each check found, without those that found nothing."""
    with world.store.reading() as ledger:
        return {check.name: check.found for check in check_store(ledger) if not check.ok}


def damage(world: World, *statements: str) -> None:
    with world.store.database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            connection.execute(text(statement))
        connection.commit()
        connection.exec_driver_sql("PRAGMA ignore_check_constraints = OFF")
        connection.exec_driver_sql("PRAGMA foreign_keys = ON")


@pytest.fixture
def ended(world: World) -> World:
    """After a whole campaign, of which one contact has opened the first message and left after the second."""
    world.contacts()
    world.publish(CAMPAIGN)
    world.run_until("2026-12-01 12:00")
    world.event("first", "c-1", "open")
    world.event("first", "c-2", "unsubscribe")
    world.event("first", "c-1", "conversion", id="order-1")
    world.run_until("2026-12-04 10:00")
    assert world.deliveries("last") == {"sent": 1, "skipped": 1}
    return world


def test_nothing_is_found_after_a_whole_campaign(ended: World) -> None:
    assert found(ended) == {}


def test_nothing_is_found_at_any_moment_of_a_campaign_with_refusals_and_crashes(world: World) -> None:
    world.contacts()
    world.email.answer("ada@example.org", Verdict.DEFERRED)
    world.email.answer("grace@example.org", Verdict.UNCERTAIN)
    world.email.answer("alan@example.org", Verdict.FAILED, "hard_bounce", is_hard_bounce=True)
    world.publish(CAMPAIGN)
    assert found(world) == {}
    for wall in ("2026-12-01 10:05", "2026-12-01 10:08", "2026-12-01 11:00", "2026-12-02 10:00", "2026-12-04 00:00"):
        world.run_until(wall)
        assert found(world) == {}, wall
    assert world.deliveries("last") == {"sent": 2, "skipped": 1}


@pytest.mark.parametrize("resolution", list(Resolution))
def test_nothing_is_found_after_a_pause_a_person_s_word_and_a_stop(world: World, resolution: Resolution) -> None:
    world.contacts()
    world.email.answer("grace@example.org", Verdict.UNCERTAIN)
    world.publish(CAMPAIGN)
    world.run_until("2026-12-01 10:05", world.daemon(may_repeat=False))
    pause(world.store, "sale", actor="ada", now=world.clock.now())
    resolve(world.store, "sale", resolution, actor="ada", now=world.clock.now())
    assert found(world) == {}
    world.stop("sale")
    assert found(world) == {}


FIRST = "step_id = (SELECT id FROM steps WHERE name = 'first')"
LAST = "step_id = (SELECT id FROM steps WHERE name = 'last')"


@pytest.mark.parametrize(
    ("check", "said", "statement"),
    [
        ("integrity", "CHECK constraint failed", "UPDATE campaigns SET state = 'resting'"),
        (
            "foreign_keys",
            "`deliveries`",
            "INSERT INTO deliveries VALUES (99, 1, 'sent', 1, 0, 0, NULL, NULL, NULL, '')",
        ),
        (
            "cohorts",
            "sale/first works on 3 members, and has 2 deliveries",
            f"DELETE FROM deliveries WHERE {FIRST} AND contact_id = 1",
        ),
        ("cohorts", "sale/first works on 4 members", "UPDATE steps SET cohort = 4 WHERE name = 'first'"),
        (
            "cohorts",
            "sale/half works on 9 members, and 3 came its way",
            "UPDATE steps SET cohort = 9 WHERE name = 'half'",
        ),
        ("cohorts", "sale/last works on 2 members, and 3 came", "UPDATE members SET left_at_step = NULL"),
        (
            "cohorts",
            "no members of its cohort",
            f"UPDATE deliveries SET contact_id = 1 WHERE {LAST} AND contact_id = 3",
        ),
        ("cohorts", "has sent nothing yet", "UPDATE steps SET cohort = NULL WHERE name = 'first'"),
        ("members", "sale says that it has 8 members, and has 3", "UPDATE campaigns SET members = 8"),
        ("members", "and has 2", "DELETE FROM members WHERE contact_id = 1"),
        (
            "final",
            "sent is final, and it would be tried again",
            f"UPDATE deliveries SET next_attempt_at = 1 WHERE {FIRST}",
        ),
        ("final", "sent is final, and a daemon holds it", f"UPDATE deliveries SET epoch = 1 WHERE {FIRST}"),
        (
            "final",
            "queued, although the step is done",
            f"UPDATE deliveries SET state = 'queued', attempts = 0, next_attempt_at = 1 WHERE {FIRST}",
        ),
        ("intents", "sent without an attempt", f"UPDATE deliveries SET attempts = 0 WHERE {FIRST}"),
        ("intents", "sending, and no daemon holds it", f"UPDATE deliveries SET state = 'sending' WHERE {FIRST}"),
        (
            "intents",
            "uncertain, and a daemon holds it",
            f"UPDATE deliveries SET state = 'uncertain', epoch = 1 WHERE {FIRST}",
        ),
        (
            "intents",
            "sending, and it would be tried a second time",
            f"UPDATE deliveries SET state = 'sending', epoch = 1, next_attempt_at = 1 WHERE {FIRST}",
        ),
        ("intents", "deferred, and it will never be tried", f"UPDATE deliveries SET state = 'deferred' WHERE {FIRST}"),
        (
            "journal",
            "1 deliveries were resolved as sent, and the journal knows of 0",
            f"UPDATE deliveries SET reason = 'by_hand' WHERE {FIRST} AND contact_id = 1",
        ),
        (
            "states",
            "sale/last is running, and its campaign is completed",
            "UPDATE steps SET state = 'running', finished_at = NULL WHERE name = 'last'",
        ),
        ("states", "sale/first is done, and has not begun", "UPDATE steps SET started_at = NULL WHERE name = 'first'"),
        ("states", "sale/first has begun, and its campaign has not", "UPDATE campaigns SET started_at = NULL"),
        (
            "states",
            "sale/first is done, and the instant of its end is not known",
            "UPDATE steps SET finished_at = NULL WHERE name = 'first'",
        ),
        ("states", "sale/first is running, and has ended", "UPDATE steps SET state = 'running' WHERE name = 'first'"),
        (
            "states",
            "sale/first is scheduled, and has no time",
            "UPDATE steps SET state = 'scheduled', effective_at = NULL WHERE name = 'first'",
        ),
        (
            "states",
            "sale/first has begun, and its cohort is not known",
            "UPDATE steps SET cohort = NULL WHERE name = 'first'",
        ),
        ("series", "sale recurs, and has steps of its own", "UPDATE campaigns SET counts_from = 1"),
        ("series", "sale is an occurrence by half", "UPDATE campaigns SET starts_at = 1"),
        ("states", "sale is completed, which does not fit", "UPDATE campaigns SET finished_at = NULL"),
        ("states", "sale is active, which does not fit", "UPDATE campaigns SET state = 'active'"),
        ("versions", "version 1 of sale is not there", "DELETE FROM versions"),
        ("versions", "lacks a file", "DELETE FROM version_files"),
        ("versions", "not what was published", "UPDATE files SET content = X'00'"),
        ("versions", "cannot be read", "UPDATE files SET content = 'text'"),
        ("journal", "cannot be read", "UPDATE journal SET detail = '{'"),
        ("versions", "not what was published", "UPDATE versions SET content = replace(content, 'Thanks', 'Thank')"),
        ("versions", "not what was published", "UPDATE versions SET content = 'no JSON'"),
        (
            "conversions",
            "`order-1` is credited to a message that its contact never had",
            f"UPDATE conversions SET {LAST}",
        ),
        ("conversions", "`order-1` is credited to a message", "UPDATE conversions SET list_id = 2"),
        ("attributes", "`customers` has no column for `name`", "ALTER TABLE contacts_1 DROP COLUMN a_name"),
        ("attributes", "the contacts of `customers` are not there", "DROP TABLE contacts_1"),
    ],
)
def test_what_somebody_damaged_is_found(ended: World, check: str, said: str, statement: str) -> None:
    damage(ended, statement)
    assert said in "\n".join(found(ended)[check])


def test_what_was_stopped_cannot_come_back(world: World) -> None:
    world.contacts()
    world.email.answer("ada@example.org", Verdict.DEFERRED)
    world.publish(CAMPAIGN)
    world.run_until("2026-12-01 10:05")
    world.stop("sale")
    damage(world, "UPDATE deliveries SET state = 'deferred', next_attempt_at = 1 WHERE state = 'cancelled'")
    assert "deferred, although the campaign was stopped" in found(world)["final"][0]
    assert "1 were cancelled when it was stopped, and 0 are now" in found(world)["journal"][0]


@pytest.mark.parametrize("word", ["unsubscribe", "complaint", "bounce"])
@pytest.mark.parametrize(("minutes", "is_found"), [(59, False), (61, True)])
def test_a_message_that_was_sent_long_after_its_contact_wanted_no_more_is_found(
    ended: World, word: str, minutes: int, is_found: bool
) -> None:
    ended.event("first", "c-3", word, hard=word == "bounce")
    since = "(SELECT since FROM suppressions WHERE address = 'alan@example.org')"
    damage(
        ended, f"UPDATE deliveries SET changed_at = {since} + {minutes * 60_000_000} WHERE {LAST} AND contact_id = 3"
    )
    assert ("suppressions" in found(ended)) is is_found
    if is_found:
        assert "sale/last: contact `c-3` is suppressed" in found(ended)["suppressions"][0]


@pytest.mark.parametrize(("seconds", "is_found"), [(59, False), (61, True)])
def test_a_message_on_its_way_to_a_suppressed_address_is_found(ended: World, seconds: int, is_found: bool) -> None:
    damage(
        ended,
        "INSERT INTO suppressions VALUES ('email', 'alan@example.org', 'by hand', 1000000)",
        f"UPDATE deliveries SET state = 'sending', epoch = 1, changed_at = {1_000_000 + seconds * 1_000_000}"
        f" WHERE {LAST} AND contact_id = 3",
    )
    assert ("suppressions" in found(ended)) is is_found


def test_a_contact_who_was_given_a_suppressed_address_later_was_not_written_to_at_it(ended: World) -> None:
    """The ledger does not keep addresses: what it cannot tell is not called wrong."""
    damage(ended, "INSERT INTO suppressions VALUES ('email', 'new@example.org', 'unsubscribed', 1)")
    ended.contacts("id,email,name,country\nc-3,new@example.org,Alan,FR\n")
    assert found(ended) == {}


TEXTS = """
campaign: texts
list: customers
starter: {segment: {attribute: id, exists: true}}
steps:
  - {id: text, at: 2026-12-01 10:05, sms: {text: Hi}}
  - {id: tell, at: 2026-12-01 10:05, webhook: {endpoint: crm}}
"""


@pytest.fixture
def texted(world: World) -> World:
    """After a text message and a webhook about one contact."""
    lists = (
        "lists: {customers: {key: id, email: email, phone: mobile}}\nendpoints: {crm: {url: 'https://crm.example/'}}"
    )
    sms = "\nchannels: {sms: {endpoint: crm, country: FR}}"
    world.write("campaignctl.yaml", PROJECT.replace("lists: {customers: {key: id, email: email}}", lists + sms))
    world.contacts("id,email,mobile\nc-1,ada@example.org,06 12 34 56 78\n")
    world.channels = {"sms": WrittenChannel(world.clock), "webhook/crm": WrittenChannel(world.clock)}
    world.publish(TEXTS)
    world.run_until("2026-12-01 12:00")
    return world


@pytest.mark.parametrize(("country", "is_found"), [("FR", True), ("BE", False)])
def test_a_text_on_its_way_to_a_suppressed_number_is_found_in_whatever_form_the_list_has_it(
    texted: World, country: str, is_found: bool
) -> None:
    damage(
        texted,
        "INSERT INTO suppressions VALUES ('sms', '+33612345678', 'unsubscribed', 1000000)",
        "UPDATE deliveries SET state = 'sending', epoch = 1, changed_at = 90000000"
        " WHERE step_id = (SELECT id FROM steps WHERE name = 'text')",
    )
    with texted.store.reading() as ledger:
        bad = {check.name: check.found for check in check_store(ledger, country) if not check.ok}
    assert ("suppressions" in bad) is is_found
    if is_found:
        assert "texts/text: contact `c-1` is suppressed (unsubscribed)" in bad["suppressions"][0]


def test_who_wants_no_letters_may_be_told_of_and_get_texts(texted: World) -> None:
    damage(texted, "INSERT INTO suppressions VALUES ('email', 'ada@example.org', 'unsubscribed', 1)")
    damage(texted, "UPDATE deliveries SET state = 'sending', epoch = 1, changed_at = 90000000")
    assert "suppressions" not in found(texted)


def test_what_is_found_a_million_times_is_told_a_few_times(world: World) -> None:
    world.contacts("id,email,name\n" + "".join(f"c-{n},u{n}@example.org,N\n" for n in range(MOST_SHOWN + 5)))
    world.publish(CAMPAIGN)
    world.run_until("2026-12-01 12:00")
    damage(world, "UPDATE deliveries SET attempts = 0")
    assert len(found(world)["intents"]) == MOST_SHOWN + 1
    assert found(world)["intents"][-1] == "and more like these"


def test_every_check_has_a_store_that_it_finds_something_in() -> None:
    damaged = {case[0] for case in test_what_somebody_damaged_is_found.pytestmark[0].args[1]}  # type: ignore[attr-defined] # pytest keeps the cases there
    # Messages of topics are looked at in tests/web/test_topics.py.
    assert damaged | {"suppressions", "topics"} == set(CHECKS)
