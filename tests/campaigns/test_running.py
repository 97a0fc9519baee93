"""Whole campaigns, in virtual time."""

from __future__ import annotations

from email import message_from_bytes, policy
from fractions import Fraction
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import CONTACTS, World

from campaignctl.engine.daemon import Until
from campaignctl.errors import RefusedError
from campaignctl.flow.shares import sizes
from campaignctl.flow.states import CampaignState, StepState
from campaignctl.message.links import Purpose, Signer
from campaignctl.pausing import resume
from campaignctl.ports import Verdict
from campaignctl.store.database import member_rank
from campaignctl.store.suppressions import EMAIL, suppress


class PowerLoss(BaseException):
    """The machine stops in the middle of a line."""


HEAD = "campaign: sale\nlist: customers\nstarter: {segment: {attribute: email, exists: true}}\nsteps:\n"


def email(step: str, at: str) -> str:
    return f"{{id: {step}, at: {at}, email: {{subject: Hi, body: hello.md}}}}"


ONE = f"{HEAD}  - {email('first', '2026-12-01 10:05')}\n"
TWO = f"{ONE}  - {email('second', '2026-12-02 09:00')}\n"


def test_a_campaign_starts_five_minutes_after_it_was_published_at_the_earliest(world: World) -> None:
    # Given a first step at 10:05
    world.contacts()
    world.at("2026-12-01 10:01")

    # When it is published at 10:01
    publication = world.publish(ONE)

    # Then nothing leaves at 10:05
    world.run_until("2026-12-01 10:05:59")
    assert world.addresses == []

    # And everything at 10:06
    world.run_until("2026-12-01 10:06")
    assert publication.is_delayed_by_safety
    assert sorted(world.addresses) == ["ada@example.org", "alan@example.org", "grace@example.org"]


def test_everybody_gets_each_message_once_and_the_campaign_completes(world: World) -> None:
    world.contacts()
    world.publish(TWO)
    world.run_until("2026-12-03 00:00")
    world.run_until("2026-12-04 00:00", world.daemon())
    assert len(world.addresses) == 6
    assert world.campaign().state is CampaignState.COMPLETED
    assert world.deliveries("first") == {"sent": 3}


def test_the_audience_is_frozen_when_the_first_step_runs(world: World) -> None:
    world.contacts()
    world.publish(TWO)
    world.run_until("2026-12-01 12:00")
    world.contacts("id,email,name,country\nc-9,late@example.org,Late,FR\n")
    world.run_until("2026-12-03 00:00")
    assert "late@example.org" not in world.addresses


def test_a_contact_who_unsubscribes_between_two_steps_gets_no_second_message(world: World) -> None:
    world.contacts()
    world.publish(TWO)
    world.run_until("2026-12-01 12:00")
    world.event("first", "c-1", "unsubscribe")
    world.run_until("2026-12-03 00:00")
    assert world.addresses.count("ada@example.org") == 1
    assert world.deliveries("second") == {"sent": 2, "skipped": 1}


def test_an_unsubscribe_in_the_middle_of_a_step_holds_for_what_has_not_left(world: World) -> None:
    """Suppression is asked in the transaction that writes the intent, not when the step begins."""
    world.contacts()
    world.publish(ONE)
    world.email.capacity = 1
    taken = world.email.exchange

    def exchange(messages: object, _patience: object) -> object:
        outcomes = taken(messages)  # type: ignore[arg-type] # passed through
        if len(world.email.sent) == 1:
            world.event("first", "c-3", "unsubscribe")
        return outcomes

    world.email.exchange = exchange  # type: ignore[method-assign,assignment] # a mail server that watches
    world.run_until("2026-12-01 12:00")
    assert world.addresses == ["ada@example.org", "grace@example.org"]


def test_a_hard_bounce_suppresses_the_address(world: World) -> None:
    world.contacts()
    world.email.answer("ada@example.org", Verdict.FAILED, "hard_bounce", is_hard_bounce=True)
    world.publish(TWO)
    world.run_until("2026-12-03 00:00")
    assert world.deliveries("first") == {"failed": 1, "sent": 2}
    assert world.deliveries("second") == {"sent": 2, "skipped": 1}


def test_a_message_refused_for_now_is_sent_later_and_only_once(world: World) -> None:
    """
    A 4xx answer is not the end: the delivery is tried again, and the contact
    gets one copy. It does not hold up the campaign meanwhile.
    """
    world.contacts()
    world.email.answer("ada@example.org", Verdict.DEFERRED)
    world.publish(ONE)
    world.run_until("2026-12-01 10:06")
    assert world.deliveries("first") == {"deferred": 1, "sent": 2}
    assert world.campaign().state is CampaignState.COMPLETED
    world.run_until("2026-12-01 10:12")
    assert world.deliveries("first") == {"sent": 3}
    assert world.addresses.count("ada@example.org") == 1


def test_a_message_refused_for_five_days_has_failed(world: World) -> None:
    world.contacts()
    for _ in range(200):
        world.email.answer("ada@example.org", Verdict.DEFERRED)
    world.publish(ONE)
    world.run_until("2026-12-08 00:00")
    assert world.deliveries("first") == {"failed": 1, "sent": 2}


def test_what_a_dead_daemon_left_is_tried_again_with_the_same_message_id(world: World) -> None:
    world.contacts()
    world.publish(ONE)
    world.at("2026-12-01 10:05")
    dead = world.daemon()

    def die(messages: object, _patience: object) -> object:
        world.email.seen += [message.content.decode() for message in messages]  # type: ignore[attr-defined]
        raise PowerLoss

    alive, world.email.exchange = world.email.exchange, die  # type: ignore[method-assign,assignment]
    with pytest.raises(PowerLoss):
        world.run_until("2026-12-01 10:06", dead)
    assert world.deliveries("first") == {"sending": 3}
    first = sorted(world.email.seen)
    world.email.exchange = alive  # type: ignore[method-assign]
    world.run_until("2026-12-01 10:10")
    assert world.deliveries("first") == {"sent": 3}
    assert sorted(message.content.decode() for message in world.email.sent) == first


def test_at_most_once_leaves_what_a_dead_daemon_sent_uncertain(world: World) -> None:
    world.contacts()
    world.publish(ONE)
    world.at("2026-12-01 10:05")
    dead = world.daemon(may_repeat=False)

    def die(*_: object) -> object:
        raise PowerLoss

    alive, world.email.exchange = world.email.exchange, die  # type: ignore[method-assign,assignment] # a machine that loses its power
    with pytest.raises(PowerLoss):
        world.run_until("2026-12-01 10:06", dead)
    world.email.exchange = alive  # type: ignore[method-assign]
    world.run_until("2026-12-09 00:00", world.daemon(may_repeat=False))
    assert world.deliveries("first") == {"uncertain": 3}


def test_a_relay_that_is_down_costs_no_message(world: World) -> None:
    world.contacts()
    for address in ("ada@example.org", "grace@example.org", "alan@example.org"):
        for _ in range(3):
            world.email.answer(address, Verdict.NOT_SENT, "relay_down")
    world.publish(TWO)
    world.run_until("2026-12-03 00:00")
    assert len(world.addresses) == 6
    assert world.campaign().state is CampaignState.COMPLETED


def test_a_step_that_could_not_run_for_two_days_waits_for_a_person(world: World) -> None:
    world.contacts()
    world.publish(ONE)
    world.at("2026-12-03 12:00")
    world.run_until("2026-12-03 13:00")
    assert world.addresses == []
    assert world.campaign().step("first").state is StepState.HELD


@pytest.mark.parametrize(("word", "sent"), [("run", 3), ("skip", 0), ("{within: 3h}", 3), ("{within: 1h}", 0)])
def test_if_late_says_what_becomes_of_a_late_step(world: World, word: str, sent: int) -> None:
    world.contacts()
    world.publish(ONE.replace("list:", f"if_late: {word}\nlist:"))
    world.at("2026-12-01 12:05")
    world.run_until("2026-12-01 12:10")
    assert len(world.addresses) == sent


SPLIT = HEAD + (
    f"  - {email('first', '2026-12-01 10:05')}\n"
    "  - id: reaction\n    at: 2026-12-02 09:00\n    split:\n      by: engagement\n      of: first\n      branches:\n"
    f"        - {{name: clicked, when: clicked, steps: [{email('thanks', '2026-12-02 10:00')}, "
    "{id: mark, at: 2026-12-02 10:00, set: {engaged: true, greeting: '{{ contact.name }}!'}}]}\n"
    f"        - {{name: quiet, when: not_opened, steps: [{email('remind', '2026-12-02 11:00')}, "
    "{id: bye, at: 2026-12-02 11:00, exit: {}}]}\n"
    f"  - {email('last', '2026-12-03 09:00')}\n"
)


def test_contacts_take_the_branch_of_their_reaction_and_meet_again(world: World) -> None:
    # Given one who clicks, one who only opens, and a machine that clicks for the third
    world.contacts()
    world.publish(SPLIT)
    world.run_until("2026-12-01 12:00")
    world.event("first", "c-1", "open")
    world.event("first", "c-1", "click", url="https://shop.example")
    world.event("first", "c-2", "open")
    world.event("first", "c-3", "click", url="https://shop.example", machine=True)

    # When the split comes
    world.run_until("2026-12-04 00:00")

    # Then each takes their way, whoever matched nothing goes on, and who left stays away
    sent = {step: world.deliveries(step) for step in ("thanks", "remind", "last")}
    assert sent == {"thanks": {"sent": 1}, "remind": {"sent": 1}, "last": {"sent": 2}}
    assert world.addresses.count("alan@example.org") == 2
    with world.store.reading() as ledger:
        contacts = ledger.contact_list(world.campaign())
        rows = ledger.connection.execute(contacts.table.select().order_by(contacts.table.c.contact_key)).all()
    assert [(row.a_engaged, row.a_greeting) for row in rows] == [(1, "Ada!"), (None, None), (None, None)]


def test_random_branches_are_exact_and_the_same_on_another_machine(
    world: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    branches = "".join(
        f"        - {{name: {name}, share: {share}, steps: [{email(name + '-mail', '2026-12-01 10:05')}]}}\n"
        for name, share in (("a", "30%"), ("b", "30%"), ("c", "40%"))
    )
    text = f"{HEAD}  - id: half\n    at: 2026-12-01 10:00\n    split:\n      by: random\n      branches:\n{branches}"
    rows = [f"c-{number},u{number}@example.org,N,FR\n" for number in range(107)]
    ways = []
    for order in (rows, rows[::-1]):
        other = World(tmp_path_factory.mktemp("world"))
        other.contacts("id,email,name,country\n" + "".join(order))
        other.publish(text)
        other.run_until("2026-12-02 00:00")
        assert [other.deliveries(f"{name}-mail")["sent"] for name in "abc"] == [32, 32, 43]
        ways.append(sorted((message.recipient, message.key.split("/")[1]) for message in other.email.sent))
        other.store.close()
    assert ways[0] == ways[1]


@pytest.mark.parametrize(
    ("contacts", "shares"),
    [(1, {"a": 60, "b": 15, "c": 25}), (4000, {"a": 60, "b": 15, "c": 25}), (7, {"only": 100})],
)
def test_random_branches_follow_the_order_that_members_drew(
    world: World, contacts: int, shares: dict[str, int]
) -> None:
    """Of thousands only those near a boundary are sorted; everybody still takes the branch that a whole sort gives."""
    # Given branches of different sizes
    branches = "".join(f"        - {{name: {name}, share: {share}%}}\n" for name, share in shares.items())
    rows = "".join(f"c-{number},u{number}@example.org,N,FR\n" for number in range(contacts))
    world.contacts(f"id,email,name,country\n{rows}")

    # When the split has run
    world.publish(
        f"{HEAD}  - id: half\n    at: 2026-12-01 10:00\n    split:\n      by: random\n      branches:\n{branches}"
    )
    world.run_until("2026-12-01 11:00")

    # Then each branch has the next so many of the members by rank
    seed = world.campaign().seed
    by_rank = iter(
        sorted((f"c-{number}" for number in range(contacts)), key=lambda key: member_rank(seed, "half", key))
    )
    counts = sizes({name: Fraction(share, 100) for name, share in shares.items()}, contacts)
    expected = {name: sorted(islice(by_rank, count)) for name, count in counts.items()}
    with world.store.reading() as ledger:
        found = ledger.connection.exec_driver_sql(
            "SELECT path, contact_key FROM members"
            " JOIN ways ON ways.id = way_id JOIN contacts_1 ON contacts_1.id = contact_id"
        ).all()
    assert {name: sorted(key for path, key in found if path == f"/half={name}/") for name in counts} == expected


@given(st.lists(st.integers(1, 100), min_size=1, max_size=8), st.integers(0, 10_000))
def test_shares_give_everybody_a_branch_and_are_exact_to_one(weights: list[int], cohort: int) -> None:
    shares = {str(number): Fraction(weight, sum(weights)) for number, weight in enumerate(weights)}
    counts = sizes(shares, cohort)
    assert sum(counts.values()) == cohort
    assert all(abs(counts[name] - share * cohort) < 1 for name, share in shares.items())


def test_splits_inside_and_after_splits_keep_every_decision(world: World) -> None:
    """A member's way is the path of all decisions: a later split must not forget an earlier one."""
    world.contacts()
    inner = (
        "{id: inner, at: 2026-12-01 10:10, split: {by: segment, branches: ["
        f"{{name: ada, when: {{attribute: name, eq: Ada}}, steps: [{email('ada-mail', '2026-12-01 10:20')}]}}]}}}}"
    )
    world.publish(
        f"{HEAD}  - id: outer\n    at: 2026-12-01 10:00\n    split:\n      by: segment\n      branches:\n"
        f"        - {{name: fr, when: french, steps: [{inner}, {email('fr-mail', '2026-12-01 10:30')}]}}\n"
        "  - id: after\n    at: 2026-12-01 11:00\n    split:\n"
        "      by: segment\n      branches:\n"
        f"        - {{name: got-it, when: french, steps: [{email('got-mail', '2026-12-01 11:10')}]}}\n"
        f"        - {{name: rest, steps: [{email('rest-mail', '2026-12-01 11:10')}]}}\n"
        f"  - {email('last', '2026-12-01 12:00')}\n"
    )
    world.run_until("2026-12-02 00:00")
    steps = ("ada-mail", "fr-mail", "got-mail", "rest-mail", "last")
    assert [world.deliveries(step)["sent"] for step in steps] == [1, 2, 2, 1, 3]


def test_a_segment_split_takes_the_first_branch_that_matches(world: World) -> None:
    world.contacts()
    world.publish(
        f"{HEAD}  - id: by-country\n    at: 2026-12-01 10:00\n    split:\n      by: segment\n      branches:\n"
        f"        - {{name: fr, when: french, steps: [{email('fr-mail', '2026-12-01 10:05')}]}}\n"
        f"        - {{name: rest, steps: [{email('rest-mail', '2026-12-01 10:05')}]}}\n"
    )
    world.run_until("2026-12-02 00:00")
    assert (world.deliveries("fr-mail"), world.deliveries("rest-mail")) == ({"sent": 2}, {"sent": 1})


def test_a_message_that_cannot_be_filled_in_is_skipped_and_the_others_leave(world: World) -> None:
    world.contacts("id,email,name,country\nc-1,ada@example.org,,FR\nc-2,grace@example.org,Grace,BE\n")
    world.publish(ONE)
    world.run_until("2026-12-02 00:00")
    assert world.deliveries("first") == {"sent": 1, "skipped": 1}


def test_a_template_changed_after_publishing_changes_nothing(world: World) -> None:
    world.contacts()
    world.publish(ONE)
    world.write("hello.md", "something else")
    world.run_until("2026-12-02 00:00")
    texts = [message.content for message in world.email.sent]
    world.write("hello.md", "Hello {{ contact.name }} {{ unsubscribe_url }} {{ postal_address }}")
    assert len(texts) == 3
    assert all(b"Hello" in text and b"something else" not in text for text in texts)


def test_the_projects_own_segment_is_asked_again_when_a_message_leaves(world: World) -> None:
    world.write(
        "campaignctl.yaml", (world.folder / "campaignctl.yaml").read_text() + "segment: {attribute: country, eq: FR}\n"
    )
    world.contacts()
    world.publish(TWO)
    world.run_until("2026-12-01 12:00")
    world.contacts("id,email,name,country\nc-1,ada@example.org,Ada,DE\n")
    world.run_until("2026-12-03 00:00")
    assert world.campaign().members == 2
    assert world.deliveries("second") == {"sent": 1, "skipped": 1}


@pytest.mark.parametrize(
    ("change", "code"),
    [("10:05", "P101"), ("variants", "P104")],
)
def test_what_cannot_be_published_is_refused_and_leaves_no_trace(world: World, change: str, code: str) -> None:
    world.contacts()
    text = ONE
    if change == "variants":
        variants = "[{name: a, text: Hi}, {name: b, text: Hello}]"
        text = HEAD + f"  - {{id: first, at: 2026-12-01 10:05, sms: {{variants: {variants}}}}}\n"
    else:
        world.at("2026-12-01 11:00")
    with pytest.raises(RefusedError) as refused:
        world.publish(text)
    assert refused.value.code == code
    with pytest.raises(RefusedError):
        world.campaign()


def test_with_a_public_url_every_message_has_a_link_to_unsubscribe_that_only_we_can_make(world: World) -> None:
    """RFC 8058: one click of the mail program is enough, and needs a link over https."""
    path = world.folder / "campaignctl.yaml"
    path.write_text(path.read_text("utf-8") + "public_url: https://mail.shop.example/\n", "utf-8")
    world.contacts()
    world.publish(ONE)
    signer = Signer(1, b"0123456789abcdef")
    world.run_until("2026-12-01 12:00", world.daemon(signer=signer))
    step = world.campaign().step("first").id
    seen = set()
    for message in world.email.sent:
        parsed = message_from_bytes(message.content, policy=policy.default)
        link = str(parsed["List-Unsubscribe"]).partition(">")[0].removeprefix("<")
        assert link.startswith("https://mail.shop.example/u/")
        assert parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        text = parsed.get_body(("plain",))
        assert text is not None
        assert link in text.get_content()
        opened = signer.opened(Purpose.UNSUBSCRIBE, link.rpartition("/")[2])
        assert opened is not None
        assert opened[0] == step
        seen.add(opened[1])
    assert len(seen) == 3


def test_a_value_that_cannot_be_filled_in_holds_its_step_until_it_was_mended(world: World) -> None:
    """Nothing of the step was done, so that its text can still be changed."""
    # Given a step that counts visits, and a contact without any
    world.contacts(CONTACTS.replace("country", "visits").replace("FR", "1").replace(",BE", ","))
    visits = "{id: count, at: 2026-12-01 10:05, set: {seen: 'yes', visits: '{{ contact.visits + 1 }}'}}"
    text = f"{HEAD}  - {visits}\n  - {email('after', '2026-12-01 11:00')}\n"
    world.publish(text)

    # When it is due
    world.run_until("2026-12-01 12:00")

    # Then it is held, and nobody has got a part of it
    assert (world.campaign().state, world.campaign().step("count").state) == (CampaignState.ACTIVE, StepState.HELD)
    assert world.campaign().started_at is None
    with world.store.reading() as ledger:
        assert "visits" in str(ledger.history(world.campaign())[-1].detail["said"])
    assert world.addresses == []

    # And mended, it goes on
    world.publish(text.replace("contact.visits + 1", "(contact.visits | default(0)) + 1"))
    resume(world.store, "sale", actor="ada", now=world.clock.now())
    world.run_until("2026-12-01 13:00")
    assert len(world.addresses) == 3


def test_a_long_run_of_contacts_who_are_not_written_to_costs_no_waiting(world: World) -> None:
    # Given hundreds who have unsubscribed, and one behind them who has not
    rows = "".join(f"c-{number:03},u{number}@example.org,N,FR\n" for number in range(300))
    world.contacts(f"id,email,name,country\n{rows}d-1,ada@example.org,Ada,FR\n")
    world.publish(ONE)
    with world.store.writing() as ledger:
        for number in range(300):
            suppress(ledger.connection, EMAIL, f"u{number}@example.org", "unsubscribed", world.clock.now())
    # When the step is due
    world.at("2026-12-01 10:05")
    world.daemon().run(Until.DONE_FOR_NOW)
    # Then one pass gets to the one, and a second one finds nothing to do
    assert world.addresses == ["ada@example.org"]
    assert [report.sent for report in world.reports] == [1, 0]
