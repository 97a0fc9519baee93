"""Why a contact got what: every outcome is explained in a sentence."""

from __future__ import annotations

import pytest
from world import World

from campaignctl.errors import RefusedError
from campaignctl.pausing import pause
from campaignctl.ports import Verdict
from campaignctl.store.suppressions import EMAIL, suppress
from campaignctl.tracing import Trace, TracedStep, trace

CONTACTS = (
    "id,email,name,country\nc-1,ada@example.org,Ada,FR\nc-2,grace@example.org,Grace,FR\n"
    "c-3,alan@example.org,Alan,FR\nc-4,mary@example.org,Mary,BE\nc-5,,Emil,FR\nc-6,kay@example.org,,FR\n"
)
HEAD = "campaign: sale\nlist: customers\nstarter: {segment: SEGMENT}\nsteps:\n"
FIRST = "  - {id: first, at: 2026-12-01 10:05, email: {subject: Hi, body: hello.md}}\n"
CAMPAIGN = HEAD.replace("SEGMENT", "{segment: french}") + FIRST
TREE = f"""{CAMPAIGN}  - id: reaction
    at: 2026-12-02 09:00
    split:
      by: engagement
      of: first
      branches:
        - {{name: clicked, when: clicked, steps: [{{id: mark, at: 2026-12-02 10:00, set: {{keen: true}}}}]}}
        - name: quiet
          when: not_opened
          steps:
            - {{id: remind, at: 2026-12-02 11:00, email: {{subject: Hi, body: hello.md}}}}
            - {{id: bye, at: 2026-12-02 11:00, exit: {{}}}}
  - {{id: last, at: 2026-12-03 09:00, email: {{subject: Hi, body: hello.md}}}}
"""


def traced(world: World, contact: str) -> Trace:
    with world.store.reading() as ledger:
        return trace(ledger, "sale", contact, world.clock.now())


def step(world: World, contact: str, name: str = "first") -> TracedStep:
    return next(each for each in traced(world, contact).steps if each.step == name)


@pytest.fixture
def shop(world: World) -> World:
    world.contacts(CONTACTS)
    return world


@pytest.mark.parametrize(
    ("segment", "said"),
    [
        ("{segment: french}", "not in the segment `french`: `country` is BE; wanted: is FR."),
        ("{attribute: vip, eq: true}", "`vip` has no value; wanted: is True."),
        ("[{attribute: name, exists: true}, {attribute: country, in: [FR, DE]}]", "wanted: is one of FR, DE."),
        (
            "{any: [{attribute: country, eq: FR}, {opened: news}]}",
            "none of these holds: `country` is FR, opened `news`.",
        ),
        ("{none: [{attribute: country, ne: FR}]}", "excluded, because it holds: `country` is not FR."),
        (
            "{at_least: 2, of: [{attribute: name, exists: true}, {segment: french}]}",
            "only 1 of these hold, and 2 have to: `name` has a value, is in the segment `french`.",
        ),
        ("{in_campaign: welcome}", "it does not hold: is a member of `welcome`."),
    ],
)
def test_who_is_not_in_the_audience_is_told_by_which_condition(shop: World, segment: str, said: str) -> None:
    shop.publish(HEAD.replace("SEGMENT", segment) + FIRST)
    before = traced(shop, "c-4")
    assert before.explanation.startswith("Nobody is a member yet")
    assert before.explanation.endswith(said)
    shop.run_until("2026-12-01 12:00")
    after = traced(shop, "c-4")
    assert not after.member
    assert after.explanation.startswith("Is not a member")
    assert after.explanation.endswith(said)
    assert (after.steps[0].outcome, after.steps[0].explanation) == ("not_a_member", "not a member")


def test_before_the_start_a_step_is_to_come(shop: World) -> None:
    shop.publish(CAMPAIGN)
    assert traced(shop, "c-1").explanation.endswith("As things are, the contact matches.")
    coming = step(shop, "c-1")
    assert (coming.outcome, coming.at) == ("to_come", shop.instant("2026-12-01 10:05"))
    assert coming.explanation == "to come on 2026-12-01 10:05"


def test_every_end_of_a_message_is_explained(shop: World) -> None:
    # Given one of each
    shop.at("2026-11-20 12:00")
    shop.publish(CAMPAIGN)
    shop.email.answer("grace@example.org", Verdict.FAILED, "hard_bounce")
    shop.email.answer("alan@example.org", Verdict.DEFERRED, "greylisted")
    with shop.store.writing() as ledger:
        suppress(ledger.connection, EMAIL, "ada@example.org", "unsubscribed", shop.clock.now())
    shop.run_until("2026-12-01 10:05")
    # Then each is told
    assert step(shop, "c-1").explanation == (
        "not sent on 2026-12-01 10:05, because the address is suppressed since 2026-11-20 12:00 (unsubscribed)"
    )
    assert step(shop, "c-2").explanation == "the address does not exist; refused for good on 2026-12-01 10:05"
    assert step(shop, "c-3").explanation.startswith("refused for now; tried again on 2026-12-01 10:")
    assert step(shop, "c-5").explanation.startswith("not sent, because the contact has no address")
    assert (step(shop, "c-6").outcome, step(shop, "c-6").reason) == ("skipped", "render_error")
    # And when the refused one is taken
    shop.run_until("2026-12-01 11:00")
    assert step(shop, "c-3").explanation.endswith("at attempt 2")


def test_the_branch_that_was_taken_is_told_with_its_reason(shop: World) -> None:
    shop.publish(TREE)
    shop.run_until("2026-12-01 12:00")
    shop.event("first", "c-1", "click", url="https://shop.example")
    shop.event("first", "c-2", "open")
    shop.run_until("2026-12-04 12:00")

    assert traced(shop, "c-1").path == ["reaction=clicked"]
    assert step(shop, "c-1").events[0].url == "https://shop.example"
    assert step(shop, "c-1", "reaction").explanation == (
        "took the branch `clicked`: did click in `first`, by what was known at that time"
    )
    assert step(shop, "c-1", "mark").outcome == "done"
    assert step(shop, "c-1", "remind").explanation == "took the branch `clicked` at `reaction`"

    assert step(shop, "c-2", "reaction").explanation.startswith("matched no branch, and went on after the split")
    assert step(shop, "c-2", "last").outcome == "sent"

    assert step(shop, "c-3", "remind").outcome == "sent"
    assert step(shop, "c-3", "bye").outcome == "done"
    assert (step(shop, "c-3", "last").outcome, step(shop, "c-3", "last").explanation) == (
        "left",
        "left the campaign at `bye`",
    )


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ("by: random, branches: [{name: a, share: 100%}]", "drawn by chance"),
        ("by: segment, branches: [{name: a, when: {attribute: name, eq: Ada}}]", "`name` is Ada"),
        ("by: segment, branches: [{name: a}]", "no other branch was theirs"),
    ],
)
def test_why_a_split_led_where_it_did(shop: World, split: str, said: str) -> None:
    shop.publish(f"{CAMPAIGN}  - {{id: half, at: 2026-12-02 09:00, split: {{{split}}}}}\n")
    shop.run_until("2026-12-03 12:00")
    assert step(shop, "c-1", "half").explanation.startswith(f"took the branch `a`: {said}")


def test_a_step_that_is_held_or_cancelled_says_why(shop: World) -> None:
    shop.publish(CAMPAIGN)
    shop.at("2026-12-04 12:00")
    shop.run_until("2026-12-04 13:00")
    assert step(shop, "c-1").explanation == ("the step is held: it could not run in time, because nothing was running")
    pause(shop.store, "sale", actor="ada", now=shop.clock.now())
    shop.stop("sale")
    assert step(shop, "c-1").explanation == "the step is cancelled: the campaign was stopped"
    assert traced(shop, "c-1").explanation.startswith("Is not a member: the campaign was stopped before it started.")


def test_nobody_can_be_traced_who_is_not_known(shop: World) -> None:
    shop.publish(CAMPAIGN)
    with pytest.raises(RefusedError, match="has no contact `c-99`"):
        traced(shop, "c-99")
