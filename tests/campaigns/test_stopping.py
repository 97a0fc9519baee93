"""Stopping campaigns, also where the process that stops them dies halfway."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from world import World

from campaignctl.errors import RefusedError
from campaignctl.flow.states import DeliveryState, StepState
from campaignctl.ports import Finished, Outcome, Outgoing, Result, Verdict
from campaignctl.stopping import StopReport, stop
from campaignctl.store.ledger import SqlLedger, SqlStore

CAMPAIGN = """
campaign: sale
list: customers
starter: {segment: {attribute: email, exists: true}}
steps:
  - {id: first, at: 2026-12-01 10:05, email: {subject: Hi, body: hello.md}}
  - {id: second, at: 2026-12-02 09:00, email: {subject: Hi, body: hello.md}}
"""


class KilledError(Exception):
    """The process is no more."""


class WatchedStore(SqlStore):
    """Another process's view of a world's store; says which transaction it is about to begin."""

    def __init__(self, world: World, before: Callable[[int], None]) -> None:
        super().__init__(world.store.database)
        self.before = before
        self.count = 0

    @contextmanager
    def writing(self) -> Iterator[SqlLedger]:
        self.before(self.count)
        self.count += 1
        with super().writing() as ledger:
            yield ledger


def killed_before(transaction: int) -> Callable[[int], None]:
    def look(number: int) -> None:
        if number == transaction:
            raise KilledError

    return look


@pytest.fixture
def waiting(world: World) -> World:
    """One message was sent, and two wait for another attempt."""
    world.contacts()
    for address in ("ada@example.org", "grace@example.org"):
        world.email.answer(address, Verdict.DEFERRED)
    world.publish(CAMPAIGN)
    world.run_until("2026-12-01 10:06")
    return world


def test_after_stop_nothing_leaves_and_the_numbers_add_up(waiting: World) -> None:
    report = waiting.stop("sale")
    waiting.run_until("2026-12-05 00:00")
    assert (report.sent, report.cancelled, report.in_flight) == (1, 2, 0)
    assert waiting.addresses == ["alan@example.org"]
    assert waiting.campaign().step("second").state is StepState.CANCELLED


@pytest.mark.parametrize("transaction", [1, 2])
def test_a_stop_that_is_killed_lets_nothing_leave(waiting: World, transaction: int) -> None:
    with pytest.raises(KilledError):
        stop(WatchedStore(waiting, killed_before(transaction)), "sale", actor="ada", now=waiting.clock.now())
    waiting.run_until("2026-12-05 00:00")
    assert waiting.addresses == ["alan@example.org"]
    assert waiting.deliveries("first") == {"sent": 1, "cancelled": 2}
    with pytest.raises(RefusedError, match="stopped already"):
        waiting.stop("sale")


def test_a_stop_that_was_killed_can_be_asked_for_again(waiting: World) -> None:
    with pytest.raises(KilledError):
        stop(WatchedStore(waiting, killed_before(1)), "sale", actor="ada", now=waiting.clock.now())
    report = waiting.stop("sale")
    assert (report.sent, report.cancelled, report.in_flight) == (1, 2, 0)


@pytest.mark.parametrize("ends_as", [DeliveryState.SENT, DeliveryState.DEFERRED, DeliveryState.FAILED])
def test_a_message_whose_verdict_comes_while_the_rest_is_cancelled_was_in_flight(
    world: World, ends_as: DeliveryState
) -> None:
    # Given three messages under way
    world.contacts()
    world.publish(CAMPAIGN)
    world.at("2026-12-01 10:05")
    reports: list[StopReport] = []

    def stopped_meanwhile(messages: Sequence[Outgoing], _patience: object) -> Sequence[Outcome]:
        def landed_before_the_count(transaction: int) -> None:
            if transaction == 2:
                again_at = world.clock.now() if ends_as is DeliveryState.DEFERRED else None
                record(world, 1, Result(ends_as, next_attempt_at=again_at))

        reports.append(stop(WatchedStore(world, landed_before_the_count), "sale", actor="a", now=world.clock.now()))
        raise KilledError

    # When the first of them ends between the stop and the counting
    world.email.exchange = stopped_meanwhile  # type: ignore[method-assign] # a server that is slower than the stop
    with pytest.raises(KilledError):
        world.run_until("2026-12-01 10:06")
    # Then all three were in flight
    assert reports == [StopReport("sale", sent=0, cancelled=0, in_flight=3)]


def record(world: World, contact: int, result: Result) -> None:
    """The daemon at work, the world's first, writes down what became of a message."""
    step = world.campaign().step("first").id
    with world.store.writing() as ledger:
        assert ledger.record([Finished(step, contact, "", 1, result, world.clock.now())]) == []
