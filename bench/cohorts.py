"""What steps cost with a million contacts, against bare statements that write as many rows of the same file."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from bench.processes import Used, run, run_inside
from bench.results import COMPARED, Section, compared

CONTACTS = 1_000_000
RUNS = 5

# Each piece of work, and the bare statement that writes the same rows of the same table.
PAIRS = {
    "audience": ("audience", "bare-insert"),
    "random split in three": ("random-split", "bare-update-of-members"),
    "split by engagement": ("engagement-split", "bare-update-of-members"),
    "set": ("set", "bare-update-of-contacts"),
}


def measure() -> Section:
    """Each piece of work in a process and on a copy of its own; with a quarter of the contacts as well."""
    rows = []
    for contacts, runs in ((CONTACTS // 4, 1), (CONTACTS, RUNS)):
        for what, pair in _measured(contacts, runs).items():
            bare = PAIRS[what][1].replace("-", " ").removeprefix("bare ")
            name = f"{what}, {contacts // 2:,} of {contacts:,}"
            rows.append(compared(name, pair[0], f"bare {bare}", pair[1], "≤ 3x, ≤ 200 MiB"))
    return Section(
        "Cohorts",
        "Half of the contacts are the audience; there are three events for each contact of the list. A bare\n"
        "statement writes the same rows of the same table, over the same kind of connection. Each run has its own\n"
        f"process and its own copy of the same file, and includes the commit.\n"
        f"Medians of {RUNS} runs; of one with the quarter.",
        COMPARED,
        rows,
    )


def _measured(contacts: int, runs: int) -> dict[str, tuple[list[Used], list[Used]]]:
    found: dict[str, tuple[list[Used], list[Used]]] = {what: ([], []) for what in PAIRS}
    with tempfile.TemporaryDirectory() as name:
        before, started = Path(name) / "before.db", Path(name) / "started.db"
        run([sys.executable, "-m", "bench.cohort_work", "prepare", str(before), str(started), str(contacts)])
        for _ in range(runs):
            for what, works in PAIRS.items():
                for work, times in zip(works, found[what], strict=True):
                    times.append(_on_copy(before if what == "audience" else started, work, contacts))
    return found


def _on_copy(prepared: Path, work: str, contacts: int) -> Used:
    copy = prepared.with_name("copy.db")
    shutil.copyfile(prepared, copy)
    with copy.open("rb+") as file:
        os.fsync(file.fileno())  # or the work would wait for the writing of the copy
    try:
        return run_inside("bench.cohort_work", work, str(copy), str(contacts))
    finally:
        for left in prepared.parent.glob("copy.db*"):
            left.unlink()
