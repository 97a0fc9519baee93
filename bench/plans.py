"""What plan and publish cost with many steps and a million contacts, beside the audience query alone."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from bench.processes import Used, median_of, run, run_inside
from bench.results import Section

CONTACTS = 1_000_000
STEPS = 200
RUNS = 5
_PROGRAM = [sys.executable, "-c", "from campaignctl.cli.start import start; start()"]

# Each command, and the project that it is typed in.
_COMMANDS = {
    "`plan` of a new campaign": ("new", ["plan", "new.yaml"]),
    "`publish` of a new campaign": ("new", ["publish", "new.yaml", "--yes"]),
    "`plan` of a change of every other text": ("started", ["plan", "changed.yaml"]),
    "`publish` of it": ("started", ["publish", "changed.yaml", "--yes"]),
}


def measure(contacts: int = CONTACTS) -> Section:
    """Whole processes in turns with the query, each on a copy of the same file."""
    times: dict[str, list[Used]] = {what: [] for what in _COMMANDS}
    query: list[Used] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run([sys.executable, "-m", "bench.plan_work", "prepare", name, str(contacts), str(STEPS)])
        for _ in range(RUNS):
            query.append(run_inside("bench.plan_work", "audience", str(folder / "new")))
            for what, (project, command) in _COMMANDS.items():
                times[what].append(_on_copy(folder / project, command))
    base = median_of(query)
    return Section(
        "Plan and publish",
        f"Whole processes, with a file of {STEPS} steps that each have a template of their own. Half of {contacts:,}\n"
        "contacts are the audience; all of them are members of another campaign within the frequency cap's time.\n"
        "Against it, the one query that counts the audience, in a process that runs already.\n"
        f"Medians of {RUNS} runs.",
        ("what", "took", "audience query alone", "more", "more processor time", "goal", "peak memory"),
        [_row(what, median_of(used), base) for what, used in times.items()],
    )


def _row(what: str, ours: Used, base: Used) -> list[str]:
    return [
        what,
        f"{ours.seconds:.2f} s",
        f"{base.seconds:.2f} s",
        f"**{ours.seconds - base.seconds:.2f} s**",
        f"{ours.processor - base.processor:.2f} s",
        "≤ 2 s more",
        f"{ours.peak:.0f} MiB",
    ]


def _on_copy(project: Path, command: list[str]) -> Used:
    copy = project.with_name("copy")
    shutil.copytree(project, copy)
    try:
        return run([*_PROGRAM, command[0], str(copy / command[1]), *command[2:]])
    finally:
        shutil.rmtree(copy)
