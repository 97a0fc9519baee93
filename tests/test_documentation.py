"""What the documentation says is so."""

from __future__ import annotations

import re
from pathlib import Path

from campaignctl.cli.start import COMMANDS, overview
from campaignctl.explanations import known_codes

ROOT = Path(__file__).parents[1]


def codes_in_use() -> set[str]:
    found = set()
    for path in (ROOT / "campaignctl").rglob("*.py"):
        found |= set(re.findall(r"\"([CDHPSU]\d{3})\"|error\[([CDHPSU]\d{3})\]", path.read_text("utf-8")))
    return {first or second for first, second in found}


def test_every_code_has_a_page_and_every_page_a_code() -> None:
    # C203 also stands in docstrings as an example, and is in use
    assert codes_in_use() == set(known_codes())


def test_the_readme_names_every_command_and_no_other() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    named = set(re.findall(r"campaignctl ([a-z]+)\b", readme))
    assert named - {"run"} <= set(COMMANDS)
    assert all(f"`{name}`" in readme or f"campaignctl {name}" in readme for name in COMMANDS)


def test_help_lists_every_command() -> None:
    assert all(f"  {name} " in overview() for name in COMMANDS)
