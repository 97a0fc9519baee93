"""A clock that somebody corrects, forwards and backwards: nothing leaves early, and nothing twice."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st
from world import World, WrittenChannel

from campaignctl.clock import SetClock
from campaignctl.engine.daemon import Until
from campaignctl.ports import Verdict

DUE = "2026-12-01 10:05"
ONE = (
    f"campaign: sale\nlist: customers\nsegment: {{attribute: email, exists: true}}\nat: {DUE}\nif_late: run\n"
    "email: {subject: Hi, body: hello.md}\n"
)


class JumpingClock(SetClock):
    """A clock that can be put back."""

    def jump_to(self, now: datetime) -> None:
        self._now = now


JUMPS = {
    "hours": st.lists(st.integers(-48, 48), min_size=2, max_size=8),
    "refused": st.sampled_from([Verdict.DEFERRED, Verdict.UNCERTAIN]),
}


def jumps(hours: list[int], refused: Verdict) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.clock = clock = JumpingClock(world.instant("2026-11-30 09:00"))
        world.email = WrittenChannel(clock)
        world.contacts()
        world.publish(ONE)
        world.email.answer("ada@example.org", refused)
        due, daemon = world.instant(DUE), world.daemon()
        for jump in hours:
            clock.jump_to(due + timedelta(hours=jump))
            daemon.run(Until.DONE_FOR_NOW)
        assert all(left_at >= due for left_at in world.left_at)
        assert len(world.addresses) == len(set(world.addresses))
        assert bool(world.addresses) == any(jump >= 0 for jump in hours)

        # When the clock is right again, everything arrives, and once
        for hour in (0, 3):
            clock.jump_to(due + timedelta(days=4, hours=hour))
            daemon.run(Until.DONE_FOR_NOW)
        assert sorted(world.addresses) == ["ada@example.org", "alan@example.org", "grace@example.org"]
        world.store.close()


@settings(max_examples=15, deadline=None, derandomize=True)
@given(**JUMPS)
def test_nothing_is_sent_before_it_is_due_however_the_clock_jumps(hours: list[int], refused: Verdict) -> None:
    jumps(hours, refused)


def test_a_relay_that_was_down_is_asked_again_after_the_clock_was_put_back(world: World) -> None:
    """A machine whose clock is corrected must not wait until the wrong time comes again."""
    world.clock = clock = JumpingClock(world.instant("2026-11-30 09:00"))
    world.email = WrittenChannel(clock)
    world.contacts()
    world.publish(ONE)
    daemon = world.daemon()
    clock.jump_to(world.instant("2026-12-01 18:00"))
    for address in ("ada", "grace", "alan"):
        world.email.answer(f"{address}@example.org", Verdict.NOT_SENT, "relay_down")
    daemon.run(Until.DONE_FOR_NOW)
    assert world.addresses == []
    clock.jump_to(world.instant("2026-12-01 09:30"))
    world.publish(ONE.replace("sale", "news"))
    clock.jump_to(world.instant("2026-12-01 10:06"))
    daemon.run(Until.DONE_FOR_NOW)
    assert len(world.addresses) == 3
