"""
The pages of the error codes: each shows its error, as it is really printed.

An example is made of blocks. `yaml` is campaign.yaml, a second word on the
fence names another file, `text` is what checking campaign.yaml prints, and
`console` are commands with what the last of them prints. `make golden` writes
both outputs anew.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest
from language.wrong_files import CONTACTS, SHORT
from world import PROJECT, World

from campaignctl.cli.attributes import attributes_of
from campaignctl.cli.show import problem_text
from campaignctl.cli.start import run
from campaignctl.explanations import known_codes, page
from campaignctl.validation import check_file

PAGES = Path(__file__).parents[1] / "docs" / "errors"
BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)

# What these say depends on the hour or the machine, or needs a store or a file that no page can hold.
WITHOUT_EXAMPLE = {
    "C100", "C104", "C153", "D103", "D104", "D110", "D120", "D121", "D122", "D123", "D141", "D142", "D143", "D160",
    "H101", "H102", "H103", "H104", "H105", "H106", "H107", "H108", "H109", "H110", "H120", "H121", "H122", "H131",
    "H132", "H133", "H134", "H135", "H140", "H141", "H142", "H155", "H156", "H157", "P101", "P106", "P122", "P123",
    "P150", "P151", "P152", "P153", "P154", "P155", "P156", "P157", "P158", "P159", "P161", "P162", "P163", "P164",
    "P165", "P166", "P171", "P172", "S100", "S101", "S102", "S104", "S105", "S106", "S108", "S112", "S202", "S203",
    "S205", "S240", "S241", "S242", "S243", "S306", "U120", "U121", "U133",
}  # fmt: skip


def project_with(keys: str) -> str:
    """The usual project file, or *keys* in place of those that it has too."""
    if re.search(r"^project:", keys, re.MULTILINE):
        return keys
    theirs = tuple(re.findall(r"^(\w+:)", keys, re.MULTILINE))
    return "".join(line for line in PROJECT.splitlines(keepends=True) if not line.startswith(theirs)) + keys


def made_world(folder: Path, text: str) -> World:
    """A project with the files that a page shows."""
    world = World(folder)
    world.write("campaign.yaml", SHORT)
    world.write("contacts.csv", CONTACTS)
    for _, name, block in BLOCK.findall(text):
        if name == "campaignctl.yaml":
            world.write(name, project_with(block))
        elif name:
            world.write(name, block)
    for block in re.findall(r"^```yaml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        world.write("campaign.yaml", block)
    return world


def problem_printed(world: World, code: str) -> str:
    if (world.folder / "contacts.csv").read_text() != CONTACTS:
        world.import_file(world.folder / "contacts.csv")
    checked = check_file(world.folder / "campaign.yaml", world.project, attributes_of(world.store))
    problem = next(problem for problem in checked.problems if problem.code == code)
    return problem_text(problem, checked.texts.get(problem.file)).replace(f"{world.folder}/", "") + "\n"


def last_output(world: World, block: str) -> str:
    """The commands of a block, and what the last one prints."""
    commands = [line for line in block.splitlines() if line.startswith("$ campaignctl")]
    said = io.StringIO()
    with contextlib.chdir(world.folder), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        for command in commands:
            said.truncate(said.seek(0))
            run(shlex.split(command)[2:])
    return "\n".join(commands) + "\n" + said.getvalue().replace(f"{world.folder}/", "")


def as_it_is(folder: Path, code: str, text: str) -> str:
    """The page with what is really printed."""
    world = made_world(folder, text)

    def shown(found: re.Match[str]) -> str:
        language = found[1]
        if language == "text":
            return f"```text\n{problem_printed(world, code)}```"
        if language == "console":
            return f"```console\n{last_output(world, found[3])}```"
        return str(found[0])

    try:
        return BLOCK.sub(shown, text)
    finally:
        world.store.close()


@pytest.mark.parametrize("code", known_codes())
def test_a_page_shows_what_is_printed(tmp_path: Path, code: str, request: pytest.FixtureRequest) -> None:
    text = page(code) or ""
    true = as_it_is(tmp_path, code, text)
    if request.config.getoption("--write-golden"):
        (PAGES / f"{code}.md").write_text(true, "utf-8")
        text = true
    assert text == true
    assert (f"[{code}]: " in text) is (code not in WITHOUT_EXAMPLE)


@pytest.mark.parametrize("code", known_codes())
def test_a_page_is_short_and_ends_with_what_to_do(code: str) -> None:
    text = page(code) or ""
    assert text.startswith(f"# {code}: ")
    assert len(text.splitlines()) <= 35
    assert text.rstrip().rpartition("\n\n")[2].startswith("**What to do:** ")
