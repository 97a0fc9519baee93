"""What hooks are told of each type of event, held against its page."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

from hooks.told import SALE, ToldWorld

from campaignctl.hook_settings import EVENT_TYPES
from campaignctl.leaving import ReaderLink
from campaignctl.pausing import pause, resume
from campaignctl.ports import Verdict

PAGE = (Path(__file__).parents[2] / "docs" / "hooks.md").read_text("utf-8")
LATE = """
campaign: late
list: customers
starter: {segment: {attribute: email, exists: true}}
steps:
  - {id: passed, at: 2026-12-10 09:00, if_late: skip, set: {a: 1}}
  - {id: held, at: 2026-12-10 10:00, set: {b: 1}}
"""


def everything(told: ToldWorld) -> dict[str, dict[str, Any]]:
    """A bit of life in which each type of event happens; what was told last of each."""
    world = told.world
    told.hooked()
    world.at("2026-12-01 09:00")
    world.contacts(
        "id,email,name\nc-1,ada@example.org,Ada\nc-2,grace@example.org,Grace\nc-3,,No\nc-4,alan@example.org,Alan\n"
    )
    world.publish(SALE.replace("attribute: email", "attribute: id"))
    world.email.answer("grace@example.org", Verdict.FAILED, "hard_bounce", is_hard_bounce=True)
    world.run_until("2026-12-01 10:10")
    world.event("first", "c-1", "open")
    world.event("first", "c-1", "click", url="https://shop.example/sale")
    world.event("first", "c-1", "conversion", id="order-17", value=49.9, currency="EUR")
    for kind in ("bounce", "complaint", "unsubscribe"):
        world.event("first", "c-4", kind)
    world.publish_file(world.write("late.yaml", LATE))
    pause(world.store, "late", actor="ada", now=world.clock.now())
    resume(world.store, "late", actor="ada", now=world.clock.now())
    world.clock.set_to(world.clock.now() + timedelta(days=30))
    world.run_until("2027-01-10 10:00")
    world.stop("late")
    told.tell()
    # Campaigns are told of side by side.
    return {each.type: each.data for each in sorted(told.receiver.taken, key=lambda each: each.data["campaign"])}


def test_every_type_is_told_with_the_keys_of_its_page(told: ToldWorld) -> None:
    rows = re.findall(r"^\| `(\w+\.\w+)` \| ([^|]*) \|", PAGE, re.MULTILINE)
    written = {name: {"campaign", "series", *re.findall(r"`(\w+)`", keys)} for name, keys in rows}
    assert list(written) == list(EVENT_TYPES)
    found = everything(told)
    assert {name: set(data) for name, data in found.items()} == written


def test_what_is_told_is_so(told: ToldWorld) -> None:
    found = everything(told)
    sale = {"campaign": "sale", "series": None}
    late = {"campaign": "late", "series": None}
    message = {**sale, "step": "first", "channel": "email"}
    assert found == {
        "campaign.published": {**sale, "version": 1},
        "campaign.started": {**sale, "version": 1, "members": 4},
        "campaign.paused": {**late, "version": 1, "reason": None},
        "campaign.resumed": {**late, "version": 1, "released": []},
        "campaign.stopped": {**late, "version": 1, "sent": 0, "cancelled": 0, "in_flight": 0},
        "campaign.completed": {**sale, "version": 1},
        "step.started": {**sale, "step": "mark", "verb": "set", "cohort": 4},
        "step.held": {**late, "step": "held", "verb": "set", "reason": "too_late"},
        "step.skipped": {**late, "step": "passed", "verb": "set", "reason": "too_late"},
        "step.done": {**sale, "step": "mark", "verb": "set", "cohort": 4},
        "message.sent": {**message, "contact": "c-4"},
        "message.failed": {**message, "contact": "c-2", "reason": "hard_bounce"},
        "message.skipped": {**message, "contact": "c-3", "reason": "no_address"},
        "message.bounced": {**message, "contact": "c-4"},
        "message.opened": {**message, "contact": "c-1", "machine": False},
        "message.clicked": {**message, "contact": "c-1", "url": "https://shop.example/sale", "machine": False},
        "message.complained": {**message, "contact": "c-4"},
        "message.converted": {**message, "contact": "c-1", "id": "order-17", "value": 49.9, "currency": "EUR"},
        "contact.unsubscribed": {**message, "contact": "c-4", "topic": None},
    }


def test_who_left_a_topic_left_that_alone(told: ToldWorld) -> None:
    told.hooked("contact.unsubscribed", also="topics: {offers: {title: Offers}}\n")
    told.publish(SALE.replace("body: hello.md}", "body: hello.md, topic: offers}"))
    told.world.run_until("2026-12-01 10:10")
    topics, step = told.world.project.project.topic_attributes, told.world.campaign().step("first")
    link = ReaderLink(told.world.store, topics, step.id, 1)
    link.leave_topic(told.world.clock.now())
    told.tell()
    (left,) = told.receiver.taken
    assert (left.data["contact"], left.data["topic"]) == ("c-1", "offers")


def test_the_example_of_the_page_has_the_form_of_what_is_told(told: ToldWorld) -> None:
    (example,) = map(json.loads, re.findall(r"^```json\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))
    found = everything(told)
    body = next(json.loads(each.body) for each in told.receiver.taken if each.type == example["type"])
    assert list(example) == list(body)
    assert list(example["data"]) == list(found[example["type"]])
    assert re.fullmatch(r"2026-12-01T09:10:00Z", body["timestamp"])
