"""The links that belong to the reader of a message: the way out, and the message in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import httpx
import pytest
from web.serving import served
from world import World

from campaignctl.store.suppressions import EMAIL, suppress, suppression_of
from campaignctl.topic_settings import LANGUAGES
from campaignctl.web.wording import WORDINGS
from campaignctl.wiring import signer_of

SALE = """
campaign: sale
list: customers
starter: {segment: {attribute: id, exists: true}}
steps:
  - {id: first, at: 2026-12-01 10:00, email: {subject: "Hi {{ contact.name }}", body: page.html}}
  - {id: second, at: 2026-12-02 10:00, email: {subject: Again, body: page.html}}
"""
PAGE = (
    "<p>Hello {{ contact.name }}, <a href='{{ view_url }}'>see it</a>, <a href='{{ unsubscribe_url }}'>leave</a>"
    " {{ postal_address }}</p>"
)


@pytest.fixture
def sale(world: World) -> World:
    return with_first_message(world)


def with_first_message(world: World, campaign: str = SALE) -> World:
    """A campaign whose first message has left to everybody, in a project without topics."""
    project = (world.folder / "campaignctl.yaml").read_text()
    world.write("campaignctl.yaml", project + "public_url: https://mail.shop.example\n")
    world.write("page.html", PAGE)
    world.contacts()
    world.at("2026-11-30 10:00")
    world.publish(campaign)
    run(world, "2026-12-01 10:05")
    return world


@pytest.fixture
def client(sale: World) -> Iterator[httpx.Client]:
    with served(sale) as client:
        yield client


def run(world: World, wall: str) -> None:
    world.run_until(wall, world.daemon(signer=signer_of(world.store, world.clock)))


def message_to(world: World, address: str) -> EmailMessage:
    content = next(message.content for message in world.email.sent if message.recipient == address)
    return message_from_bytes(content, EmailMessage, policy=default)


def link_of(world: World, address: str, kind: str) -> str:
    """The path of a reader's own link, as it stands in the message."""
    body = message_to(world, address).get_body(("html",))
    assert body is not None
    found = re.search(rf"https://mail\.shop\.example(/{kind}/[\w-]+)", body.get_content())
    assert found is not None
    return found[1]


def is_suppressed(world: World, address: str) -> bool:
    with world.store.reading() as ledger:
        return suppression_of(ledger.connection, EMAIL, address) is not None


ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def test_one_click_unsubscribes_at_once_and_no_further_message_leaves(sale: World, client: httpx.Client) -> None:
    header = str(message_to(sale, "ada@example.org")["List-Unsubscribe"])
    path = re.search(r"<https://mail\.shop\.example(/u/[\w-]+)>", header)
    assert path is not None
    answer = client.post(path[1], data=ONE_CLICK, follow_redirects=False)
    assert (answer.status_code, answer.text) == (200, "unsubscribed\n")
    assert "set-cookie" not in answer.headers
    assert is_suppressed(sale, "ada@example.org")
    run(sale, "2026-12-02 10:05")
    again = [message.recipient for message in sale.email.sent[3:]]
    assert sorted(again) == ["alan@example.org", "grace@example.org"]


def test_one_click_as_a_form_with_parts_is_taken_too(sale: World, client: httpx.Client) -> None:
    """RFC 8058, section 3.1, lets mail programs choose between the two forms."""
    answer = client.post(link_of(sale, "ada@example.org", "u"), files={"List-Unsubscribe": (None, "One-Click")})
    assert answer.status_code == 200
    assert is_suppressed(sale, "ada@example.org")


def test_a_scanner_that_follows_every_link_of_every_message_unsubscribes_nobody(
    sale: World, client: httpx.Client
) -> None:
    for message in sale.email.sent:
        parsed = message_from_bytes(message.content, EmailMessage, policy=default)
        texts = [
            str(parsed["List-Unsubscribe"]),
            *(part.get_content() for part in parsed.walk() if not part.is_multipart()),
        ]
        for path in {path for text in texts for path in re.findall(r"https://mail\.shop\.example(/\w+/[\w-]+)", text)}:
            assert client.get(path).status_code == client.head(path).status_code == 200
    assert not any(is_suppressed(sale, message.recipient) for message in sale.email.sent)


def test_people_are_asked_and_may_come_back(sale: World, client: httpx.Client) -> None:
    path = link_of(sale, "ada@example.org", "u")
    page = client.get(path)
    assert "Shall we write to a…@example.org no more?" in page.text
    assert "ada@example.org" not in page.text
    left = client.post(path, data={"action": "leave"})
    assert "We write to a…@example.org no more." in left.text
    assert is_suppressed(sale, "ada@example.org")
    assert 'value="return"' in client.get(path).text
    back = client.post(path, data={"action": "return"})
    assert "We write to a…@example.org again." in back.text
    assert not is_suppressed(sale, "ada@example.org")


@pytest.mark.parametrize("reason", ["complaint", "hard_bounce", "manual"])
def test_what_others_said_of_an_address_is_not_undone_by_a_page(sale: World, client: httpx.Client, reason: str) -> None:
    with sale.store.writing() as ledger:
        suppress(ledger.connection, EMAIL, "ada@example.org", reason, sale.clock.now())
    path = link_of(sale, "ada@example.org", "u")
    for answer in (client.get(path), client.post(path, data={"action": "return"})):
        assert "We cannot write to this address any more." in answer.text
        assert "<button" not in answer.text
    assert is_suppressed(sale, "ada@example.org")


def test_a_link_that_nobody_signed_is_answered_like_one_whose_message_is_gone(
    sale: World, client: httpx.Client
) -> None:
    signed = link_of(sale, "ada@example.org", "u")
    flipped = signed[:-1] + ("A" if signed[-1] != "A" else "B")
    view = link_of(sale, "ada@example.org", "v")
    others = [flipped, view.replace("/v/", "/u/"), "/u/x", "/u/" + "A" * 36, "/v/" + signed.rpartition("/")[2]]
    answers = [client.get(path) for path in others] + [client.post(path, data=ONE_CLICK) for path in others[:4]]
    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert not is_suppressed(sale, "ada@example.org")


def test_the_page_speaks_the_language_of_the_contact_or_else_of_the_browser(world: World) -> None:
    project = (world.folder / "campaignctl.yaml").read_text().replace("email: email", "email: email, language: lang")
    world.write("campaignctl.yaml", project + "public_url: https://mail.shop.example\n")
    world.write("page.html", PAGE)
    world.contacts("id,email,name,lang\nc-1,ada@example.org,Ada,fr\nc-2,grace@example.org,Grace,\n")
    world.at("2026-11-30 10:00")
    world.publish(SALE)
    run(world, "2026-12-01 10:05")
    with served(world) as client:
        german = {"Accept-Language": "tlh, de;q=0.7, en;q=0.5"}
        french = client.get(link_of(world, "ada@example.org", "u"), headers=german).text
        other = client.get(link_of(world, "grace@example.org", "u"), headers=german).text
        odd = client.get(link_of(world, "grace@example.org", "u"), headers={"Accept-Language": "de;q=x"}).text
    assert '<html lang="fr">' in french
    assert "Se désabonner" in french
    assert '<html lang="de">' in other
    assert '<html lang="en">' in odd


def test_every_language_has_every_text(sale: World) -> None:
    for words in WORDINGS.values():
        assert all(words)
        with_address = (words.question, words.has_left, words.is_back, words.which, words.has_left_topic)
        assert all("{address}" in text for text in with_address)
        assert all("{topic}" in text for text in (words.leave_topic, words.has_left_topic))
    assert sorted(WORDINGS) == sorted(LANGUAGES)


def test_unsubscribing_many_times_at_once_is_one_event(sale: World, client: httpx.Client) -> None:
    path = link_of(sale, "ada@example.org", "u")
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: client.post(path, data=ONE_CLICK), range(20)))
    assert {answer.status_code for answer in answers} == {200}
    with sale.store.reading() as ledger:
        assert ledger.connection.exec_driver_sql("SELECT COUNT(*) FROM events WHERE kind = 'unsubscribe'").scalar() == 1


def test_the_message_is_seen_in_a_browser_as_it_was(sale: World, client: httpx.Client) -> None:
    answer = client.get(link_of(sale, "ada@example.org", "v"))
    assert answer.status_code == 200
    assert "Hello Ada" in answer.text
    assert "sandbox" in answer.headers["content-security-policy"]
    assert "script-src" not in answer.headers["content-security-policy"]
