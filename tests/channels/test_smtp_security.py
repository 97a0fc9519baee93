"""Who may listen: encryption, certificates and passwords, and what a server can get out of us."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

import pytest
from channels.certificates import certificate, shown_by_server
from channels.mail_server import MailServer
from channels.messages import CONTENT, HOST, a_message, outcome_with, outcomes_with, settings_for
from channels.scripted_relay import End, Move, ScriptedRelay
from channels.test_every_channel import numbered
from channels.test_smtp_stages_and_faults import TLS, WITH_TLS
from channels.test_smtp_verdicts import AUTH_REFUSED, RELAY_DOWN, SENT, UNCERTAIN, meaning

from campaignctl.channels.smtp.settings import Security
from campaignctl.errors import ChannelError

PASSWORD = "open sesame"
PAST = datetime(2021, 1, 1, tzinfo=UTC)
LONG = b"Subject: long\r\n\r\n" + b"".join(b"%d line\r\n" % number for number in range(400_000))


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """A certificate for the server's address."""
    return certificate(tmp_path, HOST)


# --- encryption ---


@pytest.mark.parametrize("is_implicit", [False, True], ids=["STARTTLS", "smtps"])
def test_messages_travel_encrypted(ours: Path, is_implicit: bool) -> None:
    tls = shown_by_server(ours)
    with MailServer(starttls=None if is_implicit else tls, implicit_tls=tls if is_implicit else None) as server:
        settings = settings_for(server.port, security="required", ca_file=ours, implicit_tls=is_implicit)
        outcomes = outcomes_with(settings, *numbered(3))
    assert [meaning(outcome) for outcome in outcomes] == [SENT] * 3
    assert [taken.content for taken in server.taken] == [message.content for message in numbered(3)]
    assert all(taken.is_encrypted for taken in server.taken)


@pytest.mark.parametrize("is_implicit", [False, True], ids=["STARTTLS", "smtps"])
def test_a_message_longer_than_any_record_or_buffer_travels_encrypted(ours: Path, is_implicit: bool) -> None:
    script = {"EHLO": WITH_TLS, "EHLO tls": b"250-relay.example\r\n250 PIPELINING\r\n"}
    with ScriptedRelay(script, tls=shown_by_server(ours), is_implicit=is_implicit) as relay:
        settings = settings_for(relay.port, security="required", ca_file=ours, implicit_tls=is_implicit)
        outcome = outcome_with(settings, a_message(content=LONG))
    assert meaning(outcome) == SENT
    assert relay.contents == [LONG]


def test_a_certificate_for_another_host_is_not_trusted(tmp_path: Path) -> None:
    other = certificate(tmp_path, "other.example")
    assert_not_trusted(other, other)


def test_a_certificate_that_has_ended_is_not_trusted(tmp_path: Path) -> None:
    ended = certificate(tmp_path, HOST, ends_at=PAST)
    assert_not_trusted(ended, ended)


def test_a_certificate_of_an_unknown_authority_is_not_trusted(tmp_path: Path, ours: Path) -> None:
    assert_not_trusted(certificate(tmp_path, HOST), ours)


def assert_not_trusted(shown: Path, trusted: Path) -> None:
    """Neither after STARTTLS nor from the start, and nothing is sent in the clear instead."""
    tls = shown_by_server(shown)
    for is_implicit in (False, True):
        with MailServer(starttls=None if is_implicit else tls, implicit_tls=tls if is_implicit else None) as server:
            settings = settings_for(server.port, security="required", ca_file=trusted, implicit_tls=is_implicit)
            outcome = outcome_with(settings)
        assert meaning(outcome) == TLS
        assert "not to be trusted" in outcome.detail
        assert server.taken == []


def test_opportunistic_encryption_believes_any_certificate(tmp_path: Path) -> None:
    with MailServer(starttls=shown_by_server(certificate(tmp_path, "other.example"))) as server:
        outcome = outcome_with(settings_for(server.port, security="opportunistic"))
    assert meaning(outcome) == SENT
    assert [taken.is_encrypted for taken in server.taken] == [True]


def test_without_an_offer_only_required_encryption_keeps_a_message_back() -> None:
    with ScriptedRelay() as relay:
        assert meaning(outcome_with(settings_for(relay.port, security="opportunistic"))) == SENT
        assert meaning(outcome_with(settings_for(relay.port, security="required"))) == TLS
    assert relay.contents == [CONTENT]


@pytest.mark.parametrize(("security", "means"), [("opportunistic", RELAY_DOWN), ("required", TLS)])
@pytest.mark.parametrize(
    "script",
    [
        {"STARTTLS": b"454 4.7.0 not now\r\n"},
        {"STARTTLS": End.CLOSE},
        {"handshake": End.CLOSE},
        {"handshake": (b"250 not TLS at all, and long enough to be read as a record\r\n", End.CLOSE)},
        # Who sits on the line writes ahead in the clear (CVE-2011-0411).
        {"STARTTLS": b"220 go ahead\r\n250 injected\r\n", "handshake": End.CLOSE},
    ],
    ids=["refused", "closed", "broken", "clear", "injected"],
)
def test_encryption_that_fails_is_never_followed_by_words_in_the_clear(
    script: dict[str, Move], security: Security, means: object
) -> None:
    with ScriptedRelay({"EHLO": WITH_TLS, **script}) as relay:
        outcome = outcome_with(settings_for(relay.port, security=security))
    assert meaning(outcome) == means
    assert [heard.verbs for heard in relay.heard] == [["EHLO", "STARTTLS"]]


@pytest.mark.parametrize("move", [End.CLOSE, End.RESET, (b"25", End.CLOSE), b"354 what\r\n"])
def test_after_the_final_dot_an_encrypted_line_is_as_uncertain_as_any_other(ours: Path, move: Move) -> None:
    with ScriptedRelay({"EHLO": WITH_TLS, "EHLO tls": b"250 hi\r\n", ".": move}, tls=shown_by_server(ours)) as relay:
        outcome = outcome_with(settings_for(relay.port, security="required", ca_file=ours))
    assert meaning(outcome) == UNCERTAIN
    assert relay.contents == [CONTENT]


def test_authorities_that_cannot_be_read_are_said_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(ChannelError, match="cannot be read") as failure:
        outcome_with(settings_for(25, security="required", ca_file=tmp_path / "missing.pem"))
    assert failure.value.code == "D103"


# --- passwords ---


@pytest.mark.parametrize("without", [(), ("PLAIN",), ("LOGIN",)])
def test_a_password_is_shown_in_the_way_the_server_knows(ours: Path, without: tuple[str, ...]) -> None:
    with MailServer(starttls=shown_by_server(ours), accounts={"shop": PASSWORD}, without=without) as server:
        settings = settings_for(server.port, security="required", ca_file=ours, user="shop", password=PASSWORD)
        outcome = outcome_with(settings)
    assert meaning(outcome) == SENT
    assert [taken.is_authenticated for taken in server.taken] == [True]


def test_a_wrong_password_blames_us() -> None:
    with MailServer(accounts={"shop": PASSWORD}) as server:
        outcome = outcome_with(settings_for(server.port, user="shop", password="guess"))
    assert meaning(outcome) == AUTH_REFUSED
    assert server.taken == []


def test_a_server_that_knows_no_way_to_take_a_password_gets_no_message() -> None:
    with ScriptedRelay({"EHLO": b"250-hi\r\n250 AUTH CRAM-MD5\r\n"}) as relay:
        outcome = outcome_with(settings_for(relay.port, user="shop", password=PASSWORD))
    assert meaning(outcome) == AUTH_REFUSED
    assert relay.heard[0].verbs == ["EHLO"]


@pytest.mark.parametrize("security", ["required", "opportunistic"])
def test_a_password_is_never_shown_where_encryption_is_wanted_and_not_offered(security: Security) -> None:
    with ScriptedRelay({"EHLO": b"250-hi\r\n250 AUTH PLAIN LOGIN\r\n"}) as relay:
        outcome = outcome_with(settings_for(relay.port, security=security, user="shop", password=PASSWORD))
    assert meaning(outcome) == TLS
    assert relay.heard[0].verbs == ["EHLO"]


@pytest.mark.parametrize("offered", [b"PLAIN", b"LOGIN"])
@pytest.mark.parametrize(
    "secret",
    [PASSWORD.encode(), b64encode(PASSWORD.encode()), b64encode(f"\0shop\0{PASSWORD}".encode())],
    ids=["as it is", "encoded", "with the user"],
)
def test_a_server_that_repeats_the_password_does_not_bring_it_into_a_report(secret: bytes, offered: bytes) -> None:
    refusal = b"535 5.7.8 what is " + secret + b"?\r\n"
    script = {"EHLO": b"250-hi\r\n250 AUTH " + offered + b"\r\n", "AUTH": refusal}
    if offered == b"LOGIN":
        script |= {"AUTH": b"334 user\r\n", "AUTH 2": b"334 password\r\n", "AUTH 3": refusal}
    with ScriptedRelay(script) as relay:
        outcome = outcome_with(settings_for(relay.port, user="shop", password=PASSWORD))
    assert meaning(outcome) == AUTH_REFUSED
    assert secret.decode() not in outcome.detail


# --- injection ---

ODD = ["\r\n", "\n", "\r", "\0", " ", "<", ">", "\x7f", "é", "\u2028"]


@pytest.mark.parametrize("odd", ODD, ids=ascii)
@pytest.mark.parametrize("whose", ["sender", "recipient"])
def test_an_address_that_could_end_a_command_never_reaches_the_server(whose: str, odd: str) -> None:
    address = f"ada@example.org{odd}RCPT TO:<eve@example.org"
    message = a_message(sender=address) if whose == "sender" else a_message(recipient=address)
    with ScriptedRelay() as relay:
        outcome = outcome_with(settings_for(relay.port), message)
    assert (outcome.reason, outcome.blames_sender) == ("bad_address", whose == "sender")
    assert relay.commands == []


@pytest.mark.parametrize("end", [b"\r\n.\n", b"\n.\r\n", b"\n.\n", b"\r.\r", b"\r\n.\r", b"\n\n.\r\r\n"], ids=repr)
def test_no_line_end_of_any_kind_lets_content_end_early(end: bytes) -> None:
    """Servers disagree on bare CR and LF ("SMTP smuggling"): none reaches them."""
    content = b"Subject: Hello\r\n\r\nHello" + end + b"MAIL FROM:<eve@example.org>\r\n"
    with ScriptedRelay() as relay:
        outcome = outcome_with(settings_for(relay.port), a_message(content=content))
    assert meaning(outcome) == SENT
    (heard,) = relay.contents
    assert heard.replace(b"\r\n", b"").translate(None, b"\r\n") == heard.replace(b"\r\n", b"")
    assert b"\r\n.\r\n" not in heard
    assert b"\r\n..\r\n" in heard
    assert heard.endswith(b"\r\nMAIL FROM:<eve@example.org>\r\n")
