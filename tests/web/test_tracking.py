"""What messages ask the service for: their image, their links, themselves, and the way out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from email import message_from_bytes, policy

import httpx
import pytest
from sqlalchemy import update
from web.serving import served, service_of
from world import CONTACTS, PROJECT, World

from campaignctl.project import PROJECT_FILE
from campaignctl.store.hits import MOST_KEPT
from campaignctl.store.suppressions import EMAIL, suppression_of
from campaignctl.store.tables import agents, events
from campaignctl.web.service import Service
from campaignctl.wiring import signer_of

PUBLIC = "https://mail.shop.example"
CAMPAIGN = """
campaign: sale
list: customers
segment: {attribute: country, in: [FR, BE]}
at: 2026-12-01 09:00
email: {subject: Hi, body: sale.html, track: {opens: true, clicks: true}}
"""
SPLIT = """
campaign: reaction
list: customers
starter: {segment: {attribute: country, in: [FR, BE]}}
steps:
  - {id: first, at: 2026-12-02 09:00, email: {subject: Hi, body: sale.html, track: {clicks: true}}}
  - id: who
    at: 2026-12-03 09:00
    split:
      by: engagement
      of: first
      branches:
        - name: clicked
          when: clicked
          steps: [{id: thanks, at: 2026-12-03 09:30, email: {subject: Thanks, body: hello.md}}]
        - {name: rest}
"""
SALE = """<html><body><p>Hello {{ contact.name }}</p>
<a href="https://shop.example/sale?a=1&amp;b=2">Sale</a> <a href="{{ link('https://shop.example/new') }}">New</a>
<a href="https://shop.example/me?u={{ contact.id }}">Mine</a> <a href="mailto:help@shop.example">Help</a>
<a href="{{ unsubscribe_url }}">Leave</a> <a href="{{ view_url }}">View</a> {{ postal_address }}</body></html>
"""
PERSON = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
COUNTED = re.compile(rf"{PUBLIC}/([coruv])/([\w-]+)")


@dataclass
class Tracked:
    """A world whose messages have left, and the service that they lead to."""

    world: World
    service: Service
    client: httpx.Client

    def html(self, number: int = 0) -> str:
        message = message_from_bytes(self.world.email.sent[number].content, policy=policy.default)
        part = message.get_body(("html",))
        assert part is not None
        return str(part.get_content())

    def path(self, kind: str, number: int = 0, place: int = 0) -> str:
        return [found[0].removeprefix(PUBLIC) for found in COUNTED.finditer(self.html(number)) if found[1] == kind][
            place
        ]

    def seen(self) -> list[tuple[str, str, bool]]:
        """Every event that was written down: kind, URL, and whether a machine made it."""
        self.service.close()
        vars(self.service).pop("writer", None)
        with self.world.store.database.reading() as connection:
            rows = connection.execute(events.select().order_by(events.c.id)).all()
        return [(row.kind, row.url, row.is_machine) for row in rows]


@pytest.fixture
def tracked(world: World) -> Iterator[Tracked]:
    project = PROJECT.replace("email: email}", "email: email, language: lang}") + f"public_url: {PUBLIC}\n"
    world.write(PROJECT_FILE, project)
    world.write("sale.html", SALE)
    lines = CONTACTS.splitlines()
    world.contacts("\n".join([f"{lines[0]},lang", f"{lines[1]},fr-CA", f"{lines[2]},", f"{lines[3]},nl"]) + "\n")
    world.publish(CAMPAIGN)
    signer = signer_of(world.store, world.clock)
    world.run_until("2026-12-01 10:00", world.daemon(signer=signer))
    assert len(world.email.sent) == 3
    service = service_of(world)
    with served(world, service=service) as client:
        yield Tracked(world, service, client)


def test_a_link_leads_where_it_was_published_to_and_is_counted(tracked: Tracked) -> None:
    path = tracked.path("c", place=1)
    answer = tracked.client.get(path, headers=PERSON)
    assert (answer.status_code, answer.headers["location"]) == (302, "https://shop.example/new")
    first = tracked.client.get(tracked.path("c"), headers=PERSON)
    assert first.headers["location"] == "https://shop.example/sale?a=1&b=2"
    assert tracked.seen() == [
        ("click", "https://shop.example/new", False),
        ("click", "https://shop.example/sale?a=1&b=2", False),
    ]


def test_what_is_each_contacts_own_or_no_page_stays_as_it_is(tracked: Tracked) -> None:
    html = tracked.html()
    assert 'href="https://shop.example/me?u=c-1"' in html
    assert 'href="mailto:help@shop.example"' in html
    assert "shop.example/sale" not in html


def test_the_text_part_leads_through_the_same_links(tracked: Tracked) -> None:
    message = message_from_bytes(tracked.world.email.sent[0].content, policy=policy.default)
    plain = message.get_body(("plain",))
    assert plain is not None
    assert tracked.path("c") in plain.get_content()


def test_the_image_is_the_same_for_good_and_bad_tokens(tracked: Tracked) -> None:
    good, bad = tracked.client.get(tracked.path("o"), headers=PERSON), tracked.client.get("/o/nobody")
    assert good.content == bad.content
    assert {**good.headers, "date": ""} == {**bad.headers, "date": ""}
    assert good.headers["cache-control"] == "no-store"
    assert tracked.seen() == [("open", "", False)]


@pytest.mark.parametrize("kind", ["c", "o", "u", "v"])
def test_a_token_is_worth_nothing_with_a_bit_changed_or_for_another_purpose(tracked: Tracked, kind: str) -> None:
    token = tracked.path(kind).rpartition("/")[2]
    flipped = [
        token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :] for place in range(len(token))
    ]
    for other in "cuv":
        for each in flipped if other == kind else [token]:
            if other != kind or each != token:
                answer = tracked.client.get(f"/{other}/{each}", headers=PERSON)
                assert answer.status_code == 404
                assert answer.text == tracked.client.get("/c/x").text
    for each in flipped:
        tracked.client.get(f"/o/{each}", headers=PERSON)
    assert tracked.seen() == []


def test_a_scanner_that_asks_for_everything_unsubscribes_nobody_and_clicks_nothing_that_counts(
    tracked: Tracked,
) -> None:
    for number in range(3):
        for url in sorted(set(re.findall(rf"{PUBLIC}(/[^\"'<> ]+)", tracked.html(number)))):
            for method in ("HEAD", "GET"):
                assert tracked.client.request(method, url, headers=PERSON).status_code in (200, 302)
    seen = tracked.seen()
    assert {kind for kind, _, _ in seen} == {"open", "click"}
    assert all(is_machine for _, _, is_machine in seen)
    for address in ("ada", "grace", "alan"):
        assert reason(tracked, f"{address}@example.org") is None


def test_opens_and_clicks_wait_for_a_locked_store(tracked: Tracked) -> None:
    """Nobody who reads a message waits for the store, and what they did is written when it is free again."""
    clock = tracked.world.clock
    tracked.client.get(tracked.path("c"), headers=PERSON)  # from now on it is known where the links lead
    with tracked.world.store.writing():
        for second in range(1, 21):
            clock.set_to(tracked.world.instant(f"2026-12-01 10:{second:02}"))
            assert tracked.client.get(tracked.path("o"), headers=PERSON).status_code == 200
            assert tracked.client.get(tracked.path("c", 1), headers=PERSON).status_code == 302
    assert len(tracked.seen()) == 41


def test_whoever_asks_again_and_again_is_not_kept_again_and_again(tracked: Tracked) -> None:
    clock = tracked.world.clock
    for number in range(MOST_KEPT + 20):
        clock.set_to(tracked.world.instant("2026-12-01 10:00") + timedelta(seconds=number))
        tracked.client.get(tracked.path("o"), headers=PERSON)
    tracked.client.get(tracked.path("c"), headers=PERSON)
    tracked.client.get(tracked.path("o", 1), headers=PERSON)
    assert Counter(kind for kind, _, _ in tracked.seen()) == {"open": MOST_KEPT + 1, "click": 1}


def test_a_split_follows_what_people_did_and_not_what_machines_did(tracked: Tracked) -> None:
    world = tracked.world
    world.publish(SPLIT)
    signer = tracked.service.signer
    world.run_until("2026-12-02 10:00", world.daemon(signer=signer))
    tracked.client.get(tracked.path("c", 3), headers=PERSON)
    tracked.client.get(tracked.path("c", 4), headers={"user-agent": "Barracuda Sentinel (EE)"})
    tracked.client.head(tracked.path("c", 5), headers=PERSON)
    assert [is_machine for _, _, is_machine in tracked.seen()] == [False, True, True]
    world.run_until("2026-12-03 10:00", world.daemon(signer=signer))
    assert world.deliveries("thanks", "reaction") == {"sent": 1}
    assert world.addresses[6:] == ["ada@example.org"]


def test_hits_are_judged_again_when_the_rules_change(tracked: Tracked) -> None:
    tracked.client.get(tracked.path("c"), headers={"user-agent": "curl/8.0"})
    tracked.seen()
    with tracked.world.store.writing() as ledger:
        ledger.connection.execute(update(agents).values(rules=0))
        ledger.connection.execute(update(events).values(is_machine=False))
    with tracked.world.store.writing() as ledger:
        assert (ledger.judge_again(), ledger.judge_again()) == (1, 0)
    assert [is_machine for _, _, is_machine in tracked.seen()] == [True]


def test_what_a_provider_calls_a_machine_stays_one(tracked: Tracked) -> None:
    tracked.world.event("sale", "c-1", "click", url="https://shop.example/new", machine=True)
    tracked.client.get(tracked.path("c"), headers=PERSON)
    assert sorted(tracked.seen()) == [
        ("click", "https://shop.example/new", True),
        ("click", "https://shop.example/sale?a=1&b=2", False),
    ]


def test_a_link_that_was_published_anew_leads_where_the_new_version_says(tracked: Tracked) -> None:
    world = tracked.world
    later = CAMPAIGN.replace("sale\n", "later\n", 1).replace("12-01", "12-02")
    world.publish(later)
    world.write("sale.html", SALE.replace("shop.example/new", "shop.example/newest"))
    world.publish(later)
    world.run_until("2026-12-02 10:00", world.daemon(signer=tracked.service.signer))
    answer = tracked.client.get(tracked.path("c", 3, place=1), headers=PERSON)
    assert answer.headers["location"] == "https://shop.example/newest"


def test_a_complaint_after_unsubscribing_is_not_taken_back(tracked: Tracked) -> None:
    path = tracked.path("u")
    tracked.client.post(path, data={"action": "leave"})
    assert reason(tracked, "ada@example.org") == "unsubscribed"
    tracked.world.event("sale", "c-1", "complaint")
    tracked.client.post(path, data={"action": "return"})
    assert reason(tracked, "ada@example.org") == "complaint"


def reason(tracked: Tracked, address: str) -> str | None:
    with tracked.world.store.reading() as ledger:
        found = suppression_of(ledger.connection, EMAIL, address)
    return None if found is None else found.reason


def test_a_project_without_an_address_cannot_track(world: World) -> None:
    world.write("sale.html", SALE.replace("{{ view_url }}", "#"))
    assert [problem.code for problem in world.check(CAMPAIGN).problems if problem.severity == "error"] == ["C450"]
