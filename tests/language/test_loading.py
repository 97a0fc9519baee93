"""What files say, and what is said about files that are wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from language.wrong_files import HEAD, SHORT, STEP, at
from world import World

from campaignctl.campaign.load import CampaignFile, load_campaign
from campaignctl.campaign.version import Version, version_of
from campaignctl.campaign.when import Fit, When, zone_named
from campaignctl.cli.show import problem_text
from campaignctl.diagnostics import Severity
from campaignctl.project import load_project


def test_a_problem_is_shown_with_its_line_and_a_caret_under_the_word(world: World) -> None:
    text = SHORT.replace("subject", "subjct")
    problem = world.check(text).problems[0]
    shown = problem_text(problem, text).replace(str(world.folder) + "/", "")
    assert shown == (
        "error[C110]: `subjct` is not a key here\n"
        " --> campaign.yaml:5:9\n"
        "  |\n"
        "5 | email: {subjct: Hi, body: hello.md}\n"
        "  |         ^^^^^^\n"
        "  = hint: did you mean `subject`?"
    )


def test_all_problems_of_a_file_are_shown_at_once(world: World) -> None:
    checked = world.check(HEAD + STEP.replace("subject", "subjct") + at("b", "tomorrow"))
    assert [problem.code for problem in checked.problems] == ["C110", "C114"]


def test_a_time_that_happens_twice_is_a_warning_and_an_instant_settles_it(world: World) -> None:
    (warning,) = [
        problem for problem in world.check(HEAD + at("a", "2027-10-31 02:30")).problems if problem.code == "C212"
    ]
    assert warning.severity is Severity.WARNING
    assert world.check(HEAD + at("a", '"2027-10-31T02:30+01:00"')).problems == []


def test_the_short_form_means_the_same_as_one_step(world: World) -> None:
    short = SHORT
    long = HEAD.replace("{attribute: email, exists: true}", "french") + STEP.replace("id: a", "id: sale")
    versions = []
    for text in (short, long):
        checked = world.check(text)
        assert checked.file is not None
        versions.append(version_of(checked.file.campaign, world.project.project, {}).fingerprint())
    assert versions[0] == versions[1]


def test_a_version_comes_back_from_the_store_as_it_was(world: World) -> None:
    checked = world.check(
        HEAD
        + STEP
        + "  - id: s\n    at: 2026-12-02 09:00\n    split:\n      by: segment\n      branches:\n"
        + "        - name: a\n          when: {any: [{segment: french}, {attribute: born, within: 30d}]}\n"
        + "          steps: [{id: b, at: 2026-12-02 09:00, set: {n: 0123, f: true}}]\n"
    )
    assert checked.file is not None, checked.problems
    version = version_of(checked.file.campaign, world.project.project, {"hello.md": b"x"})
    again = Version.from_stored(version.stored(), {"hello.md": b"x"})
    assert again.content == version.content
    assert again.fingerprint() == version.fingerprint()


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from(list("ab:-{}[]\"'&*!|>#%@`, \n\t\0é0123")), max_size=60) | st.text(max_size=60))
def test_no_text_makes_the_loader_fail(text: str) -> None:
    loaded = load_campaign("x.yaml", text.encode("utf-8", "surrogatepass"))
    assert isinstance(loaded, CampaignFile) or all(problem.code.startswith("C1") for problem in loaded)


scalars = st.sampled_from(["sale", "a", "true", "2026-12-01 09:00", "30%", "clicked", "x.md", "7", '""', "null"])
keys = st.sampled_from(
    ["campaign", "list", "starter", "segment", "steps", "id", "at", "email", "subject", "body", "split", "by",
     "branches", "name", "share", "when", "set", "exit", "attribute", "eq", "all", "of", "gate", "variants", "if_late"]
)  # fmt: skip
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: "[" + ", ".join(items) + "]")
        | st.dictionaries(keys, inner, max_size=4).map(
            lambda m: "{" + ", ".join(f"{k}: {v}" for k, v in m.items()) + "}"
        )
    ),
    max_leaves=25,
)


@settings(max_examples=500, deadline=None)
@given(trees, trees)
def test_no_tree_of_known_words_makes_the_loader_fail(starter: str, steps: str) -> None:
    text = f"campaign: sale\nlist: customers\nstarter: {starter}\nsteps: [{steps}]\n"
    loaded = load_campaign("x.yaml", text.encode())
    assert isinstance(loaded, CampaignFile) or loaded


walls = st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1)).map(lambda wall: wall.replace(second=0, microsecond=0))


@settings(max_examples=500)
@given(st.sampled_from(sorted(available_timezones())), walls)
def test_in_every_zone_a_wall_time_is_its_instant_or_is_said_not_to_exist(name: str, wall: datetime) -> None:
    zone = zone_named(name)
    when = When.parse(f"{wall:%Y-%m-%d %H:%M}")
    back = when.at(zone).astimezone(zone).replace(tzinfo=None)
    assert (back == wall) == (when.fit(zone) is not Fit.GAP)
    assert when.at(zone).tzinfo is UTC


def test_a_project_file_reads_the_environment_and_shows_no_secret(world: World) -> None:
    text = (world.folder / "campaignctl.yaml").read_text()
    world.write("campaignctl.yaml", text + "channels: {email: {smtp: 'smtp://u:${PW}@${HOST:-localhost}'}}\n")
    loaded = load_project(world.folder, {"PW": "canary"})
    assert not isinstance(loaded, list)
    assert loaded.project.channels.email is not None
    assert loaded.project.channels.email.smtp == "smtp://u:canary@localhost"
    world.contacts()
    world.publish(HEAD + STEP)
    world.store.close()
    assert b"canary" not in (world.folder / "campaignctl.db").read_bytes()


@pytest.mark.parametrize("trick", ["/etc/passwd", "../../etc/passwd", "link.md", "pipe.md", "folder.md", "gone.md"])
def test_paths_stay_inside_the_project(world: World, trick: str) -> None:
    import os

    (world.folder / "link.md").symlink_to("/etc/passwd")
    os.mkfifo(world.folder / "pipe.md")
    (world.folder / "folder.md").mkdir()
    assert "C220" in {problem.code for problem in world.check(HEAD + STEP.replace("hello.md", trick)).problems}
