"""Steps that hand the contacts to an ad network by requests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from campaigns.test_exporting import HEAD, PEOPLE, of
from channels.web_server import Act, Move, WebServer, answer
from sqlalchemy import text
from world import PROJECT, World, WrittenChannel

from campaignctl.campaign.steps.export import BATCH
from campaignctl.channels.http.channel import HttpChannel
from campaignctl.channels.http.endpoint import EndpointSettings
from campaignctl.channels.http.exchange import HttpClient
from campaignctl.channels.http.networks import network_request, network_verdict
from campaignctl.channels.http.signing import verified
from campaignctl.flow.states import CampaignState
from campaignctl.store.checks.check import check_store
from campaignctl.store.suppressions import suppress

ADA, GRACE, ALAN = of("ada.love+x@gmail.com"), of("grace@example.org"), of("+32470123456")
FOR_TIKTOK = ", audience: '7001', advertiser: '6900'"
KEPT = "segment: {attribute: consent, eq: true}\n"


def export(format_: str, more: str = "") -> str:
    return HEAD + f"  - {{id: ads, at: 2026-12-01 10:00, export: {{format: {format_}, to: ads{more}}}}}\n"


@pytest.fixture
def shop(world: World) -> Iterator[World]:
    lists = "lists: {customers: {key: id, email: email, phone: mobile}}"
    project = PROJECT.replace("lists: {customers: {key: id, email: email}}", lists)
    sms = "channels: {sms: {endpoint: ads, country: FR}}\nendpoints: {ads: {url: 'https://ads.example/'}}\n"
    world.write("campaignctl.yaml", project + sms)
    world.import_file(world.write("contacts.csv", PEOPLE))
    with world.store.writing() as ledger:
        suppress(ledger.connection, "email", "barbara@example.org", "unsubscribed", world.clock.now())
        suppress(ledger.connection, "sms", "+32470999999", "manual", world.clock.now())
    yield world
    for each in world.channels.values():
        each.close()


def asked(world: World, server: WebServer, secret: str | None = None) -> None:
    """Have the daemon ask this server."""
    endpoint = EndpointSettings("ads", server.url, secret, {}, True)
    world.channels["export/ads"] = HttpChannel(
        lambda: HttpClient(allow_private=True, deadline=timedelta(seconds=30)),
        network_request(endpoint),
        world.clock,
        is_idempotent=True,
        judge=network_verdict,
    )


def handed_on(world: World, campaign: str, *parts: list[Move]) -> list[tuple[dict[str, str], bytes]]:
    """The headers and the body of each request."""
    with WebServer(*parts) as server:
        asked(world, server, "a secret of the shop")
        world.publish(campaign)
        world.run_until("2026-12-01 10:05")
        return [_parted(request) for request in server.requests]


def _parted(request: bytes) -> tuple[dict[str, str], bytes]:
    head, _, content = request.partition(b"\r\n\r\n")
    lines = (line.partition(":") for line in head.decode().split("\r\n")[1:])
    return {name.lower(): value.strip() for name, _, value in lines}, content


def why(world: World) -> dict[str, str]:
    """The state and the reason of each delivery, by contact."""
    with world.store.reading() as ledger:
        contacts = ledger.contact_list(world.campaign())
        rows = ledger.connection.execute(
            text(
                "SELECT c.contact_key, d.state, coalesce(': ' || d.reason, '') FROM deliveries d"
                f" JOIN {contacts.table.name} c ON c.id = d.contact_id WHERE d.step_id = :step"
            ),
            {"step": world.campaign().step("ads").id},
        )
        return {key: state + reason for key, state, reason in rows}


def test_meta_gets_a_batch_of_a_session_with_a_schema_and_hashed_rows(shop: World) -> None:
    ((headers, content),) = handed_on(shop, export("meta"))
    body = json.loads(content)
    assert body["payload"]["schema"] == ["EMAIL", "PHONE", "FN", "LN", "COUNTRY", "ZIP"]
    assert body["payload"]["data"][:2] == [
        [ADA, of("33612345678"), of("ada"), of("obrien"), of("fr"), of("75002")],
        [GRACE, "", of("grace"), of("hopper"), "", ""],
    ]
    assert 0 < body["session"].pop("session_id") < 2**63
    assert body["session"] == {"batch_seq": 1, "last_batch_flag": False, "estimated_num_total": 7}
    assert headers["content-type"] == "application/json"


def test_google_gets_operations_with_what_is_known_and_no_part_of_an_address(shop: World) -> None:
    ((_, content),) = handed_on(shop, export("google"))
    created = [each["create"]["userIdentifiers"] for each in json.loads(content)["operations"]]
    address = {
        "hashedFirstName": of("ada"),
        "hashedLastName": of("o'brien"),
        "countryCode": "FR",
        "postalCode": "75002",
    }
    assert created[:3] == [
        [{"hashedEmail": of("adalove@gmail.com")}, {"hashedPhoneNumber": of("+33612345678")}, {"addressInfo": address}],
        [{"hashedEmail": GRACE}],
        [{"hashedPhoneNumber": ALAN}],
    ]


def test_tiktok_gets_rows_of_ids_that_name_the_audience(shop: World) -> None:
    ((_, content),) = handed_on(shop, export("tiktok", FOR_TIKTOK), [Act.READ, answer(200, content=b'{"code": 0}')])
    body = json.loads(content)
    rows = body.pop("batch_data")
    assert body == {"action": "add", "advertiser_ids": ["6900"], "id_schema": ["EMAIL_SHA256", "PHONE_SHA256"]}
    assert rows[:3] == [
        [{"id": ADA, "audience_ids": ["7001"]}, {"id": of("+33612345678"), "audience_ids": ["7001"]}],
        [{"id": GRACE, "audience_ids": ["7001"]}, {}],
        [{}, {"id": ALAN, "audience_ids": ["7001"]}],
    ]
    assert shop.campaign().state is CampaignState.COMPLETED


def test_csv_goes_out_as_csv_with_no_cell_that_is_a_formula(shop: World) -> None:
    ((headers, content),) = handed_on(shop, export("csv"))
    assert headers["content-type"] == "text/csv; charset=utf-8"
    assert content.decode().splitlines()[:3] == [
        "id,email,phone",
        "c-1,ada.love+x@gmail.com,'+33612345678",
        "c-2,grace@example.org,",
    ]


def test_whoever_must_not_or_cannot_be_handed_on_is_skipped_and_the_ledger_says_why(shop: World) -> None:
    shop.write("campaignctl.yaml", (shop.folder / "campaignctl.yaml").read_text() + KEPT)
    shop.import_file(shop.write("contacts.csv", PEOPLE.replace("false", "true")))
    shop.publish(
        export("meta").replace("steps:\n", "steps:\n  - {id: mark, at: 2026-12-01 09:00, set: {marked: true}}\n")
    )
    shop.channels["export/ads"] = WrittenChannel(shop.clock)
    shop.run_until("2026-12-01 09:30")
    shop.import_file(shop.write("contacts.csv", PEOPLE))
    shop.run_until("2026-12-01 10:05")
    assert why(shop) == {
        "c-1": "sent",
        "c-2": "sent",
        "c-3": "sent",
        "c-4": "skipped: not_in_project_segment",
        "c-5": "skipped: no_address",
        "c-6": "skipped: unsubscribed",
        "c-7": "skipped: suppressed",
    }
    with shop.store.reading() as ledger:
        assert all(each.ok for each in check_store(ledger))


def test_requests_are_signed_and_a_retry_is_the_same_request(shop: World) -> None:
    first, second = handed_on(shop, export("meta"), [Act.READ, Act.RESET], [Act.READ, answer(200)])
    assert first[1] == second[1]
    assert first[0]["idempotency-key"] == second[0]["idempotency-key"]
    assert verified("a secret of the shop", *second, shop.instant("2026-12-01 10:00"))


def test_with_at_most_once_a_batch_without_an_answer_stays_without_a_verdict(shop: World) -> None:
    with WebServer([Act.READ, Act.RESET]) as server:
        asked(shop, server)
        shop.publish(export("csv"))
        shop.run_until("2026-12-02 10:00", shop.daemon(may_repeat=False))
    assert (shop.deliveries("ads"), len(server.requests)) == ({"uncertain": 5, "skipped": 2}, 1)


@pytest.mark.parametrize(
    ("said", "becomes"),
    [
        (b'{"code": 40002, "message": "audience_ids: no such audience"}', "failed: refused"),
        (b'{"code": 40100, "message": "too many requests"}', "deferred: refused_for_now"),
        (b'{"code": 51002, "message": "internal"}', "uncertain: no_answer"),
        (b"<html>", "uncertain: no_answer"),
    ],
)
def test_tiktok_says_no_with_a_status_of_200(shop: World, said: bytes, becomes: str) -> None:
    handed_on(shop, export("tiktok", FOR_TIKTOK), [Act.READ, answer(200, content=said)])
    assert why(shop)["c-1"] == becomes


def test_a_token_that_tiktok_does_not_take_pauses_the_campaign(shop: World) -> None:
    handed_on(shop, export("tiktok", FOR_TIKTOK), [Act.READ, answer(200, content=b'{"code": 40105}')])
    assert (shop.campaign().state, why(shop)["c-1"]) == (CampaignState.PAUSED, "queued: auth_refused")


def test_many_contacts_go_in_numbered_batches_of_one_session(shop: World) -> None:
    rows = [f"k-{number},u{number}@example.org,,,,,,true" for number in range(BATCH * 2 + 1)]
    shop.import_file(shop.write("contacts.csv", "\n".join([PEOPLE.splitlines()[0], *rows]) + "\n"))
    campaign = export("meta").replace("{attribute: id, exists: true}", "{attribute: id, starts_with: k-}")
    bodies: list[dict[str, Any]] = [json.loads(content) for _, content in handed_on(shop, campaign)]
    sizes = {body["session"]["batch_seq"]: len(body["payload"]["data"]) for body in bodies}
    assert sizes == {1: BATCH, 2: BATCH, 3: 1}
    assert len({body["session"]["session_id"] for body in bodies}) == 1
    assert shop.deliveries("ads") == {"sent": BATCH * 2 + 1}


def test_a_batch_that_a_dead_daemon_had_begun_is_the_same_for_the_next(shop: World) -> None:
    """The daemon dies between the intent and the result: another one has the same rows and the same key."""
    seen: list[tuple[str, bytes]] = []

    class Dying(WrittenChannel):
        def exchange(self, messages, patience=None):  # type: ignore[no-untyped-def] # as in the port
            seen.extend((message.key, message.content) for message in messages)
            raise KeyboardInterrupt

    shop.publish(export("google"))
    shop.channels["export/ads"] = Dying(shop.clock)
    with pytest.raises(KeyboardInterrupt):
        shop.run_until("2026-12-01 10:05")
    living = shop.channels["export/ads"] = WrittenChannel(shop.clock)
    shop.run_until("2026-12-01 10:06")
    assert [(message.key, message.content) for message in living.sent] == seen


@pytest.mark.parametrize(
    ("format_", "more"),
    [("tiktok", ""), ("tiktok", ", audience: '7001'"), ("meta", ", audience: '7001'"), ("csv", ", advertiser: '1'")],
)
def test_audience_and_advertiser_are_said_for_tiktok_and_for_nobody_else(shop: World, format_: str, more: str) -> None:
    assert "C451" in [problem.code for problem in shop.check(export(format_, more)).problems]


def test_a_file_for_tiktok_names_no_audience(shop: World) -> None:
    assert shop.check(export("tiktok").replace("to: ads", "to: exports/ads.csv")).problems == []
    wrong = shop.check(export("tiktok", FOR_TIKTOK).replace("to: ads", "to: exports/ads.csv"))
    assert [problem.code for problem in wrong.problems] == ["C451", "C451"]
