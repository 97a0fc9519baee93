"""Any life of a recurring campaign: every start that was to come has come once, and no other."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from random import Random

import pytest
from world import World

from campaignctl.campaign.cron import Cron
from campaignctl.campaign.when import wall_text, zone_named
from campaignctl.errors import RefusedError
from campaignctl.flow.occurrences import Recurrence
from campaignctl.flow.states import CampaignState
from campaignctl.pausing import pause, resume
from campaignctl.recurring import skip
from campaignctl.store.checks.check import check_store

PARIS = zone_named("Europe/Paris")
RULES = ("0 9 * * MON", "0 9 * * *", "0 9,17 * * SAT,SUN", "30 2 * * *")


def text(rule: str) -> str:
    return (
        f'campaign: digest\nlist: customers\nif_late: run\nstarter: {{segment: french, every: "{rule}"}}\nsteps:\n'
        "  - {id: news, at: +0d, email: {subject: News, body: hello.md}}\n"
    )


class Told:
    """What should have happened, worked out from the rules alone."""

    def __init__(self, at: datetime, rule: str) -> None:
        self.expected: list[datetime] = []
        self.skipped: set[datetime] = set()
        self.rule = rule
        self._since = at

    def until(self, now: datetime) -> None:
        starts = Recurrence(Cron.parse(self.rule), PARIS).up_to(self._since, now)
        self.expected += [start.at for start in starts if start.at not in self.skipped]
        self._since = now

    def next_start(self, chance: Random, now: datetime) -> datetime:
        coming = Recurrence(Cron.parse(self.rule), PARIS).up_to(now, now + timedelta(days=30))
        return chance.choice([start.at for start in coming][:3])


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("first_day", ["2027-03-22 12:30", "2027-10-25 12:30"])
def test_every_start_comes_once(world: World, seed: int, first_day: str) -> None:
    chance = Random(seed)
    world.at(first_day)
    world.contacts("id,email,name,country\nc-1,ada@example.org,Ada,FR\n")
    told = Told(world.clock.now(), RULES[seed % 4])
    world.publish(text(told.rule))
    for _ in range(8):
        _something_happens(world, told, chance)
    if world.campaign("digest").state is CampaignState.PAUSED:
        resume(world.store, "digest", actor="ada", now=world.clock.now())
    pass_time(world, told, 1, is_running=True)

    with world.store.reading() as ledger:
        found = ledger.occurrences(ledger.known_campaign("digest"))
        assert [check for check in check_store(ledger) if not check.ok] == []
    begun = [each.starts_at for each in found if each.has_begun]
    assert begun == told.expected
    assert Counter(message.key.split("/")[0] for message in world.email.sent) == {each.name: 1 for each in found[:-1]}
    assert found[-1].starts_at is not None
    assert found[-1].starts_at > world.clock.now()


def _something_happens(world: World, told: Told, chance: Random) -> None:
    now = world.clock.now()
    match chance.choice(["time", "time", "outage", "rule", "skip", "skip", "undo", "pause", "resume"]):
        case "time":
            pass_time(world, told, chance.randint(1, 9), is_running=True)
        case "outage":
            pass_time(world, told, chance.randint(1, 9), is_running=False)
        case "rule":
            told.rule = chance.choice(RULES)
            world.publish(text(told.rule))
        case "skip" | "undo" as what:
            at = told.next_start(chance, now)
            try:
                skip(world.store, "digest", wall_text(at, PARIS), actor="ada", now=now, is_undone=what == "undo")
                told.skipped ^= {at}
            except RefusedError:
                assert (at in told.skipped) == (what == "skip")
        case "pause" if world.campaign("digest").state is CampaignState.ACTIVE:
            pause(world.store, "digest", actor="ada", now=now)
        case "resume" if world.campaign("digest").state is CampaignState.PAUSED:
            resume(world.store, "digest", actor="ada", now=now)


def pass_time(world: World, told: Told, days: int, *, is_running: bool) -> None:
    end = world.clock.now() + timedelta(days=days)
    if is_running:
        world.run_until(wall_text(end, PARIS))
    else:
        world.at(wall_text(end, PARIS))
    told.until(world.clock.now())
