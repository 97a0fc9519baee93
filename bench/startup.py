"""How long the program takes to start, against `python -c pass`."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 15
STEPS = 50


def measure() -> dict[str, float]:
    """Medians in milliseconds of whole processes, taken in turns."""
    with tempfile.TemporaryDirectory() as folder:
        file = _project(Path(folder))
        program = str(Path(sys.executable).parent / "campaignctl")
        commands = {
            "pass": [sys.executable, "-c", "pass"],
            "help": [program, "--help"],
            "validate": [program, "validate", str(file)],
        }
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(RUNS):
            for name, command in commands.items():
                began = time.perf_counter()
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                times[name].append((time.perf_counter() - began) * 1000)
    return {name: statistics.median(each) for name, each in times.items()}


def _project(folder: Path) -> Path:
    """A campaign of so many steps, each with its own template."""
    (folder / "campaignctl.yaml").write_text(
        "project: bench\ntimezone: Europe/Paris\nsender: news@shop.example\npostal_address: Paris\n"
        "lists: {customers: {key: id, email: email}}\n"
    )
    steps = []
    for number in range(STEPS):
        (folder / f"{number}.md").write_text(
            "Hello {{ contact.name | default('there') }},\n\n{{ unsubscribe_url }} {{ postal_address }}\n"
        )
        steps.append(
            f"  - id: step-{number}\n    at: 2027-01-{number // 2 + 1:02} {9 + number % 2 * 3:02}:00\n"
            f"    email: {{subject: Number {number}, body: {number}.md}}\n"
        )
    head = "campaign: bench\nlist: customers\nstarter: {segment: {attribute: email, exists: true}}\nsteps:\n"
    file = folder / "bench.yaml"
    file.write_text(head + "".join(steps))
    return file
