"""Scenario files: what they tell passes, and what is not so fails at its place."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from world import World

from campaignctl.project import ProjectFile, load_project
from campaignctl.testing.run import FileResult, run_file, scenario_files

ROOT = Path(__file__).parents[2]
CAMPAIGN = """
campaign: sale
list: customers
starter: {segment: {attribute: country, in: [FR, BE]}}
steps:
  - {id: first, at: 2026-12-01 09:00, email: {subject: "One for {{ contact.name }}", body: hello.md}}
  - id: reaction
    at: 2026-12-02 09:00
    split: {by: engagement, of: first, branches: [{name: clicked, when: clicked, steps: [
      {id: thank, at: 2026-12-02 09:00, email: {subject: Thanks, body: hello.md}}]}]}
  - {id: second, at: 2026-12-03 09:00, email: {subject: Two, body: hello.md}}
"""
HEAD = """
campaign: campaign.yaml
clock: 2026-11-30 10:00
contacts:
  - {id: c-1, email: ada@example.org, name: Ada, country: FR}
  - {id: c-2, email: grace@example.org, name: Grace, country: BE}
  - {id: c-3, email: alan@example.org, name: Alan, country: IT}
scenarios:
  - name: one
"""


def played(world: World, scenario: str, project: str = "", is_wanted: str = "") -> FileResult:
    """The scenario, with the usual contacts."""
    if project:
        file = world.folder / "campaignctl.yaml"
        file.write_text(file.read_text() + project)
    if not (world.folder / "campaign.yaml").exists():
        world.write("campaign.yaml", CAMPAIGN)
    path = world.write("sale.test.yaml", HEAD + "".join(f"    {line}\n" for line in scenario.strip().splitlines()))
    return run_file(path, world.project, lambda name: is_wanted in name, lambda _result: None)


def messages(result: FileResult) -> list[str]:
    assert not result.problems, result.problems
    return [problem.message for scenario in result.scenarios for problem in scenario.problems]


@pytest.mark.parametrize("path", scenario_files([ROOT / "examples"]), ids=lambda path: path.name)
def test_every_scenario_of_the_examples_passes(path: Path) -> None:
    project = load_project(path.parents[1], {})
    assert isinstance(project, ProjectFile)
    result = run_file(path, project, lambda _name: True, lambda _result: None)
    assert messages(result) == []
    assert len(result.scenarios) >= 2


def test_the_file_of_the_documentation_passes(tmp_path: Path) -> None:
    block = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs/testing.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)[
        0
    ]
    shop = shutil.copytree(ROOT / "examples" / "launch", tmp_path / "shop")
    path = shop / "campaigns" / "documented.test.yaml"
    path.write_text(block, "utf-8")
    project = load_project(shop, {})
    assert isinstance(project, ProjectFile)
    assert messages(run_file(path, project, lambda _name: True, lambda _result: None)) == []


EXPECTATIONS = [
    ("{step: first, to: [c-1, c-2]}", "{step: first, to: [c-1]}"),
    ("{step: first, not_to: [c-3]}", "{step: first, not_to: [c-1]}"),
    ("{step: first, count: 2}", "{step: first, count: 3}"),
    ("{step: first, at: 2026-12-01 09:00}", "{step: first, at: 2026-12-01 09:01}"),
    ("{step: reaction, at: 2026-12-02 09:00}", "{step: reaction, at: 2026-12-02 10:00}"),
    ("{step: thank, subject: Thanks}", "{step: thank, subject: thanks}"),
    ("{step: first, contains: Hello}", "{step: first, contains: Ada}"),
    ("{step: reaction, contains: Hello, cohort: 2}", None),
    ("{step: first, state: done}", "{step: first, state: scheduled}"),
    ("{step: thank, cohort: 1}", "{step: thank, cohort: 2}"),
    ("{step: second, skipped: {unsubscribed: 1}}", "{step: second, skipped: {suppressed: 1}}"),
    ("{state: completed}", "{state: active}"),
    ("{state: active, by: 2026-12-02 10:00}", "{state: completed, by: 2026-12-02 10:00}"),
    ("{step: first, converted: 1}", "{step: first, converted: 2}"),
    ("{step: second, converted: 0}", "{converted: 1, step: second}"),
    ("{members: 2}", "{members: 3}"),
    ("{audience: {between: [2, 2]}}", "{audience: {between: [3, 9]}}"),
    ("{audience: {error_if: {below: 2, above: 2}}}", "{audience: {error_if: {below: 3}}}"),
]
HAPPENS = """
happens:
  - {at: 2026-12-01 10:00, clicked: first, contacts: [c-1]}
  - {at: 2026-12-02 10:00, unsubscribed: first, contacts: [c-2]}
  - {at: 2026-12-02 11:00, converted: first, contacts: [c-1], value: 49.90, currency: EUR}
  - {at: 2026-12-02 12:00, converted: first, contacts: [c-1]}
expect:
  - """


@pytest.mark.parametrize("so", [each[0] for each in EXPECTATIONS if each[1] is not None])
def test_what_is_so_passes(world: World, so: str) -> None:
    assert messages(played(world, HAPPENS + so)) == []


@pytest.mark.parametrize("wrong", [each[1] or each[0] for each in EXPECTATIONS])
def test_what_is_not_so_fails_at_its_line(world: World, wrong: str) -> None:
    result = played(world, HAPPENS + wrong)
    assert len(messages(result)) == 1
    assert "expected" in messages(result)[0]
    assert result.scenarios[0].has_failed
    line = result.texts[result.file].splitlines()[result.scenarios[0].problems[0].span.line - 1]
    assert wrong in line


def test_a_warning_does_not_fail(world: World) -> None:
    result = played(world, "expect: [{audience: {warn_if: {below: 3}}}]")
    assert len(messages(result)) == 1
    assert not result.has_failed


def test_the_rules_of_the_project_hold(world: World) -> None:
    project = 'send: {quiet_hours: "08:00-12:00", frequency_cap: {messages: 1, per: 7d}}\n'
    expected = "expect: [{step: first, at: 2026-12-01 12:00}, {step: second, skipped: {frequency_cap: 2}}]"
    assert messages(played(world, expected, project)) == []


def test_people_do_things_and_are_refused(world: World) -> None:
    world.write("other.yaml", CAMPAIGN.replace("Two", "Three"))
    world.write("late.yaml", CAMPAIGN.replace("One", "Zero"))
    scenario = """
happens:
  - {at: 2026-11-30 12:00, publish: other.yaml}
  - {at: 2026-11-30 13:00, import: [{id: c-9, email: new@example.org, name: New, country: FR}]}
  - {at: 2026-11-30 14:00, suppress: [grace@example.org]}
  - {at: 2026-12-01 10:00, run: pause}
  - {at: 2026-12-01 11:00, run: pause, refused: P113}
  - {at: 2026-12-01 12:00, run: resume}
  - {at: 2026-12-01 13:00, publish: late.yaml, refused: P120}
  - {at: 2026-12-02 12:00, run: stop}
expect:
  - {step: first, to: [c-1, c-9], skipped: {unsubscribed: 1}}
  - {state: paused, by: 2026-12-01 11:30}
  - {state: stopped}
  - {step: second, state: cancelled, count: 0}
"""
    assert messages(played(world, scenario)) == []


@pytest.mark.parametrize(
    "scenario",
    [
        "happens: [{at: 2026-12-01 12:00, run: resume}]",
        "happens: [{at: 2026-12-01 12:00, run: pause, refused: P113}]",
        "happens: [{at: 2026-12-01 12:00, run: resume, refused: P113}]",
        "happens: [{at: 2026-12-01 12:00, publish: missing.yaml}]",
        "happens: [{at: 2026-12-01 12:00, import: [{id: c-9, email: no address}]}]",
        "refused: P101",
        "clock: 2026-12-02 10:00",
        "{contacts: missing.csv}",
    ],
)
def test_what_is_refused_and_not_expected_to_be_fails(world: World, scenario: str) -> None:
    result = played(world, scenario.strip("{}") if scenario.startswith("{") else scenario)
    assert len(messages(result)) == 1
    assert result.has_failed


def test_a_late_publication_is_expected_to_be_refused(world: World) -> None:
    assert messages(played(world, "clock: 2026-12-02 10:00\nrefused: P101")) == []


def test_the_store_of_the_project_can_be_asked_for_the_audience(world: World) -> None:
    world.contacts()
    assert messages(played(world, "expect: [{audience: {between: [3, 3], of: store}}]")) == []
    with world.store.reading() as ledger:
        assert ledger.every_campaign() == []


@pytest.mark.parametrize(
    ("scenario", "code"),
    [
        ("expect: [{step: frist, count: 1}]", "P136"),
        ("happens: [{at: 2026-12-01 10:00, opened: frist, contacts: [c-1]}]", "P136"),
        ("happens: [{at: 2026-12-01 10:00, opened: first}]", "C111"),
        ("happens: [{at: 2026-12-01 10:00}]", "C112"),
        ("happens: [{at: 2026-12-01 10:00, run: pause, publish: a.yaml}]", "C112"),
        ("happens: [{at: 2026-12-01 10:00, suppress: [a@example.org], refused: P100}]", "C112"),
        ("expect: [{count: 1}]", "C111"),
        ("expect: [{step: first}]", "C111"),
        ("expect: [{step: first, members: 1}]", "C112"),
        ("expects: []", "C110"),
        ("until: noon", "C114"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_its_code(world: World, scenario: str, code: str) -> None:
    assert [problem.code for problem in played(world, scenario).problems] == [code]


def test_a_campaign_with_errors_is_not_played(world: World) -> None:
    world.write("campaign.yaml", CAMPAIGN.replace("at: 2026-12-03", "at: 2026-11-03"))
    result = played(world, "expect: [{members: 2}]")
    assert [problem.code for problem in result.problems] == ["C215"]
    assert result.scenarios == []


GATED = """
campaign: sale
list: customers
starter: {segment: {attribute: country, in: [FR, BE]}}
steps:
  - {id: check, at: 2026-12-01 08:00, gate: {endpoint: compliance}}
  - {id: first, at: 2026-12-01 09:00, email: {subject: "For {{ gate.promo }}", body: hello.md,
      gate: {endpoint: compliance, timeout: 4h}}}
"""
ASKS = (
    "public_url: https://mail.shop.example\n"
    "endpoints: {compliance: {url: 'https://compliance.shop.example/gate', secret: whsec_c2VjcmV0}}\n"
)


@pytest.mark.parametrize(
    "told",
    [
        """
happens: [{at: 2026-12-01 11:00, gate: first, reject: [c-2], properties: {c-1: {promo: X7}}}]
expect:
  - {step: check, state: done}
  - {step: first, to: [c-1], at: 2026-12-01 11:00, subject: For X7}
""",
        # Without an answer of its own a gate lets everybody go on, with something for what templates take of it.
        """
happens: [{at: 2026-12-01 08:30, gate: check, reject: [c-2]}]
expect: [{step: first, to: [c-1], at: 2026-12-01 09:00, subject: For promo}]
""",
        """
happens: [{at: 2026-12-01 14:00, gate: first, refused: H133}]
expect: [{step: first, to: [], state: cancelled}]
""",
    ],
)
def test_a_scenario_answers_gates_and_passes_those_that_it_does_not_name(world: World, told: str) -> None:
    world.write("campaign.yaml", GATED)
    assert messages(played(world, told, ASKS)) == []


def test_texts_and_requests_are_told_of_by_what_they_say(world: World) -> None:
    world.write(
        "campaign.yaml",
        "campaign: sale\nlist: customers\nstarter: {segment: {attribute: id, exists: true}}\nsteps:\n"
        "  - {id: text, at: 2026-12-01 10:00, sms: {text: 'Hi {{ contact.name }}'}}\n"
        "  - {id: tell, at: 2026-12-01 10:05, webhook: {endpoint: crm, per: batch}}\n",
    )
    project = (world.folder / "campaignctl.yaml").read_text().replace("email: email", "phone: mobile")
    world.write("campaignctl.yaml", project + "endpoints: {crm: {url: 'https://crm.example/'}}\n")
    head = HEAD.replace("email: ada@example.org", 'mobile: "+33612345678"')
    path = world.write(
        "sale.test.yaml",
        head + "    expect:\n"
        "      - {step: text, to: [c-1], contains: Hi Ada}\n"
        "      - {step: text, to: [c-1], contains: Hi Alan}\n"
        "      - {step: text, to: [c-1], subject: Hi}\n"
        '      - {step: tell, to: [c-1, c-2, c-3], contains: \'"id": "c-3"\'}\n',
    )
    result = run_file(path, world.project, lambda _name: True, lambda _result: None)
    assert messages(result) == [
        "the message of `text` to c-1: expected Hi Alan, actual Hi Ada…",
        "the subject of the message of `text` to c-1: expected Hi, actual none",
    ]


TOPICS = "topics: {offers: {title: Offers}, news: {title: News}}\n"


def test_a_contact_who_left_a_topic_gets_its_messages_no_more(world: World) -> None:
    """As on the page to unsubscribe on: what is imported later does not bring them back."""
    world.write("campaign.yaml", CAMPAIGN.replace("body: hello.md}}\n", "body: hello.md, topic: offers}}\n"))
    scenario = """
happens:
  - {at: 2026-12-01 12:00, left: offers, contacts: [c-1]}
  - {at: 2026-12-01 13:00, import: [{id: c-1, topic_offers: true}, {id: c-2, topic_offers: true}]}
expect:
  - {step: first, to: [c-1, c-2]}
  - {step: second, to: [c-2], skipped: {not_in_topic: 1}}
"""
    assert messages(played(world, scenario, TOPICS)) == []
    assert "c-1: not_in_topic" in messages(played(world, scenario.replace("to: [c-2]", "to: [c-1, c-2]")))[0]


def test_a_topic_and_a_contact_that_a_scenario_names_have_to_be_there(world: World) -> None:
    result = played(world, "happens: [{at: 2026-12-01 12:00, left: ofers, contacts: [c-1]}]", TOPICS)
    assert [(each.code, each.hint) for each in result.problems] == [("C430", "did you mean `offers`?")]
    (said,) = messages(played(world, "happens: [{at: 2026-12-01 12:00, left: offers, contacts: [c-9]}]"))
    assert "the list `customers` has no contact `c-9`" in said
