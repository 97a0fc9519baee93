"""How many messages a step makes, how long they take, and what comes too soon."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from campaignctl.campaign.load import CampaignFile, load_campaign
from campaignctl.campaign.model import Campaign
from campaignctl.campaign.steps.email import EmailStep
from campaignctl.campaign.steps.union import every_step
from campaignctl.flow.estimates import Size, Tight, busiest, cohort_sizes, duration, tight_steps
from campaignctl.flow.rates import Rate
from campaignctl.flow.tree import Turn

TEXT = """
campaign: sale
list: customers
starter: {segment: french}
steps:
  - {id: first, at: 2026-12-01 09:00, email: {subject: S, body: b.md, rate: 100/h}}
  - id: half
    at: 2026-12-02 09:00
    split:
      by: random
      branches:
        - name: a
          share: 30%
          steps:
            - {id: only-a, at: 2026-12-02 10:00, email: {subject: S, body: b.md}}
            - {id: enough, at: 2026-12-02 11:00, exit: {}}
        - {name: b, share: 70%, steps: [{id: only-b, at: 2026-12-02 10:00, email: {subject: S, body: b.md}}]}
  - id: reaction
    at: 2026-12-03 09:00
    split:
      by: engagement
      of: first
      branches:
        - {name: clicked, when: clicked, steps: [{id: thank, at: 2026-12-03 10:00, email: {subject: S, body: b.md}}]}
  - {id: last, at: 2026-12-04 09:00, email: {subject: S, body: b.md}}
"""


LEAVE = "{{id: {}, at: 2026-12-03 10:00, exit: {{}}}}"


@pytest.fixture
def campaign() -> Campaign:
    loaded = load_campaign("sale.yaml", TEXT.encode())
    assert isinstance(loaded, CampaignFile), loaded
    return loaded.campaign


def test_shares_are_known_conditions_take_all_and_exits_take_away(campaign: Campaign) -> None:
    assert cohort_sizes(campaign, 1000, {}) == {
        "first": Size(1000),
        "half": Size(1000),
        "only-a": Size(300),
        "enough": Size(300),
        "only-b": Size(700),
        "reaction": Size(700),
        "thank": Size(700, is_most=True),
        "last": Size(700),
    }


def test_of_a_split_that_has_run_the_members_are_counted(campaign: Campaign) -> None:
    taken = {Turn("half", "a"): 301, Turn("half", "b"): 699, Turn("reaction", "clicked"): 50, Turn("reaction", ""): 649}
    found = cohort_sizes(campaign, 1000, taken)
    assert (found["only-a"], found["thank"], found["last"]) == (Size(301), Size(50), Size(699))


def test_where_a_condition_decides_who_leaves_all_may_go_on_until_everybody_has_left() -> None:
    leaving = TEXT.replace("{id: thank, at: 2026-12-03 10:00, email: {subject: S, body: b.md}}", LEAVE.format("thank"))
    everybody = leaving.replace(
        "  - {id: last", f"        - {{name: rest, steps: [{LEAVE.format('rest')}]}}\n  - {{id: last"
    )
    for text, most in ((leaving, Size(700, is_most=True)), (everybody, Size(0, is_most=True))):
        loaded = load_campaign("sale.yaml", text.encode())
        assert isinstance(loaded, CampaignFile)
        assert cohort_sizes(loaded.campaign, 1000, {})["last"] == most


def test_the_slowest_rate_decides_how_long_messages_take(campaign: Campaign) -> None:
    steps = {step.id: step for step in every_step(campaign.steps)}
    assert duration(steps["first"], 101, None) == timedelta(hours=1)
    assert duration(steps["first"], 101, Rate.parse("10/s")) == timedelta(hours=1)
    assert duration(steps["first"], 101, Rate.parse("10/h")) == timedelta(hours=10)
    assert duration(steps["only-b"], 101, None) is None
    assert duration(steps["only-b"], 0, None) == timedelta()
    assert duration(steps["half"], 101, Rate.parse("1/d")) == timedelta()


def test_a_window_makes_messages_wait_for_the_next_day(campaign: Campaign) -> None:
    (first, *_) = every_step(campaign.steps)
    assert isinstance(first, EmailStep)
    windowed = first.model_copy(update={"email": first.email.model_copy(update={"window": "09:00-11:00"})})
    assert duration(windowed, 101, None) == timedelta(hours=1)
    assert duration(windowed, 501, None) == timedelta(days=2, hours=1)


def test_a_step_that_comes_too_soon_is_named_with_the_least_gap_that_would_do(campaign: Campaign) -> None:
    nine = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
    starts = {step.id: nine + timedelta(hours=hour) for hour, step in enumerate(every_step(campaign.steps))}
    durations: dict[str, timedelta | None] = dict.fromkeys(starts, timedelta())
    durations |= {"first": timedelta(hours=1), "only-b": timedelta(minutes=100, seconds=30), "last": None}
    # `only-b` begins at 13:00 and ends at 14:40:30; what comes at 14:00 waits for it.
    assert list(tight_steps(campaign, starts, durations)) == [
        Tight("reaction", "only-b", timedelta(hours=1), timedelta(minutes=101))
    ]


def test_the_busiest_way_counts_for_the_frequency_cap(campaign: Campaign) -> None:
    zone = UTC
    starts = {step.id: step.at.wall.replace(tzinfo=zone) for step in every_step(campaign.steps) if step.at is not None}
    assert busiest(campaign, starts, timedelta(days=7)) == {"first": 1, "only-a": 2, "only-b": 2, "thank": 3, "last": 4}
    assert busiest(campaign, starts, timedelta(days=1))["last"] == 2
