"""What shops tell of what came of messages: the link parameter, and the events of others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest
from sqlalchemy import update
from web.serving import served, service_of, token_for
from web.test_tracking import CAMPAIGN, PERSON, PUBLIC, SALE, SPLIT, Tracked
from world import CONTACTS, PROJECT, World

from campaignctl.contacts.event_file import credit_conversions
from campaignctl.message.links import Purpose
from campaignctl.ports import Verdict
from campaignctl.project import PROJECT_FILE
from campaignctl.store.conversions import Engagement, Seen
from campaignctl.store.suppressions import EMAIL, suppression_of
from campaignctl.store.tables import conversions
from campaignctl.tracing import trace
from campaignctl.web.service import Service

LINKS = """<a href="https://shop.example/a?b=1&amp;cctl=copied#part">A</a> <a href="https://SHOP.example">B</a>
<a href="https://other.example/sale?x=1">C</a> <a href="https://www.shop.example/">D</a></body>"""
NDJSON = {"content-type": "application/x-ndjson"}


@pytest.fixture
def shop(world: World) -> Iterator[Tracked]:
    """After `sale` has gone to three contacts, with links that carry a parameter."""
    settings = "conversions: {parameter: cctl, hosts: [shop.example], window: 7d}\n"
    world.write(PROJECT_FILE, PROJECT + f"public_url: {PUBLIC}\n{settings}")
    world.write("sale.html", SALE.replace("</body>", LINKS))
    world.contacts(CONTACTS)
    world.publish(CAMPAIGN)
    service = service_of(world)
    world.run_until("2026-12-01 10:00", world.daemon(signer=service.signer))
    with served(world, service=service) as client:
        yield Tracked(world, service, client)


def landed(shop: Tracked, number: int = 0, place: int = 0) -> str:
    """Where a link leads that a person follows."""
    answer = shop.client.get(shop.path("c", number, place), headers=PERSON)
    assert answer.status_code == 302
    return answer.headers["location"]


def token_in(url: str) -> str:
    (token,) = parse_qs(urlsplit(url).query)["cctl"]
    return token


def order(number: int = 1, **more: object) -> dict[str, object]:
    return {
        "event": "conversion", "id": f"order-{number}", "at": "2026-12-01T10:30Z", "value": 49.9, "currency": "EUR",
    } | more  # fmt: skip


def ask(shop: Tracked, content: str | bytes, **headers: str) -> httpx.Response:
    shown = token_for(shop.world, "events") | NDJSON | headers
    return shop.client.post("/api/v1/events", content=content, headers=shown)


def tell(shop: Tracked, *events: dict[str, object]) -> dict[str, Any]:
    answer = ask(shop, "".join(json.dumps(event) + "\n" for event in events))
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def came_of(shop: Tracked, step: str = "sale", campaign: str = "sale") -> Engagement:
    shop.seen()  # what was seen is written down
    number = shop.world.campaign(campaign).step(step).id
    with shop.world.store.reading() as ledger:
        return ledger.engagement([number])[number]


def test_links_to_the_named_hosts_carry_a_parameter_and_keep_the_rest(shop: Tracked) -> None:
    url = landed(shop, place=2)
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.path, parts.fragment) == ("https", "shop.example", "/a", "part")
    assert parse_qsl(parts.query)[:-1] == [("b", "1")]
    assert shop.service.keys.opened(Purpose.CONVERSION, token_in(url)) == (shop.world.campaign().step("sale").id, 1)
    assert landed(shop, place=3).startswith("https://SHOP.example?cctl=")
    assert landed(shop, place=4) == "https://other.example/sale?x=1"
    assert landed(shop, place=5) == "https://www.shop.example/"


def test_what_was_clicked_is_kept_without_the_parameter(shop: Tracked) -> None:
    landed(shop)
    assert shop.seen() == [("click", "https://shop.example/sale?a=1&b=2", False)]


def test_a_project_without_a_parameter_adds_none(shop: Tracked) -> None:
    shop.world.write(PROJECT_FILE, PROJECT + f"public_url: {PUBLIC}\n")
    with served(shop.world) as client:
        answer = client.get(shop.path("c"), headers=PERSON)
    assert answer.headers["location"] == "https://shop.example/sale?a=1&b=2"


def test_an_order_with_the_parameter_counts_for_the_message_that_led_to_it(shop: Tracked) -> None:
    token = token_in(landed(shop, number=1))
    assert tell(shop, order(token=token)) == {
        "version": 1, "read": 1, "added": 1, "known": 0, "unmatched": 0, "unmatched_lines": [],
        "newly_suppressed": 0, "rejected": [], "rejected_count": 0,
    }  # fmt: skip
    assert came_of(shop) == Engagement(Seen(), Seen(1), 1, 1, {"EUR": 49.9})


def test_an_order_told_twice_counts_once_and_as_it_was_told_first(shop: Tracked) -> None:
    token = token_in(landed(shop))
    first = order(token=token)
    assert tell(shop, first, first)["known"] == 1
    told = tell(shop, order(contact="c-3", value=1000), order(2, token=token, value="0.10"))
    assert (told["added"], told["known"]) == (1, 1)
    assert (came_of(shop).conversions, came_of(shop).converted, came_of(shop).revenue) == (2, 1, {"EUR": 50.0})


def test_equal_requests_at_once_count_once(shop: Tracked) -> None:
    headers = token_for(shop.world, "events") | NDJSON
    line = json.dumps(order(contact="c-1", campaign="sale", step="sale"))
    with ThreadPoolExecutor(12) as pool:
        asked = [
            pool.submit(httpx.post, f"{shop.client.base_url}/api/v1/events", content=line, headers=headers, timeout=60)
            for _ in range(12)
        ]
        answers = [each.result() for each in asked]
    assert {answer.status_code for answer in answers} == {200}
    assert sum(answer.json()["added"] for answer in answers) == 1
    assert came_of(shop).conversions == 1


def test_an_order_of_a_contact_counts_for_the_last_click_by_a_person_within_the_window(shop: Tracked) -> None:
    world = shop.world
    world.publish(SPLIT)
    world.run_until("2026-12-02 10:00", world.daemon(signer=shop.service.signer))
    landed(shop, number=0)  # a click on `sale`, at 10:00 on 2 December
    world.at("2026-12-02 12:00")
    shop.client.get(shop.path("c", 3), headers={"user-agent": "curl/8.0"})  # a machine, on `first`
    tell(shop, {**OPEN, "campaign": "reaction", "step": "first", "at": "2026-12-02T11:30Z"})
    week = [order(1, at="2026-12-09T09:00Z"), order(2, at="2026-12-09T09:01Z"), order(3, at="2026-12-02T08:00Z")]
    tell(shop, *({**each, "contact": "c-1"} for each in week))
    # The click is older than the open, and yet it counts for as long as it is within the window
    assert came_of(shop).conversions == 1
    # When it is too old, the open does; what comes before both counts for nothing
    assert came_of(shop, "first", "reaction").conversions == 1
    assert came_of(shop, "first", "reaction").clicks == Seen(0, 1)


OPEN = {"event": "open", "campaign": "sale", "step": "sale", "contact": "c-1", "at": "2026-12-01T09:30Z"}


def test_a_click_that_is_heard_of_later_gets_the_order_that_it_led_to(shop: Tracked) -> None:
    tell(shop, order(contact="c-1"))
    assert came_of(shop).conversions == 0
    landed(shop)
    tell(shop, {**OPEN, "event": "click"})
    assert came_of(shop).conversions == 1


def test_what_turns_out_to_be_a_machine_gets_no_order(shop: Tracked) -> None:
    shop.world.at("2026-12-01 11:00")
    landed(shop)
    tell(shop, order(contact="c-1", at="2026-12-01T10:02Z"))
    assert came_of(shop).conversions == 1
    shop.world.at("2026-12-01 11:05")
    shop.client.head(shop.path("c"), headers=PERSON)  # the same program asks as no browser does
    assert came_of(shop).conversions == 0


def test_a_token_that_is_no_good_leads_to_the_contact_that_is_named_beside_it(shop: Tracked) -> None:
    landed(shop)
    told = tell(shop, order(1, token="nobody", contact="c-1"), order(2, token="nobody"))
    assert (told["added"], told["unmatched"], told["unmatched_lines"]) == (1, 1, [2])
    assert came_of(shop).conversions == 1


def test_no_other_token_and_no_changed_one_is_a_parameter(shop: Tracked) -> None:
    token = token_in(landed(shop))
    flipped = [
        token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :] for place in range(len(token))
    ]
    signer, step = shop.service.signer, shop.world.campaign().step("sale").id
    others = [signer.token(purpose, step, 1) for purpose in Purpose if purpose is not Purpose.CONVERSION]
    wrong = [*flipped, *others, shop.path("c").rpartition("/")[2]]
    told = tell(shop, *(order(number, token=each) for number, each in enumerate(wrong)))
    assert (told["added"], told["unmatched"]) == (0, len(wrong))
    # And the parameter, which is seen by others, is no way out, no open and no click
    for kind in "cuv":
        assert shop.client.get(f"/{kind}/{token}", headers=PERSON).status_code == 404
    shop.client.get(f"/o/{token}", headers=PERSON)
    assert [kind for kind, _, _ in shop.seen()] == ["click"]
    assert tell(shop, order(mark=token))["unmatched"] == 1


def test_a_mark_names_its_message(shop: Tracked) -> None:
    mark = shop.service.signer.token(Purpose.EVENT, shop.world.campaign().step("sale").id, 2)
    tell(shop, order(mark=mark), {"event": "unsubscribe", "mark": mark, "at": "2026-12-01T10:31Z"})
    assert came_of(shop).conversions == 1
    with shop.world.store.reading() as ledger:
        found = suppression_of(ledger.connection, EMAIL, "grace@example.org")
    assert found is not None
    assert found.reason == "unsubscribed"


def test_who_and_what_is_not_known_is_said_in_one_way(shop: Tracked) -> None:
    strangers: list[dict[str, object]] = [
        {"contact": "nobody"}, {"contact": "c-1", "list": "others"}, {"token": "x"}, {"mark": "x"},
        {"campaign": "winter", "step": "sale", "contact": "c-1"}, {"campaign": "sale", "step": "x", "contact": "c-1"},
        {"campaign": "sale", "step": "sale", "contact": "nobody"},
    ]  # fmt: skip
    told = tell(shop, *(order(number, **each) for number, each in enumerate(strangers)))
    assert (told["added"], told["unmatched"], told["unmatched_lines"]) == (0, 7, [1, 2, 3, 4, 5, 6, 7])
    assert told["rejected"] == []
    assert tell(shop, order(0, contact="c-1"))["added"] == 1


def test_lines_that_are_no_events_are_named_and_the_others_are_taken(shop: Tracked) -> None:
    body = "\n".join(
        ['{"event": ', json.dumps(order(contact="c-1")), "", json.dumps(order(2, contact="c-1", at="now"))]
    )
    told = ask(shop, body).json()
    assert (told["read"], told["added"], told["rejected_count"]) == (1, 1, 2)
    assert [(each["line"], each["reason"]) for each in told["rejected"]] == [
        (1, "it is not JSON"),
        (4, "`now` is not an instant"),
    ]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"id": None}, "`id` is not text"),
        ({"id": "x" * 201}, "`id` is longer than 200 characters"),
        ({"value": -1}, "`value` is not an amount like `49.90`"),
        ({"value": "49,90"}, "`value` is not an amount like `49.90`"),
        ({"value": 1e13}, "`value` is not an amount like `49.90`"),
        ({"value": True}, "`value` is not an amount like `49.90`"),
        ({"value": None}, "`value` and `currency` stand together or not at all"),
        ({"currency": None}, "`value` and `currency` stand together or not at all"),
        ({"currency": "Euro"}, "`EURO` is not a currency of three letters"),
        ({"contact": "\ud800"}, "`contact`: not text"),
        ({"contact": []}, "`contact` is not text"),
        ({"token": 7.5}, "`token` is not text"),
    ],
)
def test_a_conversion_that_cannot_be_read_is_not_taken(shop: Tracked, wrong: dict[str, object], reason: str) -> None:
    answer = ask(shop, json.dumps(order(contact="c-1") | wrong))
    assert answer.status_code == 422
    told = answer.json()
    assert (told["error"]["code"], told["rejected_count"]) == ("H157", 1)
    assert told["rejected"][0]["reason"] == reason


def test_numbers_that_json_has_not_and_text_that_is_not_utf_8_are_refused(shop: Tracked) -> None:
    line = json.dumps(order(contact="c-1"))
    for content in (line.replace("49.9", "NaN").encode(), line.replace("c-1", "c-\xff").encode("latin-1")):
        assert ask(shop, content).status_code == 422


def test_events_may_come_as_a_document(shop: Tracked) -> None:
    json_type = {"content-type": "application/json"}
    answer = ask(shop, json.dumps({"events": [OPEN, order(contact="c-1")]}), **json_type)
    assert answer.json()["added"] == 2
    for wrong in ("[]", '{"events": {}}', '{"events": [], "more": 1}'):
        assert ask(shop, wrong, **json_type).json()["error"]["code"] == "H155"
    assert ask(shop, "x", **{"content-type": "text/csv"}).status_code == 415
    assert ask(shop, "").json()["read"] == 0


def test_only_a_token_for_events_may_tell_some(shop: Tracked) -> None:
    line = json.dumps(order(contact="c-1"))
    assert shop.client.post("/api/v1/events", content=line, headers=NDJSON).status_code == 401
    other = token_for(shop.world, "read", "trigger:*")
    assert shop.client.post("/api/v1/events", content=line, headers=NDJSON | other).status_code == 403
    assert came_of(shop).conversions == 0


def test_many_events_come_in_one_request(shop: Tracked) -> None:
    landed(shop)
    lines = "".join(json.dumps(order(number, contact="c-1", value=0.01)) + "\n" for number in range(12_000))
    assert ask(shop, lines).json()["added"] == 12_000
    assert came_of(shop) == Engagement(Seen(), Seen(1), 12_000, 1, {"EUR": 120.0})


def test_an_order_proves_that_its_message_arrived_only_where_its_token_came_back(world: World) -> None:
    world.write(PROJECT_FILE, PROJECT + f"public_url: {PUBLIC}\n")
    world.contacts()
    for address in ("ada", "grace", "alan"):
        world.email.answer(f"{address}@example.org", Verdict.UNCERTAIN)
    world.write("sale.html", SALE)
    world.publish(CAMPAIGN)
    service = service_of(world)
    world.run_until("2026-12-01 09:30", world.daemon(signer=service.signer, may_repeat=False))
    assert world.deliveries("sale") == {"uncertain": 3}
    token = service.signer.token(Purpose.CONVERSION, world.campaign().step("sale").id, 1)
    with served(world, service=service) as client:
        shop = Tracked(world, service, client)
        tell(
            shop, order(1, token=token), order(2, campaign="sale", step="sale", contact="c-2"), order(3, contact="c-3")
        )
    assert world.deliveries("sale") == {"sent": 1, "uncertain": 2}


def test_a_trace_shows_what_happened_and_why_it_was_a_machine(shop: Tracked) -> None:
    shop.world.at("2026-12-01 11:00")
    token = token_in(landed(shop))
    shop.world.at("2026-12-01 11:05")
    shop.client.head(shop.path("c"), headers={"user-agent": "Mozilla/5.0 Chrome/140"})
    tell(shop, order(token=token), {**OPEN, "machine": True, "at": "2026-12-01T10:10Z"}, order(2, contact="c-1"))
    shop.seen()
    with shop.world.store.reading() as ledger:
        (step,) = trace(ledger, "sale", "c-1", shop.world.clock.now()).steps
    assert [(event.event, event.why, event.id, event.value) for event in step.events] == [
        ("click", None, None, None),
        ("click", "head", None, None),
        ("open", "reported", None, None),
        ("conversion", None, "order-1", 49.9),
        ("conversion", None, "order-2", 49.9),
    ]


def test_prometheus_sees_opens_clicks_and_conversions(shop: Tracked) -> None:
    landed(shop)
    shop.client.get(shop.path("o"), headers={"user-agent": ""})
    tell(shop, order(contact="c-1"))
    shop.seen()
    lines = shop.client.get("/metrics", headers=token_for(shop.world, "read")).text.splitlines()
    for line in (
        'campaignctl_opens{by="person"} 0', 'campaignctl_opens{by="machine"} 1',
        'campaignctl_clicks{by="person"} 1', 'campaignctl_clicks{by="machine"} 0', "campaignctl_conversions 1",
    ):  # fmt: skip
        assert line in lines


def test_orders_are_credited_again_when_the_rules_change(shop: Tracked) -> None:
    landed(shop)
    tell(shop, order(contact="c-1"))
    assert came_of(shop).conversions == 1
    with shop.world.store.writing() as ledger:
        ledger.connection.execute(update(conversions).values(rules=0, step_id=None))
    assert came_of(shop).conversions == 0
    credit_conversions(shop.world.store)
    assert came_of(shop).conversions == 1


def test_who_has_several_lists_names_one(shop: Tracked) -> None:
    two = PROJECT.replace("email: email}", "email: email}, leads: {key: id, email: email}")
    shop.world.write(PROJECT_FILE, two + f"public_url: {PUBLIC}\n")
    service: Service = service_of(shop.world)
    with served(shop.world, service=service) as client:
        other = Tracked(shop.world, service, client)
        told = ask(other, "\n".join(map(json.dumps, [order(contact="c-1"), order(2, contact="c-1", list="customers")])))
    assert (told.json()["added"], told.json()["rejected"][0]["line"]) == (1, 1)
