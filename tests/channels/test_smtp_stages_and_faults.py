"""
Nine stages by twelve faults, one by one and pipelined: no cell of the contract's table is left to chance.

The exact codes at each stage are in `test_smtp_verdicts.py`.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from threading import Event

import pytest
from channels.messages import CONTENT, HOST, PATIENT, SHORT, a_message, outcome_with, outcomes_with, settings_for
from channels.scripted_relay import End, Move, Script, ScriptedRelay
from channels.test_smtp_verdicts import (
    AUTH_REFUSED,
    LINE_LOST,
    POLICY,
    REFUSED,
    REFUSED_FOR_NOW,
    RELAY_DOWN,
    SENDER_REFUSED,
    UNCERTAIN,
    Means,
    meaning,
    offers,
)

from campaignctl.ports import Verdict

TLS = Means(Verdict.NOT_SENT, "tls_required")

# What the server does in the place of a proper answer. At the banner, where
# nothing was asked yet, nobody listens instead of "not known".
FAULTS: dict[str, Move] = {
    "refused": b"502 5.5.1 not known here\r\n",
    "timeout": End.SILENCE,
    "4xx": b"450 4.3.0 later\r\n",
    "5xx": b"554 no\r\n",
    "policy": b"550 5.7.1 not from you\r\n",
    "421": (b"421 4.3.2 closing\r\n", End.CLOSE),
    "garbage": (b"HTTP/1.1 200 OK\r\n", End.CLOSE),
    "eof": End.CLOSE,
    "reset": End.RESET,
    "half": (b"250-the first line\r\n", End.CLOSE),
    "dropped": (b"25", End.RESET),
    "wrong": b"354 go on\r\n",
}
# A verdict for each fault, in the order of FAULTS.
TABLE: dict[str, list[Means]] = {
    "banner": [RELAY_DOWN] * 12,
    "EHLO": [RELAY_DOWN] * 12,
    "STARTTLS": [TLS] * 12,
    "AUTH": [AUTH_REFUSED, *[RELAY_DOWN] * 2, *[AUTH_REFUSED] * 2, *[RELAY_DOWN] * 7],
    "MAIL": [
        *(SENDER_REFUSED, LINE_LOST, REFUSED_FOR_NOW, SENDER_REFUSED, SENDER_REFUSED, REFUSED_FOR_NOW),
        *[LINE_LOST] * 6,
    ],
    "RCPT": [*(REFUSED, LINE_LOST, REFUSED_FOR_NOW, REFUSED, POLICY, REFUSED_FOR_NOW), *[LINE_LOST] * 6],
    "DATA": [*(REFUSED, LINE_LOST, REFUSED_FOR_NOW, REFUSED, POLICY, REFUSED_FOR_NOW), *[LINE_LOST] * 6],
    # Whatever is said into the content: its terminator was not written.
    "content": [LINE_LOST] * 12,
    ".": [*(REFUSED, UNCERTAIN, REFUSED_FOR_NOW, REFUSED, POLICY, REFUSED_FOR_NOW), *[UNCERTAIN] * 6],
}
LONG = b"Subject: long\r\n\r\n" + (b"x" * 70 + b"\r\n") * 100_000  # more than fits between two machines
WITH_TLS = b"250-relay.example\r\n250 STARTTLS\r\n"
WITH_AUTH = b"250-relay.example\r\n250 AUTH PLAIN\r\n"


def cells() -> Iterator[object]:
    for stage, row in TABLE.items():
        for fault, means in zip(FAULTS, row, strict=True):
            yield pytest.param(stage, fault, means, id=f"{stage}-{fault}")


def move_of(stage: str, fault: str) -> Move:
    if fault == "wrong" and stage == "DATA":
        return b"250 fine\r\n"
    if fault == "wrong" and stage == "AUTH":
        return b"334 go on\r\n"
    if stage == "content" and isinstance(FAULTS[fault], bytes):
        return (FAULTS[fault], End.CLOSE)  # type: ignore[return-value] # these are bytes
    return FAULTS[fault]


def script_of(stage: str, move: Move, offer: Script) -> Script:
    ehlo = {"STARTTLS": {"EHLO": WITH_TLS}, "AUTH": {"EHLO": WITH_AUTH}}.get(stage, {})
    return {**offer, **ehlo, stage: move}


@offers
@pytest.mark.parametrize(("stage", "fault", "means"), list(cells()))
def test_every_fault_at_every_stage_has_its_verdict(stage: str, fault: str, means: Means, offer: Script) -> None:
    is_silent_at_the_end = (stage, fault) == (".", "timeout")
    patience: timedelta = SHORT if fault == "timeout" and not is_silent_at_the_end else PATIENT
    is_over = Event()
    # Silence takes in what it hears, and so would the terminator be. A server that is stuck does not.
    move = is_over if (stage, fault) == ("content", "timeout") else move_of(stage, fault)
    with ScriptedRelay(script_of(stage, move, offer)) as relay, socket.create_server((HOST, 0)) as nobody:
        is_nobody = (stage, fault) == ("banner", "refused")
        port = nobody.getsockname()[1] if is_nobody else relay.port
        if is_nobody:
            nobody.close()
        outcome = outcome_with(
            settings_for(
                port,
                timeout=patience,
                answer_timeout=SHORT if is_silent_at_the_end else PATIENT,
                security="required" if stage == "STARTTLS" else "none",
                user="shop" if stage == "AUTH" else None,
                password="secret" if stage == "AUTH" else None,
            ),
            a_message(content=LONG if stage == "content" else CONTENT),
        )
        is_over.set()
    assert meaning(outcome) == means
    # The message is read to its dot at the last stage, and at no other.
    assert [content for content in relay.contents if content] == ([CONTENT] if stage == "." else [])


# All three answers in one write, as servers do that read a whole group of commands first.
AT_ONCE = {
    "EHLO": b"250-relay.example\r\n250-8BITMIME\r\n250 PIPELINING\r\n",
    "MAIL": b"",
    "RCPT": b"",
}
ODD_GROUPS: list[tuple[Move, Means]] = [
    (b"250 ok\r\n250 ok\r\n354 go\r\n", Means(Verdict.SENT, "")),
    (b"250 ok\r\n251 will forward\r\n354 go\r\n", Means(Verdict.SENT, "")),
    (b"250-two\r\n250 lines\r\n250 ok\r\n354 go\r\n", Means(Verdict.SENT, "")),
    ("250 ça va\r\n250 ok\r\n354 go\r\n".encode(), Means(Verdict.SENT, "")),
    (b"250 ok\r\n250 ok\r\n354 g" + b"o" * 1000 + b"\r\n", Means(Verdict.SENT, "")),
    (b"250 ok\r\n550 5.1.1 gone\r\n354 go\r\n", Means(Verdict.FAILED, "hard_bounce", is_hard_bounce=True)),
    (b"450 later\r\n250 ok\r\n554 no\r\n", REFUSED_FOR_NOW),
    (b"250 ok\r\n250 ok\r\n451 later\r\n", REFUSED_FOR_NOW),
    ((b"250 ok\r\n250 ok\r\n354 go\n", End.CLOSE), LINE_LOST),
    ((b"250 ok\r\n250 o\x00k\r\n354 go\r\n", End.CLOSE), LINE_LOST),
    ((b"250 ok\r\n250 o\nk\r\n354 go\r\n", End.CLOSE), LINE_LOST),
    ((b"250 ok\r\n250 ok\r\n354 go\r\n250 taken before it came\r\n", End.CLOSE), LINE_LOST),
    ((b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n", End.CLOSE), LINE_LOST),
    ((b"250 ok\r\n250 ok\r\n", End.CLOSE), LINE_LOST),
    ((b"250 ok\r\n354 go\r\n", End.CLOSE), LINE_LOST),
]


@pytest.mark.parametrize(("group", "means"), ODD_GROUPS)
def test_answers_that_come_together_are_read_as_strictly_as_one_by_one(group: Move, means: Means) -> None:
    with ScriptedRelay({**AT_ONCE, "DATA": group}) as relay:
        outcome = outcome_with(settings_for(relay.port))
    assert meaning(outcome) == means
    assert (CONTENT in relay.contents) is (means.verdict is Verdict.SENT)


def test_three_answers_are_too_few_for_the_four_commands_after_a_refusal() -> None:
    """RSET comes first then, and what looks like a wish for content is the answer to RCPT."""
    script: Script = {
        **AT_ONCE,
        "DATA": b"250 ok\r\n450 later\r\n554 no\r\n",
        "RSET": b"",
        "DATA again": (b"250 ok\r\n250 ok\r\n354 go\r\n", End.CLOSE),
    }
    with ScriptedRelay(script) as relay:
        outcomes = outcomes_with(settings_for(relay.port), a_message("one"), a_message("two"))
    assert [meaning(outcome) for outcome in outcomes] == [REFUSED_FOR_NOW, LINE_LOST]


def test_what_the_server_said_of_a_message_is_kept_for_people() -> None:
    with ScriptedRelay({**AT_ONCE, "DATA": ODD_GROUPS[0][0], ".": b"250 2.0.0 taken as AB12\r\n"}) as relay:
        outcome = outcome_with(settings_for(relay.port))
    assert outcome.detail == "250 2.0.0 taken as AB12"
