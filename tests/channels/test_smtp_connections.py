"""Connections: kept, renewed, few or many, never the reason why a message is late or lost."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from threading import Event

import pytest
from channels.mail_server import MailServer
from channels.messages import CONTENT, HOST, PATIENT, SHORT, a_message, outcome_with, outcomes_with, settings_for
from channels.scripted_relay import End, Move, Script, ScriptedRelay
from channels.test_every_channel import Carried, numbered
from channels.test_smtp_verdicts import RELAY_DOWN, SENT, UNCERTAIN, Means, meaning, offers

from campaignctl.channels.smtp.channel import SmtpChannel
from campaignctl.ports import Verdict

ABANDONED = Means(Verdict.NOT_SENT, "abandoned")
NOW = timedelta(0)
CLOSING = b"421 4.7.0 too many messages on this connection\r\n"


def carried_by(channel: SmtpChannel) -> Carried:
    return Carried(channel, lambda: [])


# --- kept and renewed ---


def test_one_connection_carries_one_message_after_the_other() -> None:
    with ScriptedRelay() as relay:
        outcomes = outcomes_with(settings_for(relay.port), *numbered(5))
    assert [meaning(outcome) for outcome in outcomes] == [SENT] * 5
    assert len(relay.heard) == 1


@offers
@pytest.mark.parametrize(
    "last",
    [
        {".": (b"250 taken\r\n", End.CLOSE)},
        {".": (b"250 taken\r\n" + CLOSING, End.CLOSE)},
        {".": (b"250 taken\r\n", CLOSING, End.CLOSE)},
        {".": b"250 taken\r\n250 and more\r\n"},
    ],
    ids=["close", "421", "421 apart", "noise"],
)
def test_a_relay_that_closes_after_a_message_costs_nothing(last: Script, offer: Script) -> None:
    with ScriptedRelay({**offer, **last}) as relay:
        outcomes = outcomes_with(settings_for(relay.port), *numbered(4))
    assert [meaning(outcome) for outcome in outcomes] == [SENT] * 4
    assert relay.contents == [message.content for message in numbered(4)]


@pytest.mark.parametrize("goes", [CLOSING, End.CLOSE, End.RESET], ids=["421", "close", "reset"])
def test_a_relay_that_has_had_enough_when_the_next_message_comes_costs_nothing(goes: Move) -> None:
    """Many relays let a connection carry so many messages, and say so when one more is named."""
    with ScriptedRelay({"MAIL again": goes}) as relay:
        outcomes = outcomes_with(settings_for(relay.port), *numbered(4))
    assert [meaning(outcome) for outcome in outcomes] == [SENT] * 4
    assert len(relay.heard) == 4


def test_a_connection_ends_politely_after_its_number_of_messages() -> None:
    with ScriptedRelay() as relay:
        outcomes = outcomes_with(settings_for(relay.port, messages_per_connection=2), *numbered(5))
    assert [meaning(outcome) for outcome in outcomes] == [SENT] * 5
    assert [heard.verbs.count("MAIL") for heard in relay.heard] == [2, 2, 1]
    assert [heard.verbs[-1] for heard in relay.heard] == ["QUIT"] * 3


def test_a_connection_that_was_idle_for_long_is_not_used_again() -> None:
    with ScriptedRelay() as relay:
        outcomes = outcomes_with(settings_for(relay.port, idle_limit=NOW), *numbered(3))
    assert [meaning(outcome) for outcome in outcomes] == [SENT] * 3
    assert [heard.verbs.count("MAIL") for heard in relay.heard] == [1, 1, 1]
    assert [heard.verbs[-1] for heard in relay.heard] == ["QUIT"] * 3


def test_a_relay_that_does_not_answer_a_good_bye_holds_nobody_up_for_long() -> None:
    with ScriptedRelay({"QUIT": End.SILENCE}) as relay:
        outcome = outcome_with(settings_for(relay.port))
    assert meaning(outcome) == SENT
    assert relay.heard[0].verbs[-1] == "QUIT"


def test_a_fresh_connection_that_is_closed_at_the_first_sender_is_not_tried_for_ever() -> None:
    with ScriptedRelay({"MAIL": End.CLOSE}) as relay:
        outcome = outcome_with(settings_for(relay.port))
    assert meaning(outcome) == Means(Verdict.DEFERRED, "line_lost")
    assert len(relay.heard) == 1


# --- few or many ---


def test_messages_go_out_side_by_side() -> None:
    """Each waits for its answer while the others are named, or this test does not end."""
    release = Event()
    with (
        ScriptedRelay({".": (release, b"250 taken\r\n")}) as relay,
        closing(SmtpChannel(settings_for(relay.port, connections=3))) as channel,
    ):
        outcomes = list(channel.exchange(numbered(3), NOW))
        while len(relay.contents) < 3:
            outcomes += channel.exchange([], NOW)
        assert outcomes == []
        release.set()
        while channel.in_flight:
            outcomes += channel.exchange([])
    assert [meaning(outcome) for outcome in outcomes] == [SENT] * 3
    assert len(relay.heard) == 3


@pytest.mark.parametrize("refusal", [b"421 4.7.0 too many connections\r\n", b"554 no\r\n", End.CLOSE])
def test_a_relay_that_allows_fewer_connections_gets_all_messages_over_those(refusal: Move) -> None:
    """The message that finds no connection is not at fault, and neither is the relay."""
    # Given a relay that takes one connection and refuses the others
    with (
        ScriptedRelay({}, {"banner": refusal}) as relay,
        closing(SmtpChannel(settings_for(relay.port, connections=3))) as channel,
    ):
        outcomes = carried_by(channel).all_outcomes(*numbered(9))
        banned = len(relay.heard) - 1
    # Then every message goes out, and the relay is not asked for more again and again
    assert [meaning(outcome) for outcome in outcomes] == [SENT] * 9
    assert len(relay.contents) == 9
    assert banned <= 2


def test_when_no_connection_can_be_opened_no_message_is_sent() -> None:
    with (
        ScriptedRelay({"banner": b"421 4.3.2 closing\r\n"}) as relay,
        closing(SmtpChannel(settings_for(relay.port, connections=3))) as channel,
    ):
        outcomes = carried_by(channel).all_outcomes(*numbered(6))
    assert [meaning(outcome) for outcome in outcomes] == [RELAY_DOWN] * 6


def test_a_slow_connection_does_not_hold_up_the_others() -> None:
    release = Event()
    with (
        ScriptedRelay({".": (release, b"250 taken\r\n")}, {}) as relay,
        closing(SmtpChannel(settings_for(relay.port, connections=2))) as channel,
    ):
        outcomes = list(channel.exchange(numbered(2)))
        waiting = numbered(12)[2:]
        while waiting:
            outcomes += channel.exchange([waiting.pop()])
        assert len(outcomes) >= 10
        release.set()
        while channel.in_flight:
            outcomes += channel.exchange([])
    assert [meaning(outcome) for outcome in outcomes] == [SENT] * 12


# --- how long a call takes ---


def test_a_caller_that_has_no_patience_gets_its_outcome_later() -> None:
    release = Event()
    with (
        ScriptedRelay({".": (release, b"250 taken\r\n")}) as relay,
        closing(SmtpChannel(settings_for(relay.port))) as channel,
    ):
        assert list(channel.exchange([a_message()], NOW)) == []
        while not relay.contents:
            assert list(channel.exchange([], NOW)) == []
        assert list(channel.exchange([], SHORT)) == []
        assert channel.in_flight == 1
        release.set()
        (outcome,) = channel.exchange([])
        assert channel.in_flight == 0
    assert meaning(outcome) == SENT


@pytest.mark.parametrize(
    ("stage", "means"),
    [
        ("banner", ABANDONED),
        ("EHLO", ABANDONED),
        ("MAIL", ABANDONED),
        ("RCPT", ABANDONED),
        ("DATA", ABANDONED),
        (".", UNCERTAIN),
    ],
)
@offers
def test_what_is_abandoned_is_uncertain_only_after_its_final_dot(stage: str, means: Means, offer: Script) -> None:
    release = Event()
    with (
        ScriptedRelay({**offer, stage: (release, End.CLOSE)}) as relay,
        closing(SmtpChannel(settings_for(relay.port))) as channel,
    ):
        assert list(channel.exchange([a_message()], NOW)) == []
        while not is_there(relay, stage):
            assert list(channel.exchange([], NOW)) == []
        (outcome,) = channel.abandon()
        assert channel.in_flight == 0
        release.set()
    assert meaning(outcome) == means


def is_there(relay: ScriptedRelay, stage: str) -> bool:
    """Whether the client has come to the stage where the server waits."""
    if stage == ".":
        return bool(relay.contents)
    return bool(relay.heard) and (stage == "banner" or stage in relay.heard[0].verbs)


def test_a_message_on_a_used_connection_is_abandoned_like_any_other() -> None:
    release = Event()
    with (
        ScriptedRelay({"RSET": (release, End.CLOSE), "RCPT": b"450 later\r\n"}) as relay,
        closing(SmtpChannel(settings_for(relay.port))) as channel,
    ):
        channel.exchange([a_message("one")])
        assert list(channel.exchange([a_message("two")], NOW)) == []
        (outcome,) = channel.abandon()
        assert list(channel.exchange([])) == []
        release.set()
    assert (outcome.key, meaning(outcome)) == ("two", ABANDONED)


def test_what_ends_within_the_grace_is_not_abandoned() -> None:
    with ScriptedRelay() as relay, closing(SmtpChannel(settings_for(relay.port, connections=2))) as channel:
        taken = list(channel.exchange(numbered(2)))
        taken += channel.abandon(PATIENT)
    assert [meaning(outcome) for outcome in taken] == [SENT] * 2


def test_abandoning_nothing_is_nothing_and_the_channel_closes_politely() -> None:
    with MailServer() as server:
        channel = SmtpChannel(settings_for(server.port))
        channel.exchange([a_message()])
        assert list(channel.abandon(PATIENT)) == []
        channel.close()
        assert server.ends == ["QUIT"]


# --- names ---


def test_a_host_is_tried_at_each_of_its_addresses() -> None:
    """`localhost` is often two addresses, and servers listen at one of them."""
    with ScriptedRelay() as relay:
        outcome = outcome_with(settings_for(relay.port, host="localhost"))
    assert meaning(outcome) == SENT
    assert relay.contents == [CONTENT]


def test_a_host_that_does_not_exist_costs_no_attempt() -> None:
    outcome = outcome_with(settings_for(25, host="nobody.invalid", timeout=SHORT))
    assert meaning(outcome) == RELAY_DOWN
    assert "nobody.invalid" in outcome.detail
    assert HOST not in outcome.detail
