"""What a plan says of a campaign before it is published, and of a change to one that runs."""

from __future__ import annotations

from datetime import timedelta

from world import World

from campaignctl.planning import Plan, planned
from campaignctl.proposing import Action, proposed

HEAD = "campaign: sale\nlist: customers\nstarter: {segment: {attribute: email, exists: true}}\nsteps:\n"
FRENCH = HEAD.replace("{attribute: email, exists: true}", "french")


def email(step: str, at: str, more: str = "") -> str:
    return f"  - {{id: {step}, at: {at}, email: {{subject: Hi, body: hello.md{more}}}}}\n"


FIRST, SECOND = email("first", "2026-12-01 10:00"), email("second", "2026-12-02 10:00")


def plan(world: World, text: str) -> Plan:
    version = world.fast.version(world.write("campaign.yaml", text))
    with world.store.reading() as ledger:
        proposal = proposed(ledger, version, world.project.project, world.clock.now())
        return planned(ledger, proposal, world.project.project, world.clock.now())


def add_to_project(world: World, text: str) -> None:
    path = world.folder / "campaignctl.yaml"
    path.write_text(path.read_text("utf-8") + text, "utf-8")


def test_a_new_campaign_is_created_with_all_its_steps(world: World) -> None:
    world.contacts()
    found = plan(world, HEAD + FIRST + SECOND)
    assert found.proposal.action is Action.CREATE
    assert [(each.step, each.after) for each in found.proposal.changes] == [("first", "email"), ("second", "email")]
    assert found.audience == 3
    assert [(each.step.name, each.messages, each.local) for each in found.timeline] == [
        ("first", 3, "2026-12-01 10:00"),
        ("second", 3, "2026-12-02 10:00"),
    ]
    assert found.warnings == ()


def test_a_plan_changes_nothing(world: World) -> None:
    world.contacts()
    world.publish(HEAD + FIRST)
    before = world.campaign()
    plan(world, HEAD + FIRST + SECOND)
    assert world.campaign() == before


def test_steps_in_the_past_are_refused_in_the_plan(world: World) -> None:
    world.contacts()
    world.at("2026-12-01 12:00")
    found = plan(world, HEAD + FIRST + SECOND)
    assert found.proposal.action is Action.REFUSED
    assert [(each.step, each.reason) for each in found.proposal.refused] == [("first", "its time is past")]


def test_the_audience_of_a_campaign_that_has_started_are_its_members(world: World) -> None:
    world.contacts()
    world.publish(HEAD + FIRST + SECOND)
    world.run_until("2026-12-01 12:00")
    world.contacts("id,email,name,country\nc-9,late@example.org,Late,FR\n")
    found = plan(world, HEAD + FIRST + SECOND + email("third", "2026-12-03 10:00"))
    assert found.audience == 3
    assert [each.messages for each in found.timeline] == [3, 3, 3]
    assert found.proposal.action is Action.UPDATE


def test_the_members_of_a_branch_are_counted_once_its_split_has_run(world: World) -> None:
    world.contacts()
    text = (
        HEAD + "  - id: who\n    at: 2026-12-01 09:00\n    split:\n      by: segment\n      branches:\n"
        "        - name: fr\n          when: french\n          steps:\n          " + email("salut", "2026-12-02 10:00")
    )  # fmt: skip
    world.publish(text)
    assert [(each.messages, each.size.is_most) for each in plan(world, text).timeline] == [(0, False), (3, True)]
    world.run_until("2026-12-01 12:00")
    assert [(each.messages, each.size.is_most) for each in plan(world, text).timeline] == [(0, False), (2, False)]


def test_nobody_in_the_audience_is_worth_a_warning(world: World) -> None:
    world.contacts()
    nobody = HEAD.replace("{attribute: email, exists: true}", "{attribute: country, eq: DE}")
    assert plan(world, nobody + FIRST).warnings == ("nobody takes part as things are",)


def test_a_schedule_that_the_rate_makes_too_tight_is_worth_a_warning(world: World) -> None:
    world.contacts()
    slow = HEAD + email("first", "2026-12-01 10:00", ", rate: 1/h") + email("second", "2026-12-01 11:00")
    assert plan(world, slow).warnings == (
        "`second` comes 1h after `first`, which is not done by then: it would begin later; 2h between them would do",
    )
    assert plan(world, slow.replace("2026-12-01 11:00", "2026-12-01 12:00")).warnings == ()


def test_the_rate_of_the_channel_counts_as_well(world: World) -> None:
    world.contacts()
    add_to_project(world, "channels: {email: {rate: 1/h}}\n")
    assert len(plan(world, HEAD + FIRST + email("second", "2026-12-01 11:00")).warnings) == 1


def test_the_rate_of_text_messages_counts_for_them_and_for_nothing_else(world: World) -> None:
    world.contacts()
    add_to_project(
        world,
        "channels: {sms: {endpoint: sms, rate: 1/h}, email: {rate: 2/h}}\n"
        "endpoints: {sms: {url: 'https://sms.example/'}}\n",
    )
    text = "  - {id: text, at: 2026-12-02 10:00, sms: {text: Hi}}\n"
    found = plan(world, HEAD + FIRST + text)
    assert [each.duration for each in found.timeline] == [timedelta(hours=1), timedelta(hours=2)]


def test_other_campaigns_to_the_same_contacts_are_told_when_they_are_near(world: World) -> None:
    world.contacts()
    world.publish(
        FRENCH.replace("sale", "news") + email("weekly", "2026-12-01 12:00") + email("far", "2027-03-01 12:00")
    )
    world.publish(FRENCH.replace("sale", "later") + email("april", "2027-04-01 12:00"))
    belgian = HEAD.replace("{attribute: email, exists: true}", "{attribute: country, eq: BE}")
    (overlap,) = plan(world, HEAD + FIRST).overlaps
    assert (overlap.campaign, overlap.contacts, list(overlap.steps)) == ("news", 2, ["weekly"])
    assert plan(world, belgian + FIRST).overlaps == ()


def test_members_of_a_campaign_that_runs_are_shared_whatever_its_list_says_now(world: World) -> None:
    world.contacts()
    world.publish(FRENCH.replace("sale", "news") + email("weekly", "2026-12-01 09:00"))
    world.run_until("2026-12-01 09:30")
    world.contacts("id,country\nc-1,BE\nc-3,BE\n")
    (overlap,) = plan(world, HEAD + FIRST).overlaps
    assert (overlap.campaign, overlap.contacts) == ("news", 2)


def test_where_the_frequency_cap_would_bite_is_told(world: World) -> None:
    world.contacts()
    add_to_project(world, "send: {frequency_cap: {messages: 1, per: 2d}}\n")
    assert plan(world, HEAD + FIRST + SECOND).warnings == (
        "`second` may be message 2 in 2d to a contact: the frequency cap is 1, and who is above it is skipped",
    )
    world.publish(FRENCH.replace("sale", "news") + email("weekly", "2026-11-30 12:00"))
    assert plan(world, HEAD + FIRST).warnings == (
        "`first` may be message 2 in 2d to a contact, counting `news`: the frequency cap is 1,"
        " and who is above it is skipped",
    )


def test_a_plan_for_a_stopped_campaign_is_refused_even_for_the_same_file(world: World) -> None:
    world.contacts()
    world.publish(HEAD + FIRST)
    world.stop("sale")
    found = plan(world, HEAD + FIRST)
    assert found.proposal.action is Action.REFUSED
    assert found.proposal.refused[0].reason == "the campaign was stopped, which is final"
