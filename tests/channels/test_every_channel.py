"""What the engine relies on, asked of every channel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from channels.mail_server import MailServer
from channels.messages import PATIENT, a_message, settings_for
from channels.web_server import WebServer
from hypothesis import given, settings
from hypothesis import strategies as st

from campaignctl.channels.http.channel import HttpChannel
from campaignctl.channels.http.endpoint import EndpointSettings
from campaignctl.channels.http.exchange import HttpClient
from campaignctl.channels.http.presets import webhook_request
from campaignctl.channels.outbox import OutboxChannel
from campaignctl.channels.smtp.channel import SmtpChannel
from campaignctl.clock import SystemClock
from campaignctl.ports import Channel, Outcome, Outgoing, Verdict

CAPACITY = 3
LONGEST_LINE = b"x" * 998  # RFC 5322, 2.1.1


@dataclass
class Carried:
    """A channel, and what has come out at its other side."""

    channel: Channel
    arrived: Callable[[], list[bytes]]

    def all_outcomes(self, *messages: Outgoing) -> list[Outcome]:
        """Offer messages as the engine does: never more than there is room for, until nothing is under way."""
        waiting, outcomes = list(messages), list[Outcome]()
        while waiting or self.channel.in_flight:
            room = self.channel.capacity - self.channel.in_flight
            chosen, waiting = waiting[:room], waiting[room:]
            outcomes += self.channel.exchange(chosen)
        return outcomes


@contextmanager
def outbox(folder: Path) -> Iterator[Carried]:
    channel = OutboxChannel(folder / "outbox", capacity=CAPACITY)
    yield Carried(channel, lambda: [path.read_bytes() for path in sorted((folder / "outbox").iterdir())])
    channel.close()


@contextmanager
def smtp(_folder: Path) -> Iterator[Carried]:
    with MailServer() as server:
        channel = SmtpChannel(settings_for(server.port, connections=CAPACITY))
        yield Carried(channel, lambda: [taken.content for taken in server.taken])
        channel.close()


@contextmanager
def http(_folder: Path) -> Iterator[Carried]:
    with WebServer() as server:
        endpoint = EndpointSettings("there", server.url, allow_private=True)
        channel = HttpChannel(
            lambda: HttpClient(allow_private=True, deadline=timedelta(seconds=30)),
            webhook_request(endpoint),
            SystemClock(),
            is_idempotent=True,
            connections=CAPACITY,
        )
        yield Carried(channel, lambda: [request.partition(b"\r\n\r\n")[2] for request in server.requests])
        channel.close()


Opened = Callable[[Path], AbstractContextManager[Carried]]
every_channel = pytest.mark.parametrize("opened", [outbox, smtp, http])


def numbered(count: int) -> list[Outgoing]:
    return [
        a_message(f"sale/first/c-{number}", b"X-Number: %d\r\n\r\nHello\r\n" % number, f"u{number}@example.org")
        for number in range(count)
    ]


@every_channel
def test_each_message_comes_out_once_and_has_one_outcome(opened: Opened, tmp_path: Path) -> None:
    messages = numbered(20)
    with opened(tmp_path) as carried:
        outcomes = carried.all_outcomes(*messages)
        assert sorted(outcome.key for outcome in outcomes) == sorted(message.key for message in messages)
        assert {outcome.verdict for outcome in outcomes} == {Verdict.SENT}
        assert sorted(carried.arrived()) == sorted(message.content for message in messages)


@every_channel
def test_a_sent_message_is_no_bounce_and_blames_nobody(opened: Opened, tmp_path: Path) -> None:
    with opened(tmp_path) as carried:
        (outcome,) = carried.all_outcomes(a_message())
    assert (outcome.reason, outcome.is_hard_bounce, outcome.blames_sender) == ("", False, False)


@every_channel
def test_a_message_has_arrived_by_the_time_its_outcome_is_known(opened: Opened, tmp_path: Path) -> None:
    with opened(tmp_path) as carried:
        for number, message in enumerate(numbered(5), start=1):
            assert carried.channel.exchange([message])[0].verdict is Verdict.SENT
            assert len(carried.arrived()) == number


@every_channel
@pytest.mark.parametrize(
    "body",
    [
        b".\r\n",
        b"..\r\n",
        b"before\r\n.\r\nafter\r\n",
        b"before\r\n.\r\nMAIL FROM:<eve@example.org>\r\n",
        b".hidden\r\n..twice\r\n...\r\n",
        b"\r\n\r\n\r\n",
        b" leading and trailing blanks \t\r\n",
        LONGEST_LINE + b"\r\n." + LONGEST_LINE[:-1] + b"\r\n",
        "Ça coûte 5 €, 你好, 🎉\r\n".encode(),
        b"\xff\xfe\x80 latin and worse\r\n",
        b"QUIT\r\nRSET\r\nDATA\r\n",
        (b"." * 70 + b"\r\n") * 4000,  # more than one write
    ],
    ids=lambda body: repr(body[:24]),
)
def test_the_bytes_that_arrive_are_the_bytes_offered(opened: Opened, tmp_path: Path, body: bytes) -> None:
    content = b"Subject: Hello\r\n\r\n" + body
    with opened(tmp_path) as carried:
        assert carried.all_outcomes(a_message(content=content))[0].verdict is Verdict.SENT
        assert carried.arrived() == [content]


def test_any_content_with_proper_line_ends_arrives_as_it_was(tmp_path: Path) -> None:
    """Dots and line ends in every order: what one side adds, the other has to take away, and nothing else."""
    with smtp(tmp_path) as carried:
        seen = 0

        @given(st.lists(st.binary(max_size=20).map(lambda line: line.translate(None, b"\r\n\0")), min_size=1))
        @settings(max_examples=80, deadline=None)
        def arrives(lines: list[bytes]) -> None:
            nonlocal seen
            content = b"".join(line + b"\r\n" for line in lines)
            assert carried.all_outcomes(a_message(content=content))[0].verdict is Verdict.SENT
            seen += 1
            assert len(carried.arrived()) == seen
            assert carried.arrived()[-1] == content

        arrives()


@every_channel
def test_asking_for_news_with_nothing_under_way_returns_at_once(opened: Opened, tmp_path: Path) -> None:
    with opened(tmp_path) as carried:
        assert list(carried.channel.exchange([])) == []
        carried.all_outcomes(a_message())
        assert list(carried.channel.exchange([])) == []


@every_channel
def test_a_channel_says_how_much_room_it_has_and_takes_no_more(opened: Opened, tmp_path: Path) -> None:
    with opened(tmp_path) as carried:
        assert (carried.channel.capacity, carried.channel.in_flight) == (CAPACITY, 0)
        with pytest.raises(ValueError, match="room"):
            carried.channel.exchange(numbered(CAPACITY + 1))
        assert carried.channel.in_flight == 0
        outcomes = carried.all_outcomes(*numbered(CAPACITY))
        assert len(outcomes) == CAPACITY
        assert len(carried.arrived()) == CAPACITY


@every_channel
def test_one_bad_message_does_not_stop_the_others(opened: Opened, tmp_path: Path) -> None:
    bad = a_message("bad", b"X: bad\r\n\r\n", "ada@example.org>\r\nRCPT TO:<eve@example.org")
    with opened(tmp_path) as carried:
        outcomes = carried.all_outcomes(bad, *numbered(4))
        sent = [outcome.key for outcome in outcomes if outcome.verdict is Verdict.SENT]
    assert {message.key for message in numbered(4)} <= set(sent)


@every_channel
def test_a_caller_without_patience_and_then_with_grace_gets_every_outcome_once(opened: Opened, tmp_path: Path) -> None:
    with opened(tmp_path) as carried:
        outcomes = list(carried.channel.exchange(numbered(CAPACITY), timedelta(0)))
        outcomes += carried.channel.exchange([], timedelta(0))
        assert carried.channel.in_flight == CAPACITY - len(outcomes)
        outcomes += carried.all_outcomes()
        outcomes += carried.channel.abandon(PATIENT)
        assert carried.channel.in_flight == 0
    assert sorted(outcome.key for outcome in outcomes) == [message.key for message in numbered(CAPACITY)]
    assert {outcome.verdict for outcome in outcomes} == {Verdict.SENT}


@every_channel
def test_closing_is_clean_at_any_moment_when_nothing_is_under_way(opened: Opened, tmp_path: Path) -> None:
    with opened(tmp_path) as carried:
        carried.channel.close()
        carried.channel.close()
    with opened(tmp_path) as carried:
        carried.all_outcomes(*numbered(2))
        carried.channel.close()
        carried.channel.close()


def test_every_connection_to_a_server_ends_with_a_good_bye() -> None:
    with MailServer() as server:
        channel = SmtpChannel(settings_for(server.port, connections=CAPACITY))
        carried = Carried(channel, lambda: [])
        carried.all_outcomes(*numbered(12))
        channel.close()
        ends = list(server.ends)
    assert 1 <= len(ends) <= CAPACITY
    assert set(ends) == {"QUIT"}


def test_an_envelope_reaches_the_server_as_it_was_given() -> None:
    odd = "O'Hara+x=y/z{2}~!#$%&*@example.org"
    with MailServer() as server:
        channel = SmtpChannel(settings_for(server.port))
        outcomes = channel.exchange([a_message(recipient=odd, sender="Bounce-17@Shop.example")])
        channel.close()
    assert outcomes[0].verdict is Verdict.SENT
    assert [(taken.sender, taken.recipients) for taken in server.taken] == [("Bounce-17@Shop.example", (odd,))]
