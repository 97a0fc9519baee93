"""Any sequence of edits of a campaign that runs: what was allowed holds, and what was refused left no trace."""

from __future__ import annotations

from collections import Counter
from email import message_from_bytes, policy
from random import Random

import pytest
from world import World

from campaignctl.errors import RefusedError
from campaignctl.flow.states import CampaignState
from campaignctl.store.checks.check import check_store

HEAD = "campaign: sale\nlist: customers\nstarter: {segment: {attribute: email, exists: true}}\nsteps:\n"
DAYS = 9
Steps = list[tuple[str, int, str]]


def text(steps: Steps) -> str:
    """A campaign whose steps come on the days that are given."""
    return HEAD + "".join(
        f"  - {{id: {name}, at: 2026-12-{day:02} 10:00, email: {{subject: {subject}, body: hello.md}}}}\n"
        for name, day, subject in steps
    )


FIRST: Steps = [("a", 1, "One"), ("b", 3, "One"), ("c", 5, "One"), ("d", 7, "One")]


def edited(steps: Steps, kind: str, which: int, day: int) -> Steps:
    """The file after one edit; its steps stay in the order of their days."""
    index = which % len(steps)
    name, at, subject = steps[index]
    changed = {
        "text": [(name, at, "Two" if subject == "One" else "One")],
        "time": [(name, day, subject)],
        "remove": [],
        "insert": [steps[index], (f"new-{which}-{day}", day, "New")],
        "rename": [(f"{name}-again", at, subject)],
    }[kind]
    found = dict.fromkeys([*steps[:index], *changed, *steps[index + 1 :]])
    return sorted(found, key=lambda step: step[1]) or steps


@pytest.mark.parametrize("seed", range(10))
def test_each_step_is_sent_once_to_everybody_with_the_text_that_was_live_when_it_began(world: World, seed: int) -> None:
    chance = Random(seed)
    world.contacts()
    world.publish(text(FIRST))
    live, expected = FIRST, Counter[tuple[str, str]]()
    for number in range(10):
        world.run_until(f"2026-12-{max(number - 2, 1):02} {'08:00' if number < 3 else '12:00'}")
        expected = began(world, live, expected)
        kind = chance.choice(["text", "time", "remove", "insert", "insert", "rename"])
        file = edited(live, kind, chance.randrange(10), chance.randint(1, DAYS))
        before = world.campaign()
        try:
            world.publish(text(file), is_live=chance.random() < 0.8)
            live = file
        except RefusedError:
            assert world.campaign() == before
    world.run_until(f"2026-12-{DAYS + 20} 12:00")
    expected = began(world, live, expected)
    assert sent(world) == Counter(dict.fromkeys(expected, 3))
    assert {name for name, _ in expected} == {name for name, _, _ in live}
    assert world.campaign().state is CampaignState.COMPLETED
    with world.store.reading() as ledger:
        assert [check for check in check_store(ledger) if not check.ok] == []


def began(world: World, live: Steps, known: Counter[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """What was known to have begun, and what has begun since with the texts of *live*."""
    texts = {name: subject for name, _, subject in live}
    seen = {name for name, _ in known}
    new = {step.name for step in world.campaign().steps if step.has_begun} - seen
    return known + Counter((name, texts[name]) for name in new)


def sent(world: World) -> Counter[tuple[str, str]]:
    """How many messages of each step left, by their subject."""
    return Counter(
        (each.key.split("/")[1], str(message_from_bytes(each.content, policy=policy.default)["Subject"]))
        for each in world.email.sent
    )
