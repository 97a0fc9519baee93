"""How long the program takes to start, against `python -c pass`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from bench.processes import Used, run
from bench.results import COMPARED, Section, compared

RUNS = 25
STEPS = 50
CONTACTS = 1000
_PROGRAM = [sys.executable, "-c", "from campaignctl.cli.start import start; start()"]


def measure() -> Section:
    """Whole processes, taken in turns."""
    with tempfile.TemporaryDirectory() as name:
        without_store, with_store = (_project(Path(name) / each) for each in ("without", "with"))
        _bring_in_contacts(with_store.parent)
        commands = {
            "`python -c pass`": ([sys.executable, "-c", "pass"], ""),
            "`campaignctl --help`": ([*_PROGRAM, "--help"], "≤ 6x"),
            f"`validate`, {STEPS} steps": ([*_PROGRAM, "validate", str(without_store)], "≤ 12x"),
            f"`validate`, {STEPS} steps, with a store": ([*_PROGRAM, "validate", str(with_store)], "≤ 12x"),
        }
        times: dict[str, list[Used]] = {what: [] for what in commands}
        for _ in range(RUNS):
            for what, (command, _goal) in commands.items():
                times[what].append(run(command))
    (against, base), *others = times.items()
    return Section(
        "Start",
        f"Whole processes. The store holds {CONTACTS} contacts, whose attributes the file is checked against.\n"
        f"Medians of {RUNS} runs.",
        COMPARED,
        [compared(what, ours, against, base, commands[what][1]) for what, ours in others],
    )


def _project(folder: Path) -> Path:
    """A campaign of so many steps, each with its own template."""
    folder.mkdir()
    (folder / "campaignctl.yaml").write_text(
        "project: bench\ntimezone: Europe/Paris\nsender: news@shop.example\npostal_address: Paris\n"
        "lists: {customers: {key: id, email: email}}\n"
    )
    steps = []
    for number in range(STEPS):
        (folder / f"{number}.md").write_text(
            f"Hello {{{{ contact.name | default('there') }}}},\n\nthis is number {number}.\n\n"
            "{{ unsubscribe_url }} {{ postal_address }}\n"
        )
        steps.append(
            f"  - id: step-{number}\n    at: 2027-01-{number // 2 + 1:02} {9 + number % 2 * 3:02}:00\n"
            f"    email: {{subject: Number {number}, body: {number}.md}}\n"
        )
    head = "campaign: bench\nlist: customers\nstarter: {segment: {attribute: email, exists: true}}\nsteps:\n"
    file = folder / "bench.yaml"
    file.write_text(head + "".join(steps))
    return file


def _bring_in_contacts(folder: Path) -> None:
    file = folder / "contacts.csv"
    file.write_text("id,email,name\n" + "".join(f"{n},{n}@example.org,Ada\n" for n in range(CONTACTS)))
    run([*_PROGRAM, "contacts", "import", "customers", str(file), "--project", str(folder)])
