"""Steps that do not send e-mail: text messages, and requests to other systems."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from channels.web_server import Act, WebServer, answer
from sqlalchemy import text
from world import World, WrittenChannel

from campaignctl.channels.http.channel import HttpChannel
from campaignctl.channels.http.endpoint import EndpointSettings
from campaignctl.channels.http.exchange import HttpClient
from campaignctl.channels.http.presets import text_request, webhook_request
from campaignctl.channels.http.signing import verified
from campaignctl.channels.outbox import OutboxChannel
from campaignctl.contacts.event_file import import_events
from campaignctl.contacts.source import Source
from campaignctl.flow.states import CampaignState, DeliveryState
from campaignctl.message.links import Purpose
from campaignctl.ports import Finished, Outcome, Outgoing, Result, Verdict
from campaignctl.providers.event import Happened, ProviderEvent
from campaignctl.providers.taking import take
from campaignctl.store.events import EventOutcome
from campaignctl.store.suppressions import all_suppressions, suppress
from campaignctl.wiring import event_reader, keys_of, sms_channel

HEAD = "campaign: sale\nlist: customers\nstarter: {segment: {attribute: id, exists: true}}\nsteps:\n"
PROJECT = """
project: shop
timezone: Europe/Paris
sender: Shop <news@shop.example>
postal_address: 1 rue de la Paix, Paris
lists: {customers: {key: id, email: email, phone: mobile}}
channels: {sms: {endpoint: sms, from: Shop, country: FR, countries: [FR, BE], max_parts: 2}}
endpoints:
  sms: {url: "https://sms.example/"}
  crm: {url: "https://crm.example/"}
"""
PEOPLE = """id,email,name,mobile,consent
c-1,ada@example.org,Ada,06 12 34 56 78,true
c-2,grace@example.org,Grace,+32 470 12 34 56,true
c-3,alan@example.org,Alan,,true
c-4,edsger@example.org,Edsger,12,true
c-5,barbara@example.org,Barbara,+1 202 555 0123,true
"""
AT = "2026-12-01 10:00"


def sms(text: str = "Hi {{ contact.name }}", more: str = "", step: str = "text") -> str:
    return f"  - {{id: {step}, at: {AT}, sms: {{text: '{text}'{more}}}}}\n"


def webhook(more: str = "", step: str = "tell") -> str:
    return f"  - {{id: {step}, at: {AT}, webhook: {{endpoint: crm{more}}}}}\n"


@pytest.fixture
def shop(world: World) -> World:
    world.write("campaignctl.yaml", PROJECT)
    world.channels = {"sms": WrittenChannel(world.clock), "webhook/crm": WrittenChannel(world.clock)}
    world.import_file(world.write("contacts.csv", PEOPLE))
    return world


def channel(world: World, name: str) -> WrittenChannel:
    found = world.channels[name]
    assert isinstance(found, WrittenChannel)
    return found


def why(world: World, step: str) -> dict[str, str | None]:
    """The state and the reason of each delivery of a step, by contact."""
    with world.store.reading() as ledger:
        contacts = ledger.contact_list(world.campaign())
        rows = ledger.connection.execute(
            text(
                f"SELECT c.contact_key, d.state, d.reason FROM deliveries d JOIN {contacts.table.name} c"
                " ON c.id = d.contact_id WHERE d.step_id = :step"
            ),
            {"step": world.campaign().step(step).id},
        )
        return {key: state if reason is None else f"{state}: {reason}" for key, state, reason in rows}


# --- text messages ---


def test_each_contact_with_a_number_gets_a_text_in_one_form_of_it(shop: World) -> None:
    shop.publish(HEAD + sms())
    shop.run_until("2026-12-01 10:05")
    sent = [json.loads(message.content) for message in channel(shop, "sms").sent]
    assert [(each["from"], each["to"], each["text"]) for each in sent] == [
        ("Shop", "+33612345678", "Hi Ada"),
        ("Shop", "+32470123456", "Hi Grace"),
    ]
    assert why(shop, "text") == {
        "c-1": "sent",
        "c-2": "sent",
        "c-3": "skipped: no_address",
        "c-4": "skipped: no_address",
        "c-5": "skipped: country_not_allowed",
    }
    assert shop.campaign().state is CampaignState.COMPLETED


def test_twilio_is_told_where_to_say_what_became_of_each_text(shop: World) -> None:
    more = "public_url: https://mail.shop.example\nproviders: {twilio: {auth_token: '${TOKEN}'}}\n"
    shop.write("campaignctl.yaml", PROJECT + more)
    shop.publish(HEAD + sms())
    shop.run_until("2026-12-01 10:05")
    step, keys = shop.campaign().step("text").id, keys_of(shop.store)
    for contact, message in enumerate(channel(shop, "sms").sent, 1):
        request = text_request(EndpointSettings("sms", "https://sms.example/", None, {}), "twilio")
        form = parse_qs(request(message, shop.clock.now()).content.decode())
        start, _, mark = form["StatusCallback"][0].partition("=")
        assert start == "https://mail.shop.example/hooks/twilio?delivery"
        assert keys.opened(Purpose.EVENT, mark) == (step, contact)


def test_a_text_that_would_take_too_many_parts_is_not_sent(shop: World) -> None:
    shop.publish(HEAD + sms("x" * 150 + "{{ contact.name }} " * 30))
    shop.run_until("2026-12-01 10:05")
    assert why(shop, "text")["c-1"] == "sent"
    assert why(shop, "text")["c-2"] == "skipped: too_long"


def test_a_template_that_cannot_be_filled_in_skips_that_contact(shop: World) -> None:
    shop.publish(HEAD + sms("Hi {{ contact.name[9] }}"))
    shop.run_until("2026-12-01 10:05")
    assert why(shop, "text")["c-1"] == "skipped: render_error"


def test_a_suppressed_number_gets_no_text_however_the_list_writes_it(shop: World) -> None:
    with shop.store.writing() as ledger:
        suppress(ledger.connection, "sms", "+33612345678", "unsubscribed", shop.clock.now())
        suppress(ledger.connection, "email", "grace@example.org", "unsubscribed", shop.clock.now())
    shop.publish(HEAD + sms())
    shop.run_until("2026-12-01 10:05")
    assert why(shop, "text")["c-1"] == "skipped: unsubscribed"
    assert why(shop, "text")["c-2"] == "sent"  # from letters, not from texts


def test_who_gave_no_consent_gets_neither_a_text_nor_is_told_of(shop: World) -> None:
    shop.write("campaignctl.yaml", PROJECT + "segment: {attribute: consent, eq: true}\n")
    shop.publish(HEAD + sms() + webhook())
    shop.run_until("2026-12-01 09:59")
    shop.import_file(shop.write("contacts.csv", PEOPLE.replace("34 56,true", "34 56,false")))
    shop.run_until("2026-12-01 10:05")
    assert "c-2" not in why(shop, "text")
    assert [json.loads(message.content)["to"] for message in channel(shop, "sms").sent] == ["+33612345678"]


def test_consent_withdrawn_after_the_start_is_asked_again_for_every_channel(shop: World) -> None:
    shop.write("campaignctl.yaml", PROJECT + "segment: {attribute: consent, eq: true}\n")
    shop.publish(HEAD + sms(more=", rate: 1/h") + webhook(", rate: 1/h", "tell"))
    shop.run_until("2026-12-01 10:01")
    shop.import_file(shop.write("contacts.csv", PEOPLE.replace("true", "false")))
    shop.run_until("2026-12-01 23:00")
    assert why(shop, "text")["c-2"] == "skipped: not_in_project_segment"
    assert list(why(shop, "tell").values()).count("skipped: not_in_project_segment") == 5


def test_without_a_provider_texts_go_to_the_outbox_as_json(shop: World) -> None:
    shop.channels["sms"] = OutboxChannel(shop.folder / "outbox", ending="json")
    shop.publish(HEAD + sms())
    shop.run_until("2026-12-01 10:05")
    files = sorted((shop.folder / "outbox").glob("*.json"))
    assert len(files) == 2
    assert json.loads(files[0].read_text("utf-8")) == {
        "version": 1,
        "campaign": "sale",
        "step": "text",
        "contact": "c-1",
        "from": "Shop",
        "to": "+33612345678",
        "text": "Hi Ada",
        "parts": 1,
    }


def test_texts_keep_to_the_rate_of_their_channel_and_e_mail_does_not(shop: World) -> None:
    shop.write("campaignctl.yaml", PROJECT.replace("from: Shop", "from: Shop, rate: 1/h"))
    shop.publish(HEAD + f"  - {{id: letter, at: {AT}, email: {{subject: Hi, body: hello.md}}}}\n" + sms())
    shop.run_until("2026-12-01 10:30")
    assert len(shop.email.sent) == 5
    assert len(channel(shop, "sms").sent) == 1


def test_a_provider_that_refuses_us_pauses_only_what_goes_by_it(shop: World) -> None:
    channel(shop, "sms").answer("+33612345678", Verdict.NOT_SENT, "auth_refused", blames_sender=True)
    shop.publish(HEAD + sms())
    shop.publish(
        HEAD.replace("sale", "news") + f"  - {{id: letter, at: {AT}, email: {{subject: Hi, body: hello.md}}}}\n"
    )
    shop.run_until("2026-12-01 10:05")
    assert shop.campaign().state is CampaignState.PAUSED
    assert shop.campaign("news").state is CampaignState.COMPLETED


def test_a_channel_that_is_down_stops_no_other(shop: World) -> None:
    for _ in range(3):
        channel(shop, "sms").answer("+33612345678", Verdict.NOT_SENT, "endpoint_down")
    shop.publish(HEAD + sms() + webhook(step="tell"))
    shop.publish(
        HEAD.replace("sale", "news") + f"  - {{id: letter, at: {AT}, email: {{subject: Hi, body: hello.md}}}}\n"
    )
    shop.run_until(AT)
    assert len(shop.email.sent) == 5
    shop.run_until("2026-12-01 10:30")
    assert len(channel(shop, "sms").sent) == 2
    assert len(channel(shop, "webhook/crm").sent) == 5


OWN = PROJECT.replace(
    'sms: {url: "https://sms.example/"}',
    """sms:
    url: "https://sms.example/"
    request: {body: 'to={{ to }}&text={{ text }}', content_type: application/x-www-form-urlencoded}
    message_id: /sms/0/ref""",
)


def said(message_id: str) -> bytes:
    return answer(200, content=json.dumps({"sms": [{"ref": message_id}]}).encode())


def test_a_provider_without_a_preset_gets_the_form_that_the_project_writes(wired: World) -> None:
    wired.write("campaignctl.yaml", OWN)
    with WebServer([Act.READ, said("m-1")], [Act.READ, said("m-2")]) as server:
        texts_over_http(wired, server.url)
        wired.publish(HEAD + sms("Hi {{ contact.name }} & co"))
        wired.run_until("2026-12-01 10:05")
    forms = {request.partition(b"\r\n\r\n")[2] for request in server.requests}
    assert forms == {b"to=%2B33612345678&text=Hi+Ada+%26+co", b"to=%2B32470123456&text=Hi+Grace+%26+co"}
    assert wired.deliveries("text")["sent"] == 2


def texted(world: World) -> None:
    """Ada got a text that the provider calls m-1, and nobody else one."""
    world.write("campaignctl.yaml", OWN)
    with WebServer([Act.READ, said("m-1")]) as server:
        texts_over_http(world, server.url)
        world.publish(HEAD.replace("exists: true", "eq: c-1") + sms())
        world.run_until("2026-12-01 10:05")


def test_an_event_finds_its_message_by_what_the_provider_calls_it(wired: World) -> None:
    texted(wired)
    lines = [
        {"message_id": "m-1", "event": "unsubscribe", "at": "2026-12-01T10:00Z"},
        {"message_id": "m-2", "event": "unsubscribe", "at": "2026-12-01T10:00Z"},
    ]
    file = wired.write("events.ndjson", "\n".join(map(json.dumps, lines)))
    reader = event_reader(wired.project, wired.store, keys_of(wired.store))
    report = import_events(wired.store, Source(file), wired.clock.now(), replace(reader, country="FR"))
    assert (report.added, report.outcomes[EventOutcome.NO_STEP], report.newly_suppressed) == (1, 1, 1)
    with wired.store.reading() as ledger:
        suppressed = [(each.channel, each.address) for each in all_suppressions(ledger.connection)]
    # It was a text that they want no more of.
    assert suppressed == [("sms", "+33612345678")]


def test_twilio_s_news_without_a_mark_find_their_message_too(wired: World) -> None:
    texted(wired)
    failed = ProviderEvent(Happened.BOUNCE, None, "", is_hard=True, phone="+33612345678", message_id="m-1")
    taken = take(wired.store, keys_of(wired.store), [failed, failed._replace(message_id="m-9")], wired.clock.now())
    assert taken == (2, 1, 1, 1)


def test_a_text_that_was_sent_twice_is_known_by_what_it_was_called_last(wired: World) -> None:
    texted(wired)
    step = wired.campaign().step("text").id
    result = Result(DeliveryState.SENT)
    with wired.store.writing() as ledger:
        ledger.record([Finished(step, 1, "", 1, result, wired.clock.now(), "m-2")])
        assert (ledger.delivery_called("m-1"), ledger.delivery_called("m-2")) == (None, (step, 1))


def test_what_a_text_was_called_outlives_a_store_that_takes_no_results(world: World) -> None:
    at = world.clock.now()
    finished = Finished(1, 2, "", 3, Result(DeliveryState.SENT), at, "m-1")
    world.spill.prepare()
    world.spill.keep([finished])
    assert world.spill.kept() == [finished]


# --- requests about each contact ---


def bodies(world: World) -> list[object]:
    return [json.loads(message.content) for message in channel(world, "webhook/crm").sent]


def test_without_a_template_another_system_learns_who_and_nothing_more(shop: World) -> None:
    shop.publish(HEAD + webhook())
    shop.run_until("2026-12-01 10:05")
    assert bodies(shop)[0] == {"version": 1, "campaign": "sale", "step": "tell", "contact": {"id": "c-1"}}
    assert len(bodies(shop)) == 5
    assert shop.deliveries("tell") == {"sent": 5}


def test_what_a_template_says_is_json_whatever_the_values_are(shop: World) -> None:
    evil = '"", ""admin"": true, ""x"": ""\\'
    shop.import_file(shop.write("contacts.csv", PEOPLE.replace("Ada", f'"{evil}"')))
    shop.write(
        "body.json", '{"name": "{{ contact.name }}", "whole": {{ contact | tojson }}, "ok": {{ contact.consent }}}'
    )
    shop.publish(HEAD + webhook(", body: body.json"))
    shop.run_until("2026-12-01 10:05")
    first = bodies(shop)[0]
    assert isinstance(first, dict)
    assert first["name"] == evil.replace('""', '"')
    assert set(first) == {"name", "whole", "ok"}
    assert first["whole"]["email"] == "ada@example.org"
    assert first["ok"] is True


def test_a_template_that_makes_no_json_skips_the_contact(shop: World) -> None:
    shop.write("body.json", '{"name": {{ contact.name }}}')
    shop.publish(HEAD + webhook(", body: body.json"))
    shop.run_until("2026-12-01 10:05")
    assert set(why(shop, "tell").values()) == {"skipped: render_error"}


def test_requests_do_not_count_as_messages_that_a_contact_got(shop: World) -> None:
    shop.write(
        "campaignctl.yaml", PROJECT + "send: {frequency_cap: {messages: 1, per: 7d}, quiet_hours: '09:00-11:00'}\n"
    )
    shop.publish(
        HEAD
        + webhook()
        + webhook(step="again")
        + "  - {id: letter, at: 2026-12-01 12:00, email: {subject: Hi, body: hello.md}}\n"
    )
    shop.run_until("2026-12-01 10:05")
    assert len(bodies(shop)) == 10  # at an hour at which no person is written to
    shop.run_until("2026-12-01 12:05")
    assert len(shop.email.sent) == 5


# --- requests about many ---


def people(count: int) -> str:
    return "id,email,name\n" + "".join(f"k-{each},u{each}@example.org,N\n" for each in range(count))


def batches(world: World) -> list[list[str]]:
    return [[contact["id"] for contact in body["contacts"]] for body in bodies(world)]  # type: ignore[index] # they are


@pytest.fixture
def crowd(shop: World) -> World:
    shop.contacts(people(7))
    shop.publish(
        HEAD.replace("{attribute: id, exists: true}", "{attribute: name, eq: N}") + webhook(", per: batch, batch: 3")
    )
    return shop


def test_a_batch_is_one_request_whose_contacts_share_the_verdict(crowd: World) -> None:
    channel(crowd, "webhook/crm").answer("", Verdict.FAILED)
    crowd.run_until("2026-12-01 10:05")
    assert batches(crowd) == [["k-3", "k-4", "k-5"], ["k-6"]]
    assert crowd.deliveries("tell") == {"failed": 3, "sent": 4}
    assert crowd.campaign().state is CampaignState.COMPLETED


def test_a_batch_is_the_same_request_when_it_is_tried_again(crowd: World) -> None:
    told = channel(crowd, "webhook/crm")
    told.answer("", Verdict.UNCERTAIN, "no_answer")
    crowd.run_until("2026-12-01 10:01")
    assert crowd.deliveries("tell") == {"sent": 4, "uncertain": 3}
    crowd.run_until("2026-12-01 10:10")
    assert batches(crowd) == [["k-3", "k-4", "k-5"], ["k-6"], ["k-0", "k-1", "k-2"]]
    assert crowd.deliveries("tell") == {"sent": 7}


def test_a_batch_that_a_dead_daemon_had_begun_is_the_same_request_for_the_next(crowd: World) -> None:
    """The daemon dies between the intent and the result: another one has the same contacts and the same key."""
    seen: list[tuple[str, bytes]] = []

    class Dying(WrittenChannel):
        def exchange(self, messages, patience=None):  # type: ignore[no-untyped-def] # as in the port
            seen.extend((message.key, message.content) for message in messages)
            raise KeyboardInterrupt

    living = crowd.channels["webhook/crm"]
    crowd.channels["webhook/crm"] = Dying(crowd.clock)
    with pytest.raises(KeyboardInterrupt):
        crowd.run_until("2026-12-01 10:05")
    assert crowd.deliveries("tell") == {"sending": 7}
    crowd.channels["webhook/crm"] = living
    crowd.run_until("2026-12-01 10:06")
    assert [(message.key, message.content) for message in channel(crowd, "webhook/crm").sent] == seen
    assert crowd.deliveries("tell") == {"sent": 7}


def test_who_must_not_be_told_of_any_more_is_not_in_the_next_try_and_it_is_another_request(shop: World) -> None:
    shop.write("campaignctl.yaml", PROJECT + "segment: {attribute: name, ne: X}\n")
    shop.contacts(people(3))
    shop.publish(
        HEAD.replace("{attribute: id, exists: true}", "{attribute: name, eq: N}") + webhook(", per: batch, batch: 3")
    )
    told = channel(shop, "webhook/crm")
    told.answer("", Verdict.UNCERTAIN, "no_answer")
    shop.run_until("2026-12-01 10:01")
    shop.contacts(people(3).replace("k-1,u1@example.org,N", "k-1,u1@example.org,X"))
    shop.run_until("2026-12-01 10:10")
    assert batches(shop) == [["k-0", "k-2"]]
    assert shop.deliveries("tell") == {"sent": 2, "skipped": 1}


def test_a_rate_counts_requests_and_not_the_contacts_in_them(shop: World) -> None:
    shop.contacts(people(7))
    shop.publish(
        HEAD.replace("{attribute: id, exists: true}", "{attribute: name, eq: N}")
        + webhook(", per: batch, batch: 3, rate: 1/min")
    )
    shop.run_until("2026-12-01 10:00:30")
    assert batches(shop) == [["k-0", "k-1", "k-2"]]
    shop.run_until("2026-12-01 10:01:30")
    assert len(batches(shop)) == 2
    shop.run_until("2026-12-01 10:02:30")
    assert len(batches(shop)) == 3


# --- side by side ---


class HangingChannel(WrittenChannel):
    """Holds the first message for seven seconds, while time passes."""

    ends_at = None
    message = None

    def exchange(self, messages: Sequence[Outgoing], patience: timedelta | None = None) -> Sequence[Outcome]:
        for message in messages:
            self.message, self.in_flight = message, 1
            self.ends_at = self.ends_at or self.clock.now() + timedelta(seconds=7)
        self.clock.set_to(self.clock.now() + timedelta(milliseconds=10))
        if self.message is None or self.ends_at is None or self.clock.now() < self.ends_at:
            return []
        held, self.message, self.in_flight = self.message, None, 0
        return super().exchange([held])


def test_letters_by_a_rate_go_on_while_an_endpoint_keeps_us_waiting(shop: World) -> None:
    """A pass lasts five seconds, and the endpoint longer: letters wait for neither."""
    hanging = HangingChannel(shop.clock, capacity=1)
    shop.channels["webhook/crm"] = hanging
    shop.publish(HEAD.replace("exists: true", "eq: c-1") + webhook())
    shop.publish(
        HEAD.replace("sale", "news")
        + f"  - {{id: letter, at: {AT}, email: {{subject: Hi, body: hello.md, rate: 30/min}}}}\n"
    )
    shop.run_until("2026-12-01 10:00:20")
    begun_at, told_at = shop.left_at[0], hanging.left_at[0]
    assert told_at - begun_at > timedelta(seconds=6)
    assert [round((at - begun_at).total_seconds()) for at in shop.left_at] == [0, 2, 4, 6, 8]


# --- over the wire ---


@pytest.fixture
def wired(shop: World) -> Iterator[World]:
    yield shop
    for each in shop.channels.values():
        each.close()


def over_http(world: World, url: str, secret: str | None = None) -> None:
    endpoint = EndpointSettings("crm", url, secret, {}, True)
    client = lambda: HttpClient(allow_private=True, deadline=timedelta(seconds=30))  # noqa: E731 # short
    world.channels["webhook/crm"] = HttpChannel(client, webhook_request(endpoint), world.clock, is_idempotent=True)


def texts_over_http(world: World, url: str) -> None:
    """Have the project's own channel of texts ask this server."""
    text = (world.folder / "campaignctl.yaml").read_text("utf-8")
    world.write("campaignctl.yaml", text.replace('"https://sms.example/"', f"{url}\n    allow_private: true"))
    world.channels["sms"] = sms_channel(world.project, world.clock)


def headers_of(request: bytes) -> dict[str, str]:
    lines = request.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def test_requests_are_signed_and_have_a_key_of_their_own(wired: World) -> None:
    with WebServer() as server:
        over_http(wired, server.url, "a secret of the shop")
        wired.publish(HEAD + webhook())
        wired.run_until("2026-12-01 10:05")
    assert wired.deliveries("tell") == {"sent": 5}
    for request in server.requests:
        content = request.partition(b"\r\n\r\n")[2]
        assert verified("a secret of the shop", headers_of(request), content, wired.instant(AT))
    assert len({headers_of(request)["idempotency-key"] for request in server.requests}) == 5


def test_a_request_without_an_answer_is_made_again_at_once_with_the_same_key(wired: World) -> None:
    wired.import_file(wired.write("contacts.csv", PEOPLE.splitlines()[0] + "\n" + PEOPLE.splitlines()[1] + "\n"))
    with WebServer([Act.READ, Act.RESET], [Act.READ, answer(200)]) as server:
        over_http(wired, server.url)
        wired.publish(HEAD.replace("{attribute: id, exists: true}", "{attribute: id, eq: c-1}") + webhook())
        wired.run_until(AT)
    assert wired.deliveries("tell") == {"sent": 1}
    first, second = server.requests
    assert headers_of(first)["idempotency-key"] == headers_of(second)["idempotency-key"]
    assert first.partition(b"\r\n\r\n")[2] == second.partition(b"\r\n\r\n")[2]


def test_with_at_most_once_a_request_without_an_answer_is_not_made_again(wired: World) -> None:
    with WebServer([Act.READ, Act.RESET], [Act.READ, answer(200)]) as server:
        over_http(wired, server.url)
        wired.publish(HEAD.replace("{attribute: id, exists: true}", "{attribute: id, eq: c-1}") + webhook())
        wired.run_until("2026-12-02 10:00", wired.daemon(may_repeat=False))
    assert wired.deliveries("tell") == {"uncertain": 1}
    assert len(server.requests) == 1


def test_an_endpoint_that_asks_for_time_gets_it(wired: World) -> None:
    with WebServer([Act.READ, answer(429, "Retry-After: 3600")], [Act.READ, answer(200)]) as server:
        over_http(wired, server.url)
        wired.publish(HEAD.replace("{attribute: id, exists: true}", "{attribute: id, eq: c-1}") + webhook())
        wired.run_until("2026-12-01 10:59:59")
        assert (wired.deliveries("tell"), len(server.requests)) == ({"deferred": 1}, 1)
        wired.run_until("2026-12-01 11:00:01")
    assert wired.deliveries("tell") == {"sent": 1}


def test_an_endpoint_that_does_not_answer_holds_up_no_letter(wired: World, tmp_path: Path) -> None:
    with WebServer([Act.READ, Act.SILENCE]) as server:
        endpoint = EndpointSettings("crm", server.url, None, {}, True)
        wired.channels["webhook/crm"] = HttpChannel(
            lambda: HttpClient(allow_private=True, deadline=timedelta(milliseconds=300)),
            webhook_request(endpoint),
            wired.clock,
            is_idempotent=False,
        )
        wired.publish(HEAD + webhook())
        wired.publish(
            HEAD.replace("sale", "news") + f"  - {{id: letter, at: {AT}, email: {{subject: Hi, body: hello.md}}}}\n"
        )
        wired.run_until(AT)
    assert len(wired.email.sent) == 5
    assert wired.deliveries("tell") == {"uncertain": 5}
