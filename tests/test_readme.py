"""The tour of the README, as a newcomer types it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def commands_of_the_tour() -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]


def test_every_command_of_the_tour_works_and_two_messages_arrive(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    script = "set -e\n" + "\n".join(commands_of_the_tour())
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "2 contacts would take part" in done.stdout
    assert len(list((tmp_path / "my-project" / "outbox").glob("*.eml"))) == 2
    assert "opening-hours: completed" in done.stdout
    assert "ada@example.org  email    unsubscribed" in done.stdout
