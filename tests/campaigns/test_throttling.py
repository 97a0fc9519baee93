"""When messages may leave: rates, windows, quiet hours, frequency caps."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from world import World

from campaignctl.flow.states import CampaignState
from campaignctl.ports import Outgoing

HEAD = "campaign: sale\nlist: customers\nstarter: {segment: {attribute: email, exists: true}}\nsteps:\n"


def email(step: str, at: str, more: str = "") -> str:
    return f"  - {{id: {step}, at: {at}, email: {{subject: Hi, body: hello.md{more}}}}}\n"


def people(count: int, zone: str = "") -> str:
    head = "id,email,name,tz\n"
    return head + "".join(f"c-{number},u{number}@example.org,N,{zone}\n" for number in range(count))


def project(world: World, more: str) -> None:
    path = world.folder / "campaignctl.yaml"
    path.write_text(path.read_text("utf-8") + more, "utf-8")


def test_a_rate_spreads_messages_evenly_and_a_pause_is_not_caught_up(world: World) -> None:
    world.contacts(people(6))
    world.publish(HEAD + email("first", "2026-12-01 10:00", ", rate: 30/min"))
    world.run_until("2026-12-01 10:00:05")
    assert len(world.email.sent) == 3

    # When nothing runs for a while, the rest leaves no faster afterwards
    world.at("2026-12-01 10:10")
    world.run_until("2026-12-01 10:10:01")
    assert len(world.email.sent) == 4
    world.run_until("2026-12-01 10:11")
    assert len(world.email.sent) == 6
    gaps = [later - earlier for earlier, later in pairwise(world.left_at)]
    assert min(gaps) == timedelta(seconds=2)


def test_a_rate_holds_across_a_restart(world: World) -> None:
    world.contacts(people(3))
    world.publish(HEAD + email("first", "2026-12-01 10:00", ", rate: 1/h"))
    for minute in (0, 10, 20, 30):
        world.run_until(f"2026-12-01 10:{minute:02}:30", world.daemon())
    assert len(world.email.sent) == 1


def test_the_rate_of_the_channel_is_shared_by_all_campaigns(world: World) -> None:
    project(world, "channels: {email: {smtp: 'smtp://localhost', rate: 4/min}}\n")
    world.contacts(people(4))
    for name in ("sale", "news"):
        world.publish(HEAD.replace("sale", name) + email("first", "2026-12-01 10:00"))
    world.run_until("2026-12-01 10:00:59")
    assert len(world.email.sent) == 4
    # and each has had its part of it
    assert {message.key.split("/")[0] for message in world.email.sent} == {"sale", "news"}


def test_a_window_over_midnight_lets_messages_leave_by_night_only(world: World) -> None:
    world.contacts(people(2))
    world.publish(HEAD + email("first", "2026-12-01 10:00", ", window: '22:00-02:00'"))
    world.run_until("2026-12-01 21:59:59")
    assert world.email.sent == []
    world.run_until("2026-12-01 22:00")
    assert len(world.email.sent) == 2


def test_in_quiet_hours_nothing_leaves_and_in_the_first_allowed_minute_everything_does(world: World) -> None:
    project(world, "send: {quiet_hours: '21:00-08:00'}\n")
    world.contacts(people(3))
    world.publish(HEAD + email("first", "2026-12-01 23:00") + email("second", "2026-12-02 07:00"))
    world.run_until("2026-12-02 07:59:59")
    assert world.email.sent == []
    world.run_until("2026-12-02 08:01")
    # The second step waits for the first, and then leaves as well.
    assert len(world.email.sent) == 6


def test_quiet_hours_are_those_of_the_contact_where_a_zone_is_known(world: World) -> None:
    project(world, "send: {quiet_hours: '21:00-08:00'}\n")
    path = world.folder / "campaignctl.yaml"
    path.write_text(path.read_text("utf-8").replace("email: email", "email: email, timezone: tz"), "utf-8")
    world.contacts(
        "id,email,name,tz\nc-1,paris@example.org,A,\nc-2,york@example.org,B,America/New_York\n"
        "c-3,tokyo@example.org,C,Asia/Tokyo\nc-4,mars@example.org,D,Mars/Olympus\n"
    )
    world.publish(HEAD + email("first", "2026-12-01 12:00"))

    # At noon in Paris it is 6 in the morning in New York, and 20:00 in Tokyo
    world.run_until("2026-12-01 13:59")
    assert sorted(world.addresses) == ["mars@example.org", "paris@example.org", "tokyo@example.org"]
    world.run_until("2026-12-01 14:00")
    assert "york@example.org" in world.addresses


def test_a_frequency_cap_counts_messages_of_all_campaigns_of_the_list(world: World) -> None:
    project(world, "send: {frequency_cap: {messages: 2, per: 7d}}\n")
    world.contacts(people(2))
    for day, name in enumerate(("one", "two", "three", "four"), 1):
        world.publish(HEAD.replace("sale", name) + email("first", f"2026-12-{day:02} 10:00"))
    world.run_until("2026-12-05 00:00")
    assert [world.deliveries("first", name) for name in ("one", "two", "three", "four")] == [
        {"sent": 2},
        {"sent": 2},
        {"skipped": 2},
        {"skipped": 2},
    ]
    world.publish(HEAD.replace("sale", "later") + email("first", "2026-12-09 10:00"))
    world.run_until("2026-12-10 00:00")
    assert world.deliveries("first", "later") == {"sent": 2}
    assert world.campaign("four").state is CampaignState.COMPLETED


def test_a_campaign_with_many_messages_does_not_keep_a_small_one_waiting(world: World) -> None:
    """Fair between campaigns: each round gives every step that has something its part."""
    world.contacts(people(200))
    world.publish(HEAD + email("first", "2026-12-01 10:00"))
    world.publish(
        HEAD.replace("sale", "small").replace(
            "{attribute: email, exists: true}", "{attribute: email, eq: u7@example.org}"
        )
        + email("first", "2026-12-01 10:00")
    )
    world.run_until("2026-12-01 11:00")
    order = [message.key.split("/")[0] for message in world.email.sent]
    assert order.index("small") < 10


def test_to_one_domain_few_messages_are_under_way_at_first(world: World) -> None:
    world.contacts(people(60))
    world.email.capacity = 50
    rounds: list[int] = []
    exchange = world.email.exchange

    def counted(messages: list[Outgoing], _patience: object) -> object:
        rounds.append(len(messages))
        return exchange(messages)

    world.email.exchange = counted  # type: ignore[method-assign,assignment] # a mail server that counts
    world.publish(HEAD + email("first", "2026-12-01 10:00"))
    world.run_until("2026-12-01 11:00")
    assert rounds[0] == 5
    assert max(rounds) == 20
    assert len(world.email.sent) == 60


@pytest.mark.parametrize("word", ["quiet_hours: '00:00-00:00'"])
def test_quiet_hours_around_the_clock_let_nothing_leave(world: World, word: str) -> None:
    project(world, f"send: {{{word}}}\n")
    world.contacts(people(1))
    world.publish(HEAD + email("first", "2026-12-01 10:00"))
    world.run_until("2026-12-06 00:00")
    assert world.email.sent == []
