"""What is printed for each mistake, to the letter. `make golden` writes the files anew."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import pytest
from language.wrong_files import WRONG, Wrong
from world import PROJECT, World

from campaignctl.cli.attributes import attributes_of
from campaignctl.cli.show import problem_text
from campaignctl.cli.start import run
from campaignctl.explanations import known_codes
from campaignctl.validation import Checked, campaign_files, check_file, check_files, check_project

GOLDEN = Path(__file__).parent / "golden"
# No campaign file has these: there is no project, or no file.
OF_NO_FILE = {"C150", "C151", "C153", "C207"}


def checked(world: World, wrong: Wrong) -> Checked:
    world.write("campaignctl.yaml", PROJECT.replace(*wrong.project) if wrong.project[0] else PROJECT)
    if wrong.body is not None:
        world.write("hello.md", wrong.body)
    if wrong.contacts is not None:
        world.contacts(wrong.contacts)
    path = world.folder / "campaign.yaml"
    path.write_bytes(wrong.text.encode("utf-8", "surrogateescape"))
    found = check_file(path, world.project, attributes_of(world.store))
    found.add(check_project(world.project, found.campaigns))
    return found


def printed(world: World, found: Checked, code: str) -> str:
    """The problems with this code, as people see them."""
    problems = [problem for problem in found.problems if problem.code == code]
    assert problems, [(problem.code, problem.message) for problem in found.problems]
    texts = [problem_text(problem, found.texts.get(problem.file)) for problem in problems]
    return "\n\n".join(texts).replace(f"{world.folder}/", "")


def test_every_code_of_files_has_its_mistakes() -> None:
    assert set(WRONG) | OF_NO_FILE == {code for code in known_codes() if code.startswith("C")}
    assert {path.stem for path in GOLDEN.iterdir()} == set(WRONG)


@pytest.mark.parametrize("code", sorted(WRONG))
def test_a_mistake_is_told_as_it_was_agreed(tmp_path: Path, code: str, request: pytest.FixtureRequest) -> None:
    told = []
    for number, wrong in enumerate(WRONG[code]):
        folder = tmp_path / str(number)
        folder.mkdir()
        world = World(folder)
        told.append(printed(world, checked(world, wrong), code))
        world.store.close()
    text = "\n\n".join(told) + "\n"
    golden = GOLDEN / f"{code}.txt"
    if request.config.getoption("--write-golden"):
        golden.write_text(text, "utf-8")
    assert golden.read_text("utf-8") == text


CASES = [(code, number) for code in sorted(WRONG) for number in range(len(WRONG[code]))]


@pytest.mark.parametrize(("code", "number"), CASES)
def test_a_mistake_is_told_in_the_form_of_the_house(world: World, code: str, number: int) -> None:
    """Lower case, no full stop, one hint, and a place inside the file."""
    found = checked(world, WRONG[code][number])
    for problem in found.problems:
        for sentence in (problem.message, problem.hint):
            assert sentence
            assert not re.match(r"[A-Z]", sentence)
            assert not sentence.endswith(".")
        assert 1 <= problem.span.line <= found.texts[problem.file].count("\n") + 1


def test_two_files_with_one_name_are_told_at_the_second(world: World) -> None:
    text = WRONG["C301"][0].text
    for name in ("a.yaml", "b.yaml"):
        world.write(name, text)
    found = check_files(campaign_files([world.folder]), world.project, {})
    problem = next(problem for problem in found.problems if problem.code == "C207")
    assert problem.file.endswith("b.yaml")
    assert problem.span.column == len("campaign: ") + 1


SEVERAL = """campaign: {name}
list: customers
starter: {starter}
steps:
  - {{id: first, {verb}}}
"""
BY_SERVER = 'channels: {email: {smtp: "smtp://mail.example"}}\n'
EMAIL, SET = "at: 2026-12-01 10:00, email: {subject: Hi, body: hello.md}", "at: 2026-12-01 10:00, set: {a: 1}"


@pytest.mark.parametrize(
    ("starter", "verb", "number"),
    [
        ("{segment: french}", EMAIL, 1),
        ("{segment: french}", SET, 0),
        ("{api: {}}", "email: {subject: Hi, body: hello.md}", 0),
    ],
)
def test_a_project_is_told_once_of_bulk_mail_that_nobody_can_leave_with_one_click(
    world: World, starter: str, verb: str, number: int
) -> None:
    """Messages that answer a request are no bulk mail, and whoever sends no mail needs no way out of it."""
    world.write("campaignctl.yaml", PROJECT + BY_SERVER)
    for name in ("a", "b"):
        world.write(f"{name}.yaml", SEVERAL.format(name=name, starter=starter, verb=verb))
    said = io.StringIO()
    with contextlib.chdir(world.folder), contextlib.redirect_stdout(said):
        run(["validate", "."])
    assert said.getvalue().count("C424") == number
