"""Signed campaigns, from the key in a file to the message that a server took."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dkim
import pytest
from channels.mail_server import MailServer
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from messages.test_dkim import PrivateKey, record
from world import PROJECT, World

from campaignctl.cli.start import run
from campaignctl.clock import SetClock
from campaignctl.dkim_key import signature_of
from campaignctl.doctor import examine
from campaignctl.errors import ChannelError
from campaignctl.ports import Verdict
from campaignctl.project import PROJECT_FILE, ProjectFile, load_project

CAMPAIGN = (
    "campaign: sale\nlist: customers\nsegment: french\nat: 2025-12-01 10:05\nemail: {subject: Hi, body: hello.md}\n"
)
KEY = rsa.generate_private_key(65537, 2048)
DKIM = "dkim: {domain: shop.example, selector: c1, key: KEY}"


def pem(key: PrivateKey = KEY) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
def world(world: World) -> World:
    """A world in which it is 2025: who verifies refuses what was signed in the future."""
    world.clock = world.email.clock = SetClock(datetime(2025, 11, 1, tzinfo=UTC))
    return world


def with_key(world: World, channel: str = "", *, key: str = "keys/dkim.pem", mode: int = 0o600) -> Path:
    """The project with a key in a file, or wherever *key* says."""
    world.write(PROJECT_FILE, f"{PROJECT}channels: {{email: {{{channel}{DKIM.replace('KEY', key)}}}}}\n")
    path = world.write("keys/dkim.pem", pem())
    path.chmod(mode)
    return path


def project(world: World, **environment: str) -> ProjectFile:
    loaded = load_project(world.folder, environment)
    assert isinstance(loaded, ProjectFile), loaded
    return loaded


def is_good(message: bytes, key: PrivateKey = KEY) -> bool:
    return bool(dkim.verify(message, dnsfunc=lambda name, timeout=5: record(key)))


def test_every_message_of_a_campaign_is_signed_and_the_same_when_it_is_tried_again(world: World) -> None:
    with_key(world)
    world.contacts()
    world.email.answer("ada@example.org", Verdict.UNCERTAIN, "line_lost")
    world.at("2025-12-01 10:00")
    world.publish(CAMPAIGN)
    made: list[bytes] = []
    exchange = world.email.exchange
    world.email.exchange = lambda messages, patience=None: (  # type: ignore[method-assign,misc] # what is offered, not what is taken
        made.extend(each.content for each in messages) or exchange(messages, patience)  # type: ignore[func-returns-value] # a list grows
    )
    world.run_until("2025-12-01 12:00")
    assert len(made) == 3
    assert len(set(made)) == 2
    assert all(is_good(content) for content in made)


def test_marks_for_providers_are_taken_out_without_harm(world: World) -> None:
    with_key(world)
    extra = 'public_url: https://mail.shop.example\nproviders: {sendgrid: {public_key: "${KEY}"}}\n'
    world.write(PROJECT_FILE, (world.folder / PROJECT_FILE).read_text() + extra)
    world.contacts()
    world.at("2025-12-01 10:00")
    world.publish(CAMPAIGN)
    world.run_until("2025-12-01 10:30")
    content = world.email.sent[0].content
    start = content.index(b"X-SMTPAPI: ")
    without = content[:start] + content[content.index(b"\r\n", start) + 2 :]
    assert is_good(content)
    assert is_good(without)


def test_a_test_message_arrives_at_a_server_with_a_good_signature(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    with MailServer() as server:
        with_key(world, f"smtp: 'smtp://127.0.0.1:{server.port}', tls: none, ")
        world.contacts()
        world.write("campaign.yaml", CAMPAIGN.replace("2025", "2037"))
        place = str(world.folder)
        command = ["send-test", f"{place}/campaign.yaml", "sale", "--to", "grace@example.org", "--project", place]
        assert run(command) == 0, capsys.readouterr()
        (taken,) = server.taken
    assert b"\r\nSubject: [Test] Hi\r\n" in taken.content
    assert is_good(taken.content)


def test_a_key_may_stand_in_the_environment_on_several_lines_or_on_one(world: World) -> None:
    with_key(world, key="'${DKIM_KEY}'")
    assert signature_of(project(world, DKIM_KEY=pem())) is not None
    assert signature_of(project(world, DKIM_KEY=pem().replace("\n", "\\n"))) is not None
    assert signature_of(project(world, DKIM_KEY="keys/dkim.pem")) is not None


@pytest.mark.parametrize(
    ("change", "environment", "code"),
    [
        ({"mode": 0o644}, {}, "D141"),
        ({"mode": 0o604}, {}, "D141"),
        ({"key": "keys/none.pem"}, {}, "D140"),
        ({"key": "keys"}, {}, "D140"),
        ({"key": "hello.md"}, {}, "D140"),
        ({"key": "'${DKIM_KEY}'"}, {}, "D101"),
        ({"key": "'${DKIM_KEY}'"}, {"DKIM_KEY": "-----BEGIN PRIVATE KEY-----"}, "D140"),
        ({"key": "'${DKIM_KEY}'"}, {"DKIM_KEY": pem(ed25519.Ed25519PrivateKey.generate())[:-40]}, "D140"),
    ],
)
def test_a_key_that_cannot_be_used_sends_nothing(
    world: World, change: dict[str, object], environment: dict[str, str], code: str
) -> None:
    with_key(world, **change)  # type: ignore[arg-type] # named by the parameters
    (world.folder / "hello.md").chmod(0o600)
    with pytest.raises(ChannelError) as refused:
        signature_of(project(world, **environment))
    assert refused.value.code == code
    assert all("PRIVATE" not in said and "MII" not in said for said in (refused.value.message, refused.value.hint))


def test_a_group_may_read_the_key(world: World) -> None:
    with_key(world, mode=0o640)
    assert signature_of(project(world)) is not None


def test_doctor_says_whether_the_key_can_be_read(world: World) -> None:
    def found() -> list[tuple[str, str]]:
        every = examine(world.folder, {}, None, world.clock.now(), PROJECT_FILE)
        return [(each.result.value, each.what[:5]) for each in every if each.name == "dkim"]

    assert found() == []
    path = with_key(world)
    assert found() == [("ok", "the k")]
    path.chmod(0o666)
    assert found() == [("fail", "D141:")]


def test_the_key_is_nowhere_in_the_store(world: World) -> None:
    with_key(world)
    world.contacts()
    world.at("2025-12-01 10:00")
    world.publish(CAMPAIGN)
    world.run_until("2025-12-01 10:30")
    secret = pem().splitlines()[3].encode()
    for path in world.folder.glob("campaignctl.db*"):
        assert secret not in path.read_bytes()
