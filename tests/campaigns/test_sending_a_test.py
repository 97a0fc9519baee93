"""One message through the real channel, marked as a test: it arrives, and the campaign knows nothing of it."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from socket import socket
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from world import PROJECT, World

from campaignctl.cli.start import run
from campaignctl.store.suppressions import EMAIL, suppress

CAMPAIGN = """
campaign: sale
list: customers
segment: {attribute: country, eq: SEGMENT}
at: 2037-01-01 09:00
email: {subject: "Été, {{ contact.name }}", body: hello.md}
"""


class Post:
    """A mail server that keeps what it takes, and refuses one recipient."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.taken: list[tuple[list[str], EmailMessage]] = []

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        if address == "nobody@example.org":
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        message = message_from_bytes(envelope.original_content, policy=policy.default)
        self.taken.append((envelope.rcpt_tos, message))
        return "250 taken"


@pytest.fixture
def post() -> Iterator[Post]:
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        post = Post(probe.getsockname()[1])
    controller = Controller(post, hostname="127.0.0.1", port=post.port)
    controller.start()
    yield post
    controller.stop()


@pytest.fixture
def shop(world: World, post: Post) -> World:
    world.write(
        "campaignctl.yaml", f"{PROJECT}channels: {{email: {{smtp: 'smtp://127.0.0.1:{post.port}', tls: none}}}}\n"
    )
    world.write("sale.yaml", CAMPAIGN.replace("SEGMENT", "BE"))
    world.contacts()
    return world


def send(world: World, *more: str, to: str = "boss@shop.example") -> int:
    return run(["send-test", str(world.folder / "sale.yaml"), "sale", "--to", to, *more])


def test_a_member_is_picked_and_somebody_else_gets_the_message(shop: World, post: Post) -> None:
    assert send(shop) == 0
    ((recipients, message),) = post.taken
    assert recipients == ["boss@shop.example"]
    assert (message["To"], message["Subject"]) == ("boss@shop.example", "[Test] Été, Grace")
    assert message["X-Campaignctl-Test"] == "yes"
    assert "Hello Grace" in message.get_body(("plain",)).get_content()  # type: ignore[union-attr] # every message has one


def test_a_contact_can_be_named_and_two_tests_are_two_messages(shop: World, post: Post) -> None:
    assert send(shop, "--contact", "c-1") == 0
    assert send(shop, "--contact", "c-1") == 0
    first, second = (message for _, message in post.taken)
    assert first["Subject"] == "[Test] Été, Ada"
    assert first["Message-ID"] != second["Message-ID"]


def test_the_campaign_that_runs_later_is_not_concerned(shop: World, post: Post) -> None:
    send(shop)
    shop.publish(CAMPAIGN.replace("SEGMENT", "BE"))
    shop.run_until("2037-01-01 10:00")
    assert shop.addresses == ["grace@example.org"]
    real = message_from_bytes(shop.email.sent[0].content, policy=policy.default)
    assert real["Message-ID"] != post.taken[0][1]["Message-ID"]
    assert real["X-Campaignctl-Test"] is None


@pytest.mark.parametrize(
    ("segment", "to", "code", "said"),
    [
        ("BE", "nobody@example.org", 1, "error[D104]: the test message was not taken (failed"),
        ("BE", "not an address", 2, "error[U107]"),
        ("BE", "gone@shop.example", 3, "error[P119]: `gone@shop.example` is suppressed (complaint)"),
        ("DE", "boss@shop.example", 3, "error[P128]: nobody would take part"),
    ],
)
def test_what_cannot_be_sent_is_said(
    shop: World, post: Post, segment: str, to: str, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.write("sale.yaml", CAMPAIGN.replace("SEGMENT", segment))
    with shop.store.writing() as ledger:
        suppress(ledger.connection, EMAIL, "gone@shop.example", "complaint", shop.clock.now())
    assert send(shop, to=to) == code
    assert said in capsys.readouterr().err
    assert post.taken == []
