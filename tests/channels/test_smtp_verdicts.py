"""
The verdict table: what each answer, and the lack of one, means at each stage.

The rows below are written from the contract, not from the code. Every row
meets a real connection, without and with pipelining.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

import pytest
from channels.messages import CONTENT, HOST, SHORT, a_message, outcome_with, outcomes_with, settings_for
from channels.scripted_relay import End, Move, Script, ScriptedRelay

from campaignctl.ports import Outcome, Verdict


@dataclass(frozen=True)
class Means:
    """What the contract says of an outcome."""

    verdict: Verdict
    reason: str
    is_hard_bounce: bool = False
    blames_sender: bool = False


def meaning(outcome: Outcome) -> Means:
    return Means(outcome.verdict, outcome.reason, outcome.is_hard_bounce, outcome.blames_sender)


SENT = Means(Verdict.SENT, "")
RELAY_DOWN = Means(Verdict.NOT_SENT, "relay_down")
SENDER_REFUSED = Means(Verdict.NOT_SENT, "sender_refused", blames_sender=True)
MESSAGE_UNFIT = Means(Verdict.NOT_SENT, "message_refused", blames_sender=True)
AUTH_REFUSED = Means(Verdict.NOT_SENT, "auth_refused", blames_sender=True)
LINE_LOST = Means(Verdict.DEFERRED, "line_lost")
REFUSED_FOR_NOW = Means(Verdict.DEFERRED, "refused_for_now")
FULL_FOR_NOW = Means(Verdict.DEFERRED, "mailbox_full")
REFUSED = Means(Verdict.FAILED, "refused")
FULL = Means(Verdict.FAILED, "mailbox_full")
POLICY = Means(Verdict.FAILED, "policy")
MESSAGE_REFUSED = Means(Verdict.FAILED, "message_refused", blames_sender=True)
HARD = Means(Verdict.FAILED, "hard_bounce", is_hard_bounce=True)
UNCERTAIN = Means(Verdict.UNCERTAIN, "no_answer")

GARBAGE: list[Move] = [
    (b"HTTP/1.1 400 Bad Request\r\n", End.SILENCE),
    (b"\x16\x03\x01\x02\x00\x01\r\n", End.SILENCE),
    (b"99 too low\r\n", End.SILENCE),
    (b"600 too high\r\n", End.SILENCE),
    (b"2500 too long\r\n", End.SILENCE),
    (b"250_not a separator\r\n", End.SILENCE),
    (b"250-one\r\n451 two codes\r\n", End.SILENCE),
    (b"\r\n", End.SILENCE),
    (b"250 \xe2\x80\xa8 fine\r\n\r\n 250", End.CLOSE),
]
# The last of them is an answer with noise behind it: garbage only for the next question.
NOISE = GARBAGE[:-1]
NO_ANSWER: list[Move] = [End.CLOSE, End.RESET, (b"25", End.CLOSE), (b"250-half\r\n", End.CLOSE), *NOISE]

OPENING: list[tuple[str, Move, Means]] = [
    (stage, move, RELAY_DOWN)
    for stage in ("banner", "EHLO")
    for move in (
        b"421 4.3.2 closing\r\n",
        b"450 later\r\n",
        b"500 no\r\n",
        b"554 5.7.1 go away\r\n",
        b"354 what\r\n",
        *NO_ANSWER,
    )
]

MAIL: list[tuple[str, Move, Means]] = [
    ("MAIL", b"421 4.3.2 closing\r\n", REFUSED_FOR_NOW),
    ("MAIL", b"450 4.1.8 later\r\n", REFUSED_FOR_NOW),
    ("MAIL", b"452 4.3.1 no room\r\n", REFUSED_FOR_NOW),
    ("MAIL", b"550 5.1.1 who are you\r\n", SENDER_REFUSED),  # never a bounce of the contact
    ("MAIL", b"553 5.1.8 bad sender\r\n", SENDER_REFUSED),
    ("MAIL", b"554 5.7.1 not from you\r\n", SENDER_REFUSED),
    ("MAIL", b"550 no\r\n", SENDER_REFUSED),
    ("MAIL", b"501-5.5.4 two\r\n501 5.5.4 lines\r\n", SENDER_REFUSED),
    ("MAIL", b"530 5.7.0 authentication required\r\n", AUTH_REFUSED),
    ("MAIL", b"552 5.3.4 too big\r\n", MESSAGE_UNFIT),
    ("MAIL", b"354 what\r\n", LINE_LOST),
    *(("MAIL", move, LINE_LOST) for move in NO_ANSWER),
]

RECIPIENT: list[tuple[str, Move, Means]] = [
    ("RCPT", b"421 4.3.2 closing\r\n", REFUSED_FOR_NOW),
    ("RCPT", b"450 4.2.0 greylisted\r\n", REFUSED_FOR_NOW),
    ("RCPT", b"450 5.1.1 contradicts itself\r\n", REFUSED_FOR_NOW),
    ("RCPT", b"452 4.2.2 full\r\n", FULL_FOR_NOW),
    *(
        ("RCPT", b"550 %s gone\r\n" % code, HARD)
        for code in (b"5.1.1", b"5.1.2", b"5.1.3", b"5.1.6", b"5.1.10", b"5.2.1")
    ),
    ("RCPT", b"550-5.1.1 gone,\r\n550-5.1.1 really\r\n550 5.1.1 gone\r\n", HARD),
    ("RCPT", b"551 5.1.6 moved\r\n", HARD),
    *(("RCPT", b"%d gone\r\n" % code, HARD) for code in (550, 551, 553)),
    ("RCPT", b"550\r\n", HARD),
    *(("RCPT", b"%d no\r\n" % code, REFUSED) for code in (500, 501, 503, 504, 521, 552, 554, 555)),
    ("RCPT", b"550 5.1.0 what\r\n", REFUSED),  # an enhanced code speaks before the plain one
    ("RCPT", b"550 5.4.1 no route\r\n", REFUSED),
    ("RCPT", b"550 5.1.11 not 5.1.1\r\n", REFUSED),
    ("RCPT", b"550 4.1.1 contradicts itself\r\n", REFUSED),
    ("RCPT", b"552 5.2.2 full\r\n", FULL),
    ("RCPT", b"550 5.2.2 full\r\n", FULL),
    *(("RCPT", b"550 %s blocked\r\n" % code, POLICY) for code in (b"5.7.0", b"5.7.1", b"5.7.26", b"5.7.509")),
    ("RCPT", b"552 5.3.4 too big\r\n", MESSAGE_REFUSED),
    ("RCPT", b"550 5.6.7 no SMTPUTF8\r\n", MESSAGE_REFUSED),
    ("RCPT", b"530 5.7.0 authentication required\r\n", AUTH_REFUSED),
    ("RCPT", b"354 what\r\n", LINE_LOST),
    *(("RCPT", move, LINE_LOST) for move in NO_ANSWER),
]

DATA: list[tuple[str, Move, Means]] = [
    ("DATA", b"421 4.3.2 closing\r\n", REFUSED_FOR_NOW),
    ("DATA", b"451 4.7.1 greylisted\r\n", REFUSED_FOR_NOW),
    ("DATA", b"550 no\r\n", REFUSED),  # hard without an enhanced code only at RCPT
    ("DATA", b"554 5.7.1 blocked\r\n", POLICY),
    ("DATA", b"550 5.1.1 gone\r\n", HARD),
    ("DATA", b"250 what\r\n", LINE_LOST),
    ("DATA", b"355 what\r\n", LINE_LOST),
    *(("DATA", move, LINE_LOST) for move in NO_ANSWER),
]

FINAL: list[tuple[str, Move, Means]] = [
    (".", b"250 2.0.0 taken\r\n", SENT),
    (".", b"200 odd, and yes\r\n", SENT),
    (".", b"250-taken\r\n250 as AB12\r\n", SENT),
    (".", (b"250 taken\r\n", End.CLOSE), SENT),
    (".", (b"250 taken\r\n", b"noise"), SENT),
    (".", (b"2", b"50 in pieces", b"\r", b"\n"), SENT),
    (".", b"421 4.3.2 closing\r\n", REFUSED_FOR_NOW),
    (".", b"451 4.3.0 later\r\n", REFUSED_FOR_NOW),
    (".", b"452 4.2.2 full\r\n", FULL_FOR_NOW),
    (".", b"550 no\r\n", REFUSED),
    (".", b"550 5.1.1 gone\r\n", HARD),
    (".", b"554 5.7.1 spam\r\n", POLICY),
    (".", b"552 5.3.4 too big\r\n", MESSAGE_REFUSED),
    (".", b"554 5.6.0 broken\r\n", MESSAGE_REFUSED),
    (".", b"552 5.2.2 full\r\n", FULL),
    (".", b"354 what\r\n", UNCERTAIN),
    (".", (b"250 taken", End.CLOSE), UNCERTAIN),
    (".", (b"550 5.1.1 gone", End.CLOSE), UNCERTAIN),
    (".", (b"250 taken\n", End.CLOSE), UNCERTAIN),
    *((".", move, UNCERTAIN) for move in NO_ANSWER),
]

SILENT: list[tuple[str, Means]] = [
    ("banner", RELAY_DOWN),
    ("EHLO", RELAY_DOWN),
    ("MAIL", LINE_LOST),
    ("RCPT", LINE_LOST),
    ("DATA", LINE_LOST),
    (".", UNCERTAIN),
]

PIPELINING = {"EHLO": b"250-relay.example\r\n250-8BITMIME\r\n250 PIPELINING\r\n"}
offers = pytest.mark.parametrize("offer", [{}, PIPELINING], ids=["one-by-one", "pipelined"])


@pytest.mark.parametrize(("stage", "move", "means"), OPENING)
def test_a_relay_that_cannot_be_talked_to_costs_no_attempt(stage: str, move: Move, means: Means) -> None:
    with ScriptedRelay({stage: move}) as relay:
        outcome = outcome_with(settings_for(relay.port))
    assert meaning(outcome) == means
    assert "MAIL" not in relay.heard[0].verbs


@offers
@pytest.mark.parametrize(("stage", "move", "means"), MAIL + RECIPIENT + DATA)
def test_what_is_answered_before_the_content_decides_without_it(
    stage: str, move: Move, means: Means, offer: Script
) -> None:
    with ScriptedRelay({**offer, stage: move}) as relay:
        outcome = outcome_with(settings_for(relay.port))
    assert meaning(outcome) == means
    # A relay that pipelines may have asked for content already: it gets none.
    assert relay.contents in ([], [b""])


@offers
@pytest.mark.parametrize(("stage", "move", "means"), FINAL)
def test_after_the_final_dot_only_a_whole_answer_is_believed(
    stage: str, move: Move, means: Means, offer: Script
) -> None:
    with ScriptedRelay({**offer, stage: move}) as relay:
        outcome = outcome_with(settings_for(relay.port))
    assert meaning(outcome) == means
    assert relay.contents == [CONTENT]


@pytest.mark.parametrize(("stage", "means"), SILENT)
def test_silence_is_an_answer_after_some_time(stage: str, means: Means) -> None:
    with ScriptedRelay({stage: End.SILENCE}) as relay:
        outcome = outcome_with(settings_for(relay.port, timeout=SHORT, answer_timeout=SHORT))
    assert meaning(outcome) == means
    assert "in time" in outcome.detail


@pytest.mark.parametrize("move", [End.CLOSE, End.RESET, (b"421 4.3.2 closing\r\n", End.CLOSE)])
def test_a_line_that_breaks_while_content_is_written_leaves_the_message_for_later(move: Move) -> None:
    """The terminator was never written, so nobody can have taken the message."""
    content = b"Subject: long\r\n\r\n" + (b"x" * 70 + b"\r\n") * 300_000
    with ScriptedRelay({"content": move}) as relay:
        outcome = outcome_with(settings_for(relay.port), a_message(content=content))
    assert meaning(outcome) == LINE_LOST


def test_nobody_at_the_port_costs_no_attempt() -> None:
    with socket.create_server((HOST, 0)) as closed:
        port = closed.getsockname()[1]
    outcome = outcome_with(settings_for(port))
    assert meaning(outcome) == RELAY_DOWN
    assert "refuses connections" in outcome.detail


def test_a_relay_that_never_accepts_costs_no_attempt() -> None:
    with socket.create_server((HOST, 0), backlog=1) as deaf:
        outcome = outcome_with(settings_for(deaf.getsockname()[1], timeout=SHORT))
    assert meaning(outcome) == RELAY_DOWN


@offers
@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "."])
def test_a_421_ends_the_connection_and_the_next_message_opens_another(stage: str, offer: Script) -> None:
    closing = {**offer, stage: b"421 4.3.2 closing\r\n"}
    with ScriptedRelay(closing, offer) as relay:
        first, second = outcomes_with(settings_for(relay.port), a_message("one"), a_message("two"))
    assert meaning(first) == REFUSED_FOR_NOW
    assert meaning(second) == SENT
    assert len(relay.heard) == 2
    assert "QUIT" not in relay.heard[0].verbs


@offers
@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "."])
def test_a_refused_message_does_not_reach_into_the_next_one(stage: str, offer: Script) -> None:
    """The second message is taken on a clean slate, with nothing of the first in its envelope."""
    refusing = {**offer, stage: b"450 4.2.0 later\r\n"}
    with ScriptedRelay(refusing) as relay:
        outcomes = outcomes_with(
            settings_for(relay.port), a_message("one"), a_message("two", recipient="b@example.org")
        )
    assert [meaning(outcome) for outcome in outcomes] == [REFUSED_FOR_NOW] * 2
    envelopes = [place for place, command in enumerate(relay.commands) if command.startswith(b"MAIL FROM:")]
    between = relay.commands[slice(*envelopes)]
    is_reset = b"RSET" in between or len(relay.heard) == 2
    assert len(envelopes) == 2
    assert is_reset or stage == "."  # A whole message that was refused leaves no envelope (RFC 5321, 4.1.1.4).


@offers
def test_an_uncertain_message_leaves_no_connection_that_could_be_mistaken_about_it(offer: Script) -> None:
    """A late answer to the first message must not be taken for the answer to the second."""
    with ScriptedRelay({**offer, ".": b"354 what\r\n250 taken\r\n"}, offer) as relay:
        outcomes = outcomes_with(settings_for(relay.port), a_message("one"), a_message("two"))
    assert [meaning(outcome) for outcome in outcomes] == [UNCERTAIN, SENT]
    assert len(relay.heard) == 2
