"""What a simulation assumes, says, and leaves alone."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from simulation.test_against_a_real_run import simulated
from world import World

from campaignctl.contacts.event_file import events_in
from campaignctl.contacts.source import Source
from campaignctl.errors import RefusedError, UsageError
from campaignctl.simulation.assumptions import Assumptions

TWO = """
campaign: sale
list: customers
starter: {segment: {attribute: email, exists: true}}
steps:
  - {id: first, at: 2026-12-01 09:00, email: {subject: One, body: hello.md}}
  - id: reaction
    at: 2026-12-02 09:00
    split: {by: engagement, of: first, branches: [{name: clicked, when: clicked, steps: [
      {id: thank, at: 2026-12-02 09:00, email: {subject: Thanks, body: hello.md}}]}]}
  - {id: second, at: 2026-12-03 09:00, email: {subject: Two, body: hello.md}}
"""
LOOP = "{% for letter in contact.name %}{{ letter }}{% endfor %} {{ unsubscribe_url }} {{ postal_address }}"


def many(number: int) -> str:
    return "id,email,name\n" + "".join(f"c-{each},c{each}@example.org,Name {each}\n" for each in range(number))


@pytest.fixture
def sale(world: World) -> World:
    world.contacts(many(200))
    world.write("campaign.yaml", TWO)
    world.at("2026-11-30 10:00")
    return world


def test_the_shares_that_are_assumed_are_exact_to_one_contact(sale: World) -> None:
    found, events = simulated(sale, assumed=Assumptions.parse("opened=30%,clicked=7.5%,unsubscribed=2%", "3"))
    of_first = [kind for step, _, kind, _ in events if step == "first"]
    assert (of_first.count("open"), of_first.count("click"), of_first.count("unsubscribe")) == (60, 15, 4)
    cohorts = {each.step.name: each.step.cohort for each in found.steps}
    assert cohorts == {"first": 200, "reaction": 200, "thank": 15, "second": 200}
    assert found.steps[3].skipped == {"unsubscribed": 4}


def test_whoever_clicks_has_opened_and_a_message_that_came_back_was_not(sale: World) -> None:
    _, events = simulated(sale, assumed=Assumptions.parse("opened=60%,clicked=50%,bounced=40%", "3"))
    who = {
        kind: {key for step, key, each, _ in events if step == "first" and each == kind}
        for kind in ("open", "click", "bounce")
    }
    assert who["click"] < who["open"]
    assert not who["open"] & who["bounce"]
    assert len(who["bounce"]) == 80


def test_the_same_seed_gives_the_same_and_another_one_something_else(sale: World) -> None:
    first, again, other = (simulated(sale, assumed=Assumptions.parse("clicked=20%", seed))[1] for seed in "112")
    assert first == again
    assert first != other


@pytest.mark.parametrize("text", ["opend=30%", "opened=30", "opened=60%,bounced=41%", "opened"])
def test_what_cannot_be_assumed_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        Assumptions.parse(text, "1")
    assert refused.value.code == "U110"


def test_events_that_are_given_happen_at_their_time(sale: World) -> None:
    lines = [
        {"campaign": "sale", "step": "first", "contact": "c-5", "event": "click", "at": "2026-12-01T10:00Z"},
        {"campaign": "sale", "step": "first", "contact": "c-6", "event": "click", "at": "2026-12-02T10:00Z"},
        {"campaign": "sale", "step": "first", "contact": "c-7", "event": "unsubscribe", "at": "2026-12-02T10:00Z"},
        {"event": "conversion", "id": 17, "contact": "c-8", "list": "customers", "at": "2026-12-02T10:00Z"},
    ]
    file = sale.write("events.ndjson", "".join(json.dumps(line) + "\n" for line in lines))
    found, _ = simulated(sale, events=list(events_in(Source(file))))
    assert [each.messages for each in found.steps] == [200, 0, 1, 199]


def test_of_a_template_that_nothing_is_proven_of_all_messages_are_rendered(sale: World) -> None:
    sale.write("hello.md", LOOP)
    sale.contacts("id,email,name\nc-3,c3@example.org,\nc-4,c4@example.org,\n")
    found, _ = simulated(sale)
    first = found.steps[0]
    assert first.checked is not None
    assert (first.checked.rendered, first.checked.not_checked, first.render_errors) == (200, 0, 2)
    assert [(each.contact, "no value" in each.error) for each in found.render_errors[:2]] == [
        ("c-3", True),
        ("c-4", True),
    ]


def test_of_too_many_a_sample_is_rendered_and_how_many_were_not_is_said(sale: World) -> None:
    sale.write("hello.md", LOOP)
    found, _ = simulated(sale, most_rendered=50)
    checked = found.steps[0].checked
    assert checked is not None
    assert checked.rendered + checked.not_checked == 200
    assert 20 < checked.rendered < 80


def test_of_a_plain_template_no_message_is_rendered_but_where_something_is_missing(sale: World) -> None:
    sale.contacts("id,email,name\nc-3,c3@example.org,\n")
    found, _ = simulated(sale)
    assert [each.checked.rendered for each in found.steps if each.checked] == [0, 0, 0]
    assert [each.render_errors for each in found.steps] == [1, 0, 0, 1]
    assert [(each.step, each.contact) for each in found.render_errors] == [("first", "c-3"), ("second", "c-3")]


def test_a_campaign_that_never_ends_has_no_end(sale: World) -> None:
    sale.write("campaign.yaml", TWO.replace("body: hello.md}}", "body: hello.md, rate: 1/d}}", 1))
    sale.contacts(many(4000))
    found, _ = simulated(sale)
    assert found.finished_at is None
    assert found.steps[0].messages == pytest.approx(3653, abs=3)


def test_a_campaign_that_runs_goes_on_from_where_it_stands(sale: World) -> None:
    sale.write("campaign.yaml", TWO.replace("body: hello.md}}", "body: hello.md, rate: 10/h}}", 1))
    sale.publish_file(sale.folder / "campaign.yaml")
    sale.run_until("2026-12-01 12:00")
    assert sale.deliveries("first") == {"sent": 31, "queued": 169}
    found, _ = simulated(sale)
    assert found.steps[0].messages == 200
    assert found.steps[0].step.finished_at == sale.instant("2026-12-01 09:00") + timedelta(minutes=6 * 199)


def test_other_campaigns_stand_still_and_what_they_sent_counts_for_the_cap(sale: World, tmp_path: Path) -> None:
    project = sale.folder / "campaignctl.yaml"
    project.write_text(project.read_text() + "send: {frequency_cap: {messages: 2, per: 7d}}\n")
    sale.publish(TWO.replace("campaign: sale", "campaign: other"))
    sale.run_until("2026-12-01 10:00")
    sale.write("campaign.yaml", TWO.replace("2026-12-0", "2026-12-1"))
    sale.write("campaign.yaml", TWO.replace("-12-01 09", "-12-01 19"))
    found, _ = simulated(sale)
    assert [each.messages for each in found.steps] == [200, 0, 0, 0]
    assert found.steps[3].skipped == {"frequency_cap": 200}
    assert [each.contact for each in found.above_cap][:2] == ["c-0", "c-1"]


def test_what_cannot_be_published_cannot_be_simulated(sale: World) -> None:
    sale.at("2026-12-02 10:00")
    with pytest.raises(RefusedError) as refused:
        simulated(sale)
    assert refused.value.code == "P101"
