"""Topics: contacts leave some kinds of messages and keep the others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email import message_from_bytes
from email.policy import default

import httpx
import pytest
from web.serving import served, token_for
from web.test_unsubscribing import ONE_CLICK, PAGE, is_suppressed, message_to, run, with_first_message
from world import World

from campaignctl.cli.start import run as command
from campaignctl.simulation.run import Settings, copied, simulate
from campaignctl.store.checks.check import check_store
from campaignctl.store.lists import contact_by_key, contact_values, known_list
from campaignctl.store.suppressions import EMAIL, suppress
from campaignctl.tracing import trace

TOPICS = """
public_url: https://mail.shop.example
topics:
  news:
    title: {en: News, fr: Nouvelles}
    description: {en: Once a month., fr: Une fois par mois.}
  offers: {title: {en: Offers, fr: Offres}, attribute: pref_offers}
"""
SALE = """
campaign: sale
list: customers
starter: {segment: {attribute: id, exists: true}}
steps:
  - {id: first, at: 2026-12-01 10:00, email: {subject: Buy, body: page.html, topic: offers}}
  - {id: second, at: 2026-12-02 10:00, email: {subject: Buy more, body: page.html, topic: offers}}
  - {id: letter, at: 2026-12-03 10:00, email: {subject: What is new, body: page.html, topic: news}}
  - {id: bill, at: 2026-12-04 10:00, email: {subject: Your bill, body: page.html}}
"""
EVERYBODY = ["ada@example.org", "alan@example.org", "grace@example.org"]
OTHERS = ["alan@example.org", "grace@example.org"]


def with_topics(world: World, contacts: str | None = None, sale: str = SALE) -> World:
    """A campaign with topics, before its first message."""
    project = (world.folder / "campaignctl.yaml").read_text().replace("email: email", "email: email, language: lang")
    world.write("campaignctl.yaml", project + TOPICS)
    world.write("page.html", PAGE)
    if contacts is None:
        world.contacts()
    else:
        world.contacts(contacts)
    world.at("2026-11-30 10:00")
    world.publish(sale)
    return world


@pytest.fixture
def shop(world: World) -> World:
    """A campaign with topics, whose first message has left to everybody."""
    with_topics(world)
    run(world, "2026-12-01 10:05")
    assert sorted(world.addresses) == EVERYBODY
    return world


@pytest.fixture
def client(shop: World) -> Iterator[httpx.Client]:
    with served(shop) as client:
        yield client


def link_to(world: World, address: str, step: str) -> str:
    """The path of the way out in one of a contact's messages."""
    content = next(
        each.content for each in world.email.sent if each.recipient == address and each.key.split("/")[1] == step
    )
    header = str(message_from_bytes(content, policy=default)["List-Unsubscribe"])
    found = re.search(r"<https://mail\.shop\.example(/u/[\w-]+)>", header)
    assert found is not None
    return found[1]


def got(world: World, step: str) -> list[str]:
    return sorted(message.recipient for message in world.email.sent if message.key.split("/")[1] == step)


def attribute(world: World, key: str, name: str) -> object:
    with world.store.reading() as ledger:
        contacts = known_list(ledger.connection, "customers")
        row = contact_by_key(ledger.connection, contacts, key)
        assert row is not None
        return contact_values(contacts, row).get(name)


def left(world: World, address: str) -> list[str]:
    with world.store.reading() as ledger:
        return list(ledger.left_since(address))


def journaled(world: World) -> list[tuple[str, object]]:
    with world.store.reading() as ledger:
        entries = ledger.history(ledger.known_campaign("sale"))
    return [(entry.action, entry.detail) for entry in entries if entry.actor == "contact"]


def events(world: World) -> list[tuple[str, str]]:
    with world.store.reading() as ledger:
        rows = ledger.connection.exec_driver_sql("SELECT kind, url FROM events ORDER BY id")
        return [(row.kind, row.url) for row in rows]


def test_one_click_leaves_the_topic_of_the_message_and_no_other(shop: World, client: httpx.Client) -> None:
    """What a mail program offers to leave is the list that `List-Id` names, and that is the topic's."""
    assert str(message_to(shop, "ada@example.org")["List-Id"]) == "<offers.customers.shop.shop.example>"
    answer = client.post(link_to(shop, "ada@example.org", "first"), data=ONE_CLICK, follow_redirects=False)
    assert (answer.status_code, answer.text) == (200, "unsubscribed\n")
    assert not is_suppressed(shop, "ada@example.org")
    run(shop, "2026-12-05 10:00")
    assert got(shop, "second") == OTHERS
    assert got(shop, "letter") == got(shop, "bill") == EVERYBODY
    assert shop.deliveries("second") == {"sent": 2, "skipped": 1}


def test_one_click_in_a_message_without_a_topic_leaves_everything(shop: World, client: httpx.Client) -> None:
    run(shop, "2026-12-05 10:00")
    client.post(link_to(shop, "ada@example.org", "bill"), data=ONE_CLICK)
    assert is_suppressed(shop, "ada@example.org")
    bill = next(message for message in shop.email.sent if message.key.split("/")[1] == "bill")
    assert str(message_from_bytes(bill.content, policy=default)["List-Id"]) == "<customers.shop.shop.example>"


def test_what_a_contact_leaves_is_kept_as_an_attribute_an_event_and_in_the_journal(
    shop: World, client: httpx.Client
) -> None:
    for _ in range(2):
        client.post(link_to(shop, "ada@example.org", "first"), data=ONE_CLICK)
    assert attribute(shop, "c-1", "pref_offers") is False
    assert attribute(shop, "c-2", "pref_offers") is None
    assert events(shop) == [("unsubscribe", "topic:offers")]
    assert journaled(shop) == [("topics", {"step": "first", "contact": 1, "left": ["offers"]})]


def test_the_page_shows_the_messages_topic_first_and_says_what_was_chosen(shop: World, client: httpx.Client) -> None:
    path = link_to(shop, "ada@example.org", "first")
    asked = client.get(path).text
    assert "Which messages may we send to a…@example.org?" in asked
    assert asked.index('value="offers" checked') < asked.index('value="news" checked')
    assert "Once a month." in asked
    saved = client.post(path, data={"action": "choose", "shown": ["offers", "news"], "topic": ["offers"]}).text
    assert "Your choice is saved." in saved
    assert 'value="offers" checked' in saved
    assert 'value="news">' in saved
    assert left(shop, "ada@example.org") == ["news"]
    run(shop, "2026-12-05 10:00")
    assert got(shop, "second") == EVERYBODY
    assert got(shop, "letter") == OTHERS


def test_one_button_of_the_page_leaves_the_messages_topic_and_another_leaves_everything(
    shop: World, client: httpx.Client
) -> None:
    path = link_to(shop, "ada@example.org", "first")
    one = client.post(path, data={"action": "leave-topic"}).text
    assert "We send “Offers” to a…@example.org no more." in one
    assert "No more “Offers”" not in one
    assert not is_suppressed(shop, "ada@example.org")
    everything = client.post(path, data={"action": "leave"}).text
    assert "We write to a…@example.org no more." in everything
    assert is_suppressed(shop, "ada@example.org")


def test_who_unticks_everything_wants_nothing_at_all_and_may_come_back_to_what_they_had(
    shop: World, client: httpx.Client
) -> None:
    """Messages without a topic would go on otherwise, to somebody who has just said no to all that they were shown."""
    path = link_to(shop, "ada@example.org", "first")
    client.post(path, data={"action": "choose", "shown": ["offers", "news"], "topic": ["news"]})
    client.post(path, data={"action": "choose", "shown": ["offers", "news"]})
    assert is_suppressed(shop, "ada@example.org")
    back = client.post(path, data={"action": "return"}).text
    assert "We write to a…@example.org again." in back
    assert not is_suppressed(shop, "ada@example.org")
    assert left(shop, "ada@example.org") == ["offers"]


def test_a_topic_that_the_page_did_not_show_stays_as_it_was(shop: World, client: httpx.Client) -> None:
    path = link_to(shop, "ada@example.org", "first")
    client.post(path, data={"action": "choose", "shown": ["offers", "gossip"], "topic": ["offers", "news", "gossip"]})
    assert left(shop, "ada@example.org") == []
    assert events(shop) == []


def test_who_ticks_a_topic_again_gets_its_messages_again(shop: World, client: httpx.Client) -> None:
    path = link_to(shop, "ada@example.org", "first")
    client.post(path, data=ONE_CLICK)
    client.post(path, data={"action": "choose", "shown": ["offers", "news"], "topic": ["offers", "news"]})
    assert attribute(shop, "c-1", "pref_offers") is True
    assert journaled(shop)[-1] == ("topics", {"step": "first", "contact": 1, "joined": ["offers"]})
    run(shop, "2026-12-02 10:05")
    assert got(shop, "second") == EVERYBODY


@pytest.mark.parametrize("reason", ["complaint", "hard_bounce"])
def test_no_choice_of_topics_lifts_what_others_said_of_an_address(
    shop: World, client: httpx.Client, reason: str
) -> None:
    with shop.store.writing() as ledger:
        suppress(ledger.connection, EMAIL, "ada@example.org", reason, shop.clock.now())
    path = link_to(shop, "ada@example.org", "first")
    shown = client.post(path, data={"action": "choose", "shown": ["offers"], "topic": ["offers"]})
    assert "We cannot write to this address any more." in shown.text
    assert "<input" not in client.get(path).text
    assert is_suppressed(shop, "ada@example.org")


def test_a_scanner_that_follows_the_links_leaves_no_topic(shop: World, client: httpx.Client) -> None:
    for address in EVERYBODY:
        assert client.get(link_to(shop, address, "first")).status_code == 200
    assert [left(shop, address) for address in EVERYBODY] == [[], [], []]


def test_whatever_a_mail_program_posts_leaves_the_topic(shop: World, client: httpx.Client) -> None:
    """Also where it is no form that can be read: more fields than a page has."""
    answer = client.post(link_to(shop, "ada@example.org", "first"), content=b"&".join([b"action=return"] * 2000))
    assert answer.status_code == 200
    assert left(shop, "ada@example.org") == ["offers"]


def test_contacts_with_one_address_leave_a_topic_together(world: World) -> None:
    """A mailbox is a person's: who reads it has said what they do not want, whichever contact it was sent to."""
    with_topics(world, "id,email,name,country\nc-1,ada@example.org,Ada,FR\nc-2,Ada@Example.org,Ada L.,FR\n")
    run(world, "2026-12-01 10:05")
    with served(world) as client:
        client.post(link_to(world, world.addresses[0], "first"), data=ONE_CLICK)
    run(world, "2026-12-05 10:00")
    assert world.deliveries("second") == {"skipped": 2}
    assert world.deliveries("letter") == {"sent": 2}


def test_an_address_leaves_a_topic_in_every_list(world: World) -> None:
    project = (world.folder / "campaignctl.yaml").read_text()
    world.write("campaignctl.yaml", project.replace("lists: {", "lists: {friends: {key: id, email: mail}, "))
    with_topics(world)
    world.fast.import_list("friends", world.write("friends.csv", "id,mail,name\nf-1,ada@example.org,Ada\n"))
    friends = SALE.replace("campaign: sale", "campaign: friendly").replace("list: customers", "list: friends")
    world.publish(friends)
    run(world, "2026-12-01 10:05")
    with served(world) as client:
        client.post(link_to(world, "ada@example.org", "first"), data=ONE_CLICK)
    run(world, "2026-12-05 10:00")
    assert world.deliveries("second", "friendly") == {"skipped": 1}
    assert world.deliveries("letter", "friendly") == {"sent": 1}


def test_a_contact_whose_attribute_says_false_gets_nothing_of_the_topic(world: World) -> None:
    with_topics(
        world,
        "id,email,name,country,pref_offers,topic_news\n"
        "c-1,ada@example.org,Ada,FR,false,\nc-2,grace@example.org,Grace,BE,true,0\nc-3,alan@example.org,Alan,FR,,1\n",
    )
    run(world, "2026-12-05 10:00")
    assert got(world, "first") == OTHERS
    assert got(world, "letter") == ["ada@example.org", "alan@example.org"]
    assert got(world, "bill") == EVERYBODY


def test_trace_says_which_topic_a_contact_does_not_want_and_since_when(shop: World, client: httpx.Client) -> None:
    client.post(link_to(shop, "ada@example.org", "first"), data=ONE_CLICK)
    shop.contacts("id,pref_offers\nc-3,false\n")
    run(shop, "2026-12-02 10:05")
    with shop.store.reading() as ledger:
        ada, alan = (trace(ledger, "sale", key, shop.clock.now()) for key in ("c-1", "c-3"))
    assert [event.url for event in ada.steps[0].events] == ["topic:offers"]
    assert (ada.steps[1].outcome, ada.steps[1].reason) == ("skipped", "not_in_topic")
    assert ada.steps[1].explanation == (
        "not sent on 2026-12-02 10:00, because the contact does not want the topic `offers`,"
        " left by themselves on 2026-12-01 10:05"
    )
    assert alan.steps[1].explanation.endswith("because the contact does not want the topic `offers`")


def test_a_simulation_leaves_out_who_left_the_topic(shop: World, client: httpx.Client) -> None:
    client.post(link_to(shop, "ada@example.org", "first"), data=ONE_CLICK)
    shop.contacts("id,topic_news\nc-3,false\n")
    version = shop.fast.version(shop.folder / "campaign.yaml")
    with copied(shop.store) as copy:
        simulation = simulate(copy, version, shop.project.project, Settings(shop.clock.now()))
    skipped = {each.step.name: dict(each.skipped) for each in simulation.steps}
    assert skipped == {"first": {}, "second": {"not_in_topic": 1}, "letter": {"not_in_topic": 1}, "bill": {}}
    run(shop, "2026-12-05 10:00")
    for each in simulation.steps[1:]:
        assert shop.deliveries(each.step.name).get("sent") == each.messages
        assert shop.deliveries(each.step.name).get("skipped", 0) == sum(each.skipped.values())


def test_a_message_of_a_topic_that_the_project_has_no_more_can_still_be_left(shop: World) -> None:
    project = (shop.folder / "campaignctl.yaml").read_text()
    shop.write("campaignctl.yaml", project.partition("topics:")[0])
    with served(shop) as client:
        path = link_to(shop, "ada@example.org", "first")
        assert "No more “offers”" in client.get(path).text
        client.post(path, data=ONE_CLICK)
    run(shop, "2026-12-05 10:00")
    assert got(shop, "second") == OTHERS
    assert got(shop, "letter") == EVERYBODY


def test_where_the_project_declares_no_topics_a_message_is_left_like_any_other(world: World) -> None:
    with served(with_first_message(world, SALE)) as client:
        client.post(link_to(world, "ada@example.org", "first"), data=ONE_CLICK)
    assert is_suppressed(world, "ada@example.org")


def test_a_request_of_the_api_brings_nobody_back_into_a_topic(shop: World, client: httpx.Client) -> None:
    client.post(link_to(shop, "ada@example.org", "first"), data=ONE_CLICK)
    shop.publish(
        "campaign: thanks\nlist: customers\nstarter: {api: {}}\nsteps:\n"
        "  - {id: thank, email: {subject: Thanks, body: page.html, topic: offers}}\n"
    )
    rows = [{"id": f"c-{number}", "properties": {"pref_offers": True}} for number in (1, 2)]
    answer = client.post(
        "/api/v1/campaigns/thanks/trigger", json={"contacts": rows}, headers=token_for(shop, "trigger:thanks")
    )
    assert answer.status_code == 202
    run(shop, "2026-12-01 11:00")
    assert got(shop, "thank") == ["grace@example.org"]
    assert [attribute(shop, key, "pref_offers") for key in ("c-1", "c-2")] == [False, True]


def test_the_command_believes_a_file_only_where_it_is_told_that_contacts_agreed_anew(
    shop: World, client: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    client.post(link_to(shop, "ada@example.org", "first"), data=ONE_CLICK)
    file = str(shop.write("wishes.csv", "id,pref_offers\nc-1,true\nc-2,true\n"))
    typed = ["contacts", "import", "customers", file, "--project", str(shop.folder)]
    command(typed)
    assert (
        "not believed, because the contact has left the topic: 1 (`--opt-in` believes the file)"
        in capsys.readouterr().err
    )
    assert left(shop, "ada@example.org") == ["offers"]
    command(["contacts", "show", "customers", "c-1", "--project", str(shop.folder)])
    assert "Left the topic `offers` themselves on 2026-12-01T09:05:00Z." in capsys.readouterr().out
    command([*typed, "--opt-in"])
    assert "back in a topic that they had left: 1" in capsys.readouterr().err
    assert left(shop, "ada@example.org") == []
    assert attribute(shop, "c-1", "pref_offers") is True


def test_store_check_finds_a_message_of_a_topic_that_was_left_before(shop: World, client: httpx.Client) -> None:
    client.post(link_to(shop, "ada@example.org", "first"), data=ONE_CLICK)
    run(shop, "2026-12-05 10:00")
    with shop.store.reading() as ledger:
        assert [check.name for check in check_store(ledger) if not check.ok] == []
    with shop.store.writing() as ledger:
        ledger.connection.exec_driver_sql(
            "UPDATE deliveries SET state = 'sent', reason = NULL, attempts = 1 WHERE state = 'skipped'"
        )
    with shop.store.reading() as ledger:
        found = {check.name: check.found for check in check_store(ledger) if not check.ok}
    assert found == {
        "topics": ("sale/second: contact `c-1` left the topic `offers`, and was written to after that: sent",)
    }
