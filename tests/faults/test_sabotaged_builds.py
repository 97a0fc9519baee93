"""The harness bites: what was broken on purpose is noticed, by the same checks that the true build passes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from faults.builds import SABOTAGED, TRUE, Build, BuiltStore
from faults.crashing import at_every_commit
from faults.doomed import ended, started
from faults.invariants import broken_in_between
from faults.relay import Relay
from faults.shop import Shop
from world import World

from campaignctl.engine.daemon import Daemon, Until
from campaignctl.engine.dispatch import Dispatcher
from campaignctl.engine.rules import SendingRules
from campaignctl.engine.tick import Engine
from campaignctl.ports import Outcome, Outgoing, Verdict

ONE = (
    "campaign: sale\nlist: customers\nsegment: {attribute: email, exists: true}\nat: 2026-12-01 10:05\n"
    "email: {subject: Hi, body: hello.md}\n"
)


@pytest.mark.parametrize("name", ["cursor at fetch", "record before the reply"])
def test_what_was_written_down_too_early_does_not_survive_a_crash(tmp_path: Path, name: str) -> None:
    """As in test_commit_points.py: at some commit, what counts as sent has not left yet."""
    with Relay(tmp_path) as relay:
        fresh = Shop.opened(tmp_path / "shop", relay.port, contacts=3, connections=2)
        assert any(crash.problems for crash in at_every_commit(fresh, relay, is_before=False, build=SABOTAGED[name]))


@pytest.mark.parametrize(("build", "is_honest"), [(TRUE, True), (SABOTAGED["record before the reply"], False)])
def test_a_message_counts_as_sent_when_the_server_said_so_and_not_before(
    tmp_path: Path, build: Build, is_honest: bool
) -> None:
    with Relay(tmp_path, seed=7, lose_before_accepting=0.5) as relay:
        shop = Shop.opened(tmp_path / "shop", relay.port, contacts=20, connections=4)
        assert ended(started(shop, build, until=Until.DONE_FOR_NOW))
        assert (broken_in_between(shop, relay) == []) is is_honest


@pytest.mark.parametrize(("build", "is_kept"), [(TRUE, True), (SABOTAGED["no epoch"], False)])
def test_only_a_result_of_the_present_owner_decides(world: World, build: Build, is_kept: bool) -> None:
    """
    Two daemons that should never have met, because the first one was taken for dead:

    * the first one hands a message over, and the server is slow to answer
    * the second one takes over, sends it, and writes `sent`
    * the first one is told 451 and writes `deferred`: what was final would no longer be

    """
    world.contacts("id,email,name\nc-1,ada@example.org,Ada\n")
    world.publish(ONE)
    world.at("2026-12-01 10:06")
    taken = world.email.exchange

    def slowly(outgoing: Sequence[Outgoing], _patience: timedelta | None = None) -> Sequence[Outcome]:
        world.email.exchange = taken  # type: ignore[method-assign] # only the first daemon is slow
        _daemon(world, build).run(Until.DONE_FOR_NOW)
        return [Outcome(message.key, Verdict.DEFERRED, "refused_for_now") for message in outgoing]

    first = _daemon(world, build)
    world.email.exchange = slowly  # type: ignore[method-assign] # a server that takes its time
    first.run(Until.DONE_FOR_NOW)
    assert len(world.addresses) == 1
    assert (world.deliveries("sale") == {"sent": 1}) is is_kept


def _daemon(world: World, build: Build) -> Daemon:
    store = BuiltStore(world.store.database, build)
    epoch = store.begin_epoch("test", 1, world.clock.now())
    with store.writing() as ledger:
        ledger.recover(epoch, True, world.clock.now())
    rules = SendingRules.of(world.project.project)
    world.spill.prepare()
    dispatcher = Dispatcher(store, {"email": world.email}, epoch, rules, world.spill)
    return Daemon(Engine(store, dispatcher), world.clock, world.reports.append)
