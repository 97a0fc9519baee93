"""Whatever receivers answer and whenever the teller dies: nothing is lost, and the order of a campaign is kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

import pytest
from hooks.told import SALE
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from world import World

from campaignctl.clock import SetClock
from campaignctl.engine.gates import back_off
from campaignctl.engine.hooks import HookTeller, result_of
from campaignctl.errors import StoreError
from campaignctl.hook_settings import Hook
from campaignctl.message.event_body import Happened
from campaignctl.ports import HookFate, HookPost, Ledger, Outcome, Store, Verdict

START = datetime(2026, 12, 1, tzinfo=UTC)
HOOKS = {"crm": Hook(endpoint="crm", events=["message.sent"])}
TAKEN = Outcome("", Verdict.SENT)
NOT_TAKEN = [
    Outcome("", Verdict.DEFERRED, "refused_for_now", "503"),
    Outcome("", Verdict.UNCERTAIN, "no_answer", "no answer in time"),
    Outcome("", Verdict.NOT_SENT, "endpoint_down", "connection refused"),
    Outcome("", Verdict.NOT_SENT, "auth_refused", "401", blames_sender=True),
    Outcome("", Verdict.FAILED, "refused", "422"),
]
POST = HookPost(1, "crm", "evt_1", Happened("message.sent", START, "sale"), 0, None)


class Answers:
    """A receiver that meets each try with the next of *outcomes*, and takes everything after them."""

    def __init__(self, outcomes: list[Outcome]) -> None:
        self.outcomes = outcomes
        self.tried: list[tuple[HookPost, Outcome]] = []
        self._lock = Lock()

    def tell(self, post: HookPost, now: datetime) -> Outcome:
        with self._lock:
            outcome = self.outcomes.pop() if self.outcomes else TAKEN
            self.tried.append((post, outcome))
        return outcome


class DyingStore:
    """A store that one writer cannot write to any more: what it knows dies with it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_dead = False

    def reading(self) -> AbstractContextManager[Ledger]:
        return self._store.reading()

    def writing(self) -> AbstractContextManager[Ledger]:
        if self.is_dead:
            raise StoreError("S100", "dead", "")
        return self._store.writing()


@pytest.fixture(scope="module")
def queued() -> Iterator[World]:
    """Two campaigns were sent to eight contacts each, and a hook is to be told of every message."""
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        with world.store.writing() as ledger:
            ledger.keep_hooks(HOOKS, world.clock.now())
        world.at("2026-12-01 09:00")
        world.contacts("id,email,name\n" + "".join(f"c-{n},u{n}@example.org,N\n" for n in range(8)))
        for name in ("sale", "other"):
            world.publish_file(world.write(f"{name}.yaml", SALE.replace("campaign: sale", f"campaign: {name}")))
        world.run_until("2026-12-01 10:10")
        with world.store.writing() as ledger:
            ledger.connection.execute(text("CREATE TABLE saved AS SELECT * FROM hook_events"))
        yield world
        world.store.close()


@settings(max_examples=60, deadline=None)
@given(
    outcomes=st.lists(st.sampled_from([TAKEN, TAKEN, *NOT_TAKEN]), max_size=60),
    deaths=st.lists(st.integers(0, 5), max_size=4),
)
def test_nothing_is_lost_and_the_order_is_kept_whatever_is_answered_and_whoever_dies(
    queued: World, outcomes: list[Outcome], deaths: list[int]
) -> None:
    with queued.store.writing() as ledger:
        ledger.connection.execute(text("DELETE FROM hook_events"))
        ledger.connection.execute(text("INSERT INTO hook_events SELECT * FROM saved"))
        lanes = ledger.hook_lanes(HOOKS)
        expected = {
            posts[0].happened.campaign: [post.id for post in posts]
            for posts in (ledger.hook_posts(lane, 100) for lane in lanes)
        }
    clock, receiver = SetClock(START), Answers(outcomes)
    for passes in deaths:
        store = DyingStore(queued.store)
        teller = HookTeller(store, receiver, HOOKS, clock.now)
        for _ in range(passes):
            teller.proceed()
        store.is_dead = True
        with pytest.raises(StoreError) if teller.is_busy else nullcontext():
            teller.close()
        clock.set_to(clock.now() + timedelta(minutes=20))
    teller = HookTeller(queued.store, receiver, HOOKS, clock.now)
    while (wake_at := teller.wake_at()) is not None:
        clock.set_to(wake_at)
        teller.proceed()
    teller.close()

    done: dict[str, list[int]] = defaultdict(list)
    for post, outcome in receiver.tried:
        campaign = post.happened.campaign
        over, all_of_it = set(done[campaign]), expected[campaign]
        # Everything that happened before was taken or refused for good
        assert set(all_of_it[: all_of_it.index(post.id)]) <= over
        if outcome.verdict in (Verdict.SENT, Verdict.FAILED) and post.id not in over:
            done[campaign].append(post.id)
    assert done == expected
    if not deaths:
        taken = [post.id for post, outcome in receiver.tried if outcome is TAKEN]
        assert len(taken) == len(set(taken)), "nothing is told twice unless somebody dies"
    with queued.store.reading() as ledger:
        dead = {each.event for each in ledger.dead_letters()}
        assert ledger.hook_lanes(HOOKS) == []
    # What was refused the last time that the store heard of it, it keeps
    last = {post.id: outcome for post, outcome in receiver.tried}
    assert dead == {event for event, outcome in last.items() if outcome.verdict is Verdict.FAILED}
    assert len({post.message_id for post, _ in receiver.tried}) == 16


# the rule


@given(
    outcome=st.sampled_from(NOT_TAKEN[:4]),
    attempts=st.integers(0, 50),
    waited=st.integers(0, 3 * 86400),
    asked_for=st.none() | st.integers(0, 86400),
)
def test_what_may_pass_is_tried_until_its_time_is_over_and_never_sooner_than_asked(
    outcome: Outcome, attempts: int, waited: int, asked_for: int | None
) -> None:
    now, day = START + timedelta(seconds=waited), timedelta(days=1)
    retry_at = None if asked_for is None else now + timedelta(seconds=asked_for)
    post = POST._replace(attempts=attempts, tried_since=START if attempts else None)
    result = result_of(post, outcome._replace(retry_at=retry_at), day, now)
    if attempts and now >= START + day:
        assert result.fate is HookFate.GAVE_UP
        return
    assert result.fate is HookFate.AGAIN
    assert result.again_at is not None
    assert result.again_at > now or retry_at == result.again_at
    assert retry_at is None or result.again_at >= retry_at
    if retry_at is None:
        ends_at = (START if attempts else now) + day
        assert result.again_at == min(now + back_off(attempts + 1), ends_at)


def test_what_is_taken_after_its_time_is_taken() -> None:
    post = POST._replace(attempts=9, tried_since=START)
    assert result_of(post, TAKEN, timedelta(hours=1), START + timedelta(days=9)).fate is HookFate.TOLD
