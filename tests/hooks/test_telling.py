"""Hooks: who is told of what, in which order, and what becomes of what is not taken."""

from __future__ import annotations

from datetime import timedelta
from threading import Event

import pytest
from hooks.receiver import Answer, Receiver, Told
from hooks.told import SALE, ToldWorld
from sqlalchemy import func, select, text
from world import World

from campaignctl.errors import RefusedError
from campaignctl.pausing import pause
from campaignctl.store.tables import hook_events
from campaignctl.telling import discard, discard_waiting, tell_again, turn_on

ONE_A_CONTACT = [("message.sent", "c-1"), ("message.sent", "c-2"), ("message.sent", "c-3")]
OTHER = SALE.replace("campaign: sale", "campaign: other")


def waiting(world: World) -> int:
    with world.store.reading() as ledger:
        return ledger.connection.scalars(select(func.count()).select_from(hook_events)).one()


def sold(told: ToldWorld, events: str = "message.sent", more: str = "") -> None:
    """The campaign has been sent, and nobody has been told of it."""
    told.hooked(events, more)
    told.publish()
    told.world.run_until("2026-12-01 10:10")


def journaled(told: ToldWorld, campaign: str = "sale") -> list[str]:
    with told.world.store.reading() as ledger:
        return [each.action for each in ledger.history(ledger.known_campaign(campaign)) if "hook" in each.action]


def test_a_hook_is_told_of_a_campaign_from_its_publication_to_its_end(told: ToldWorld) -> None:
    told.hooked()
    told.publish()
    told.world.run_until("2026-12-01 10:10")
    told.tell()
    assert told.taken == [
        ("campaign.published", None),
        ("campaign.started", None),
        ("step.started", "first"),
        *ONE_A_CONTACT,
        ("step.done", "first"),
        ("step.started", "mark"),
        ("step.done", "mark"),
        ("campaign.completed", None),
    ]
    assert len({each.id for each in told.receiver.taken}) == 10
    assert waiting(told.world) == 0


def test_a_hook_is_told_of_what_it_names_and_of_nothing_else(told: ToldWorld) -> None:
    sold(told, "step.done, message.sent", ", campaigns: [sale]")
    told.world.publish_file(told.world.write("other.yaml", OTHER.replace("12-01 10:05", "12-02 10:05")))
    told.world.run_until("2026-12-02 10:10")
    told.tell()
    assert told.taken == [*ONE_A_CONTACT, ("step.done", "first"), ("step.done", "mark")]


def test_a_recurring_campaign_stands_for_its_occurrences(told: ToldWorld) -> None:
    told.hooked("message.sent", ", campaigns: [digest]")
    told.publish(
        "campaign: digest\nlist: customers\n"
        "starter: {segment: {attribute: email, exists: true}, every: '0 9 * * mon'}\n"
        "steps:\n  - {id: first, at: +0d, email: {subject: Hi, body: hello.md}}\n"
    )
    told.world.run_until("2026-12-07 09:10")
    told.tell()
    assert told.taken == ONE_A_CONTACT
    assert {(each.data["campaign"], each.data["series"]) for each in told.receiver.taken} == {
        ("digest@2026-12-07", "digest")
    }


def test_several_hooks_are_told_independently_of_each_other(told: ToldWorld) -> None:
    """One that is down holds up no other."""
    told.hooked("step.done", also="  down: {endpoint: nowhere, events: [message.sent]}\n")
    text_of = (told.world.folder / "campaignctl.yaml").read_text()
    told.world.write(
        "campaignctl.yaml",
        text_of.replace("endpoints: {", "endpoints: {nowhere: {url: 'http://127.0.0.1:1/', secret: s}, "),
    )
    told.publish()
    told.world.run_until("2026-12-01 10:10")
    told.tell()
    assert told.taken == [("step.done", "first"), ("step.done", "mark")]
    assert waiting(told.world) == 3


def test_without_hooks_nothing_is_written_and_no_statement_has_a_trigger(told: ToldWorld) -> None:
    told.publish()
    told.start_daemon()
    told.world.run_until("2026-12-01 10:10")
    with told.world.store.reading() as ledger:
        triggers = text("SELECT count(*) FROM sqlite_master WHERE type = 'trigger'")
        assert ledger.connection.scalar(triggers) == 0
    assert waiting(told.world) == 0


def test_a_hook_that_is_taken_out_is_told_nothing_more_and_what_waited_is_dropped(told: ToldWorld) -> None:
    sold(told)
    told.world.write("campaignctl.yaml", (told.world.folder / "campaignctl.yaml").read_text().split("hooks:")[0])
    told.start_daemon()
    assert waiting(told.world) == 0
    with told.world.store.reading() as ledger:
        triggers = text("SELECT count(*) FROM sqlite_master WHERE type = 'trigger'")
        assert ledger.connection.scalar(triggers) == 0
        assert ledger.hook_standings() == []


def test_publishing_from_an_older_folder_takes_no_hook_away(told: ToldWorld) -> None:
    """Whoever publishes from another branch must not undo what the daemon knows."""
    sold(told)
    told.world.write("campaignctl.yaml", (told.world.folder / "campaignctl.yaml").read_text().split("hooks:")[0])
    told.world.publish_file(told.world.write("other.yaml", OTHER.replace("12-01 10:05", "12-02 10:05")))
    assert waiting(told.world) == 3


# what answers mean


def test_what_is_not_taken_for_now_is_told_again_with_the_same_id_and_body_before_what_followed(
    told: ToldWorld,
) -> None:
    sold(told)
    told.receiver.answering = lambda _: Answer(503)
    told.tell()
    assert [each.short for each in told.receiver.heard] == ONE_A_CONTACT[:1]
    told.receiver.answering = lambda _: Answer()
    told.tell()
    assert len(told.receiver.heard) == 1, "not before five seconds have passed"
    told.world.clock.set_to(told.world.clock.now() + timedelta(seconds=5))
    told.tell()
    assert told.taken == ONE_A_CONTACT
    first, again = told.receiver.heard[:2]
    assert (first.id, first.body) == (again.id, again.body)


def test_retry_after_is_obeyed(told: ToldWorld) -> None:
    sold(told)
    told.receiver.answering = lambda _: Answer(429, (("Retry-After", "600"),))
    before = told.world.clock.now()
    told.tell()
    assert told.wake_at() == before + timedelta(minutes=10)
    told.world.clock.set_to(before + timedelta(minutes=10))
    told.receiver.answering = lambda _: Answer()
    told.tell()
    assert told.taken == ONE_A_CONTACT


@pytest.mark.parametrize("status", [401, 403])
def test_a_hook_that_knows_us_not_pauses_no_campaign(told: ToldWorld, status: int) -> None:
    sold(told)
    told.receiver.answering = lambda _: Answer(status)
    told.tell()
    assert told.world.campaign().state == "completed"
    assert waiting(told.world) == 3
    assert len(told.receiver.heard) == 1


@pytest.mark.parametrize("status", [400, 404, 422, 302])
def test_a_poisonous_event_is_given_up_at_once_and_can_be_told_by_hand(told: ToldWorld, status: int) -> None:
    sold(told)
    told.receiver.answering = lambda each: Answer(status) if each.data["contact"] == "c-2" else Answer()
    told.tell()
    assert told.taken == [ONE_A_CONTACT[0], ONE_A_CONTACT[2]]
    with told.world.store.reading() as ledger:
        (letter,) = ledger.dead_letters("crm")
        (standing,) = ledger.hook_standings()
    assert (letter.type, letter.contact, letter.attempts, letter.said) == ("message.sent", "c-2", 1, f"{status}")
    assert (standing.waiting, standing.dead, standing.is_stuck) == (0, 1, False)
    assert journaled(told) == ["hook_gave_up"]
    # Mended on the other side, it is told with the id that it had
    told.receiver.answering = lambda _: Answer()
    assert tell_again(told.world.store, "crm", [letter.event], actor="ada", now=told.world.clock.now()) == 1
    told.tell()
    assert told.taken[-1] == ONE_A_CONTACT[1]
    assert len({each.id for each in told.receiver.heard if each.data["contact"] == "c-2"}) == 1
    assert waiting(told.world) == 0
    assert journaled(told) == ["hook_gave_up", "hook_retried"]


def test_what_is_told_again_by_hand_comes_before_what_waits(told: ToldWorld) -> None:
    sold(told)
    told.receiver.answering = lambda each: Answer({"c-1": 400, "c-2": 200, "c-3": 503}[each.data["contact"]])
    told.tell()
    tell_again(told.world.store, "crm", [], actor="ada", now=told.world.clock.now())
    told.world.clock.set_to(told.world.clock.now() + timedelta(minutes=1))
    told.receiver.answering = lambda _: Answer()
    told.tell()
    assert told.taken == [ONE_A_CONTACT[1], ONE_A_CONTACT[0], ONE_A_CONTACT[2]]


def test_what_nobody_answers_is_given_up_after_its_time_and_only_the_first_of_all_that_waits(told: ToldWorld) -> None:
    sold(told, more=", give_up_after: 1h")
    told.receiver.answering = lambda _: Answer(500)
    started = told.world.clock.now()
    told.tell()
    while (wake_at := told.wake_at()) is not None and wake_at < started + timedelta(hours=1):
        told.world.clock.set_to(wake_at)
        told.tell()
    assert {each.short for each in told.receiver.heard} == {ONE_A_CONTACT[0]}
    assert wake_at == started + timedelta(hours=1)
    told.receiver.answering = lambda each: Answer(500 if each.data["contact"] == "c-1" else 200)
    told.world.clock.set_to(wake_at)
    told.tell()
    assert told.taken == ONE_A_CONTACT[1:]
    with told.world.store.reading() as ledger:
        (letter,) = ledger.dead_letters()
    assert letter.contact == "c-1"
    assert letter.attempts > 5


def test_a_hook_that_says_that_it_is_gone_is_off_until_a_person_wants_it(told: ToldWorld) -> None:
    sold(told)
    told.receiver.answering = lambda _: Answer(410)
    told.tell()
    told.world.clock.set_to(told.world.clock.now() + timedelta(days=7))
    told.start_daemon()
    told.tell()
    assert len(told.receiver.heard) == 1
    assert told.wake_at() is None, "a run that ends when nothing is to come does not wait for a person"
    # What happens meanwhile waits as well
    told.world.publish_file(told.world.write("other.yaml", OTHER.replace("12-01 10:05", "12-09 10:05")))
    told.world.run_until("2026-12-09 10:10")
    told.receiver.answering = lambda _: Answer()
    assert turn_on(told.world.store, "crm", actor="ada", now=told.world.clock.now()) == 6
    told.tell()
    assert sorted(told.taken) == sorted(ONE_A_CONTACT * 2)
    with pytest.raises(RefusedError, match="is on"):
        turn_on(told.world.store, "crm", actor="ada", now=told.world.clock.now())


def test_what_was_thrown_away_is_not_told(told: ToldWorld) -> None:
    sold(told)
    told.receiver.answering = lambda each: Answer({"c-1": 400, "c-2": 503}[each.data["contact"]])
    told.tell()
    now = told.world.clock.now()
    with pytest.raises(RefusedError, match="no event 99"):
        discard(told.world.store, "crm", [99], actor="ada", now=now)
    assert discard(told.world.store, "crm", [], actor="ada", now=now) == 1
    assert discard_waiting(told.world.store, "crm", actor="ada", now=now) == 2
    assert waiting(told.world) == 0
    assert journaled(told) == ["hook_gave_up", "hook_discarded", "hook_discarded"]


def test_a_slow_campaign_holds_up_no_other(told: ToldWorld) -> None:
    """The receiver answers nothing about one campaign until it has heard all of the other."""
    told.hooked("message.sent")
    told.publish()
    told.world.publish_file(told.world.write("other.yaml", OTHER))
    told.world.run_until("2026-12-01 10:10")
    heard_all = Event()

    def answering(each: Told) -> Answer:
        if each.data["campaign"] == "sale":
            heard_all.wait(30)
        elif each.data["contact"] == "c-3":
            heard_all.set()
        return Answer()

    told.receiver.answering = answering
    told.tell()
    assert [each.data["campaign"] for each in told.receiver.taken] == ["other"] * 3 + ["sale"] * 3


def test_a_connection_is_kept_for_what_follows(told: ToldWorld) -> None:
    sold(told)
    told.tell()
    assert told.taken == ONE_A_CONTACT
    assert told.receiver.connections == 1


def test_of_many_campaigns_each_is_told_once(told: ToldWorld) -> None:
    """More than are told of at a time: none is forgotten, and none is told by two threads at once."""
    told.hooked("step.done")
    told.publish()
    for number in range(9):
        told.world.publish_file(told.world.write("c.yaml", SALE.replace("campaign: sale", f"campaign: c-{number}")))
    told.world.run_until("2026-12-01 10:10")
    told.tell()
    assert len(told.receiver.heard) == len({each.id for each in told.receiver.taken}) == 20


def test_people_hear_once_that_a_hook_does_not_listen_and_each_time_that_something_is_given_up(
    told: ToldWorld,
) -> None:
    sold(told)
    statuses = iter([503, 503, 400, 200, 200])
    told.receiver.answering = lambda _: Answer(next(statuses))
    with told.teller() as teller:
        for _ in range(3):
            told.finish(teller)
            told.world.clock.set_to(told.world.clock.now() + timedelta(minutes=1))
        told.finish(teller)
    assert told.troubles == [
        "the hook `crm` about sale: it does not listen, and is told again later: 503",
        "the hook `crm` about sale: 1 events could not be told: 400",
    ]


# what happened


def test_what_another_process_writes_is_told_as_well(told: ToldWorld) -> None:
    """An unsubscribe, a pause, an import: whoever writes it, the hook is told."""
    sold(told, "campaign.paused, message.opened, contact.unsubscribed")
    told.world.event("first", "c-1", "open")
    told.world.event("first", "c-1", "open")
    told.world.event("first", "c-2", "unsubscribe")
    told.world.publish_file(told.world.write("other.yaml", OTHER.replace("12-01 10:05", "12-02 10:05")))
    pause(told.world.store, "other", actor="ada", now=told.world.clock.now())
    told.tell()
    assert sorted(told.taken) == [
        ("campaign.paused", None),
        ("contact.unsubscribed", "c-2"),
        ("message.opened", "c-1"),
    ]


def test_an_event_of_a_contact_that_the_list_has_no_more_names_nobody(told: ToldWorld) -> None:
    sold(told)
    with told.world.store.writing() as ledger:
        ledger.connection.execute(text("DELETE FROM contacts_1 WHERE contact_key = 'c-2'"))
    told.tell()
    assert [each.data["contact"] for each in told.receiver.taken] == ["c-1", None, "c-3"]
    assert not any(b"@" in each.body for each in told.receiver.heard)


def test_a_key_that_is_no_text_of_any_kind_is_told(told: ToldWorld) -> None:
    told.hooked("message.sent")
    told.world.at("2026-12-01 09:00")
    told.world.contacts('id,email,name\n"ключ \U0001f511 ""x""",ada@example.org,Ada\n')
    told.world.publish(SALE)
    told.world.run_until("2026-12-01 10:10")
    told.tell()
    assert told.taken == [("message.sent", 'ключ \U0001f511 "x"')]


def test_the_receiver_sees_a_wrong_signature(told: ToldWorld) -> None:
    """That the other tests prove something: a secret that differs is answered with 401."""
    sold(told)
    file = told.world.folder / "campaignctl.yaml"
    file.write_text(file.read_text().replace("secret: whsec_", "secret: whsec_AAAA"))
    told.tell()
    assert told.receiver.heard == []
    assert waiting(told.world) == 3


def test_a_hook_whose_receiver_is_down_hears_all_of_it_later(told: ToldWorld) -> None:
    sold(told)
    with Receiver() as away:
        dead_url = away.url
    file = told.world.folder / "campaignctl.yaml"
    right = file.read_text()
    file.write_text(right.replace(told.receiver.url, dead_url))
    told.tell()
    file.write_text(right)
    told.world.clock.set_to(told.world.clock.now() + timedelta(seconds=5))
    told.tell()
    assert told.taken == ONE_A_CONTACT
