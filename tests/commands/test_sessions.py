"""
Sessions at the command line, typed anew and compared with what is written down.

A file in `sessions/` holds commands behind `$ ` and what they print, both
streams together, with the exit code behind it where that is not 0. `make
golden` writes them anew; then look at the difference.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "sessions"

# What differs from run to run; the session shows what kind of thing stands there.
VARYING = [
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\+00:00|Z)"), "0000-00-00T00:00:00Z"),
    (re.compile(r"\b202[67]-\d\d-\d\d \d\d:\d\d(?::\d\d)?(?= (?:\(|in )Europe)"), "<wall time>"),
    (re.compile(r"(?:(?<= on )|(?<= since ))202[67]-\d\d-\d\d \d\d:\d\d(?::\d\d)?"), "<wall time>"),
    (re.compile(r"\d+\.\d+ s\b"), "<seconds> s"),
    (re.compile(r'"seconds": [\d.]+'), '"seconds": <seconds>'),
    (re.compile(r"(?<=\.)[0-9a-f]{16}(?=\.)"), "<digest>"),
]


def commands(session: str) -> list[str]:
    """The commands of a session; a line that ends with a backslash goes on."""
    return [match[1].replace("\\\n", "\\\n") for match in re.finditer(r"^\$ ((?:.*\\\n)*.*)$", session, re.MULTILINE)]


def typed(lines: list[str], folder: Path) -> str:
    """The session again, as the terminal shows it."""
    mark = "~~~~"
    script = "".join(f"{{ {line}\n}} 2>&1 </dev/null; echo {mark}$?\n" for line in lines)
    environment = {
        **os.environ,
        "PYTHONUNBUFFERED": "1",  # what is written to both streams comes in the order written
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "USER": "ada",
        "LOGNAME": "ada",
        "COLUMNS": "80",
    }
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    shown = done.stdout.replace(str(folder.resolve()), "<folder>")
    for pattern, name in VARYING:
        shown = pattern.sub(name, shown)
    outputs = re.findall(rf"(.*?){mark}(\d+)\n", shown, re.DOTALL)
    assert len(outputs) == len(lines), shown
    return "\n".join(
        f"$ {line}\n{output}{'' if code == '0' else f'[exit {code}]{chr(10)}'}"
        for line, (output, code) in zip(lines, outputs, strict=True)
    )


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.txt")))
def test_a_session_goes_as_written(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    path = FOLDER / f"{name}.txt"
    written = path.read_text("utf-8")
    shown = typed(commands(written), tmp_path)
    if request.config.getoption("--write-golden"):
        path.write_text(shown, "utf-8")
    assert shown == path.read_text("utf-8")


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.txt")))
def test_no_session_shows_a_traceback_and_every_exit_code_is_one_of_the_table(name: str) -> None:
    written = (FOLDER / f"{name}.txt").read_text("utf-8")
    assert "Traceback" not in written
    assert set(re.findall(r"^\[exit (\d+)\]$", written, re.MULTILINE)) <= {"1", "2", "3", "4", "78"}
