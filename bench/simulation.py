"""
What a simulation costs: ten steps over a list of contacts, in a process of its own.

    python -m bench.simulation prepare FOLDER CONTACTS
    python -m bench.simulation simulate FOLDER CONTACTS
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from bench.processes import Used, run, run_inside, tell
from bench.results import Section

NOW = datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
CONTACTS = 1_000_000

_PROJECT = """
project: bench
timezone: Europe/Paris
sender: Shop <news@shop.example>
postal_address: 1 rue de la Paix, Paris
lists: {customers: {key: id, email: email}}
channels: {email: {smtp: "smtp://localhost", rate: 2000/s}}
"""
_BODY = """# Hello {{ contact.country }}

{% if contact.spent > 100 %}You are a good customer.{% else %}Come and see.{% endif %}

{{ postal_address }} [unsubscribe]({{ unsubscribe_url }})
"""
_CAMPAIGN = """
campaign: bench
list: customers
starter: {segment: {attribute: country, exists: true}}
steps:
  - {id: one, at: 2026-12-01 09:00, email: {subject: "One, {{ contact.country }}", body: body.md}}
  - {id: two, at: 2026-12-02 09:00, email: {subject: Two, body: body.md}}
  - id: three
    at: 2026-12-03 08:00
    split:
      by: engagement
      of: two
      branches:
        - {name: clicked, when: clicked, steps: [{id: four, at: 2026-12-03 09:00, set: {engaged: true}}]}
        - {name: others, steps: [{id: five, at: 2026-12-03 09:00, email: {subject: Five, body: body.md}}]}
  - {id: six, at: 2026-12-04 09:00, email: {subject: Six, body: body.md}}
  - id: seven
    at: 2026-12-05 08:00
    split:
      by: random
      branches:
        - {name: a, share: 50%, steps: [{id: eight, at: 2026-12-05 09:00, email: {subject: Eight, body: body.md}}]}
        - {name: b, share: 50%}
  - {id: nine, at: 2026-12-06 09:00, email: {subject: Nine, body: body.md}}
  - {id: ten, at: 2026-12-07 09:00, email: {subject: Ten, body: body.md}}
"""


def main(arguments: list[str]) -> None:
    """Do what the command line says."""
    folder, contacts = Path(arguments[1]), int(arguments[2])
    if arguments[0] == "prepare":
        _prepare(folder, contacts)
    else:
        tell(_simulated(folder, contacts))


def measure(contacts: int = CONTACTS) -> Section:
    """The whole list, and a quarter of it, to see that time grows with it and memory does not."""
    rows = []
    for number in (contacts // 4, contacts):
        with tempfile.TemporaryDirectory() as name:
            run([sys.executable, "-m", "bench.simulation", "prepare", name, str(number)])
            used = run_inside("bench.simulation", "simulate", name, str(number))
        took = [f"{used.seconds:.1f} s", f"{used.processor:.1f} s", f"{used.peak:.0f} MiB"]
        rows.append([f"{number:,} contacts", *took, "≤ 60 s, ≤ 200 MiB for a million"])
    return Section(
        "Simulation",
        "A campaign of ten steps (six e-mails to nearly everybody, two to a part, two splits, a `set`) over the whole\n"
        "list, by a rate of 2000 a second, with opens, clicks and bounces assumed; copying the store is part of it.\n"
        "One run each.",
        ("what", "took", "of the processor", "peak memory", "goal"),
        rows,
    )


def _prepare(folder: Path, contacts: int) -> None:
    from bench.cohort_work import fill
    from campaignctl.store.database import open_sqlite
    from campaignctl.store.ledger import SqlStore

    folder.joinpath("campaignctl.yaml").write_text(_PROJECT)
    folder.joinpath("body.md").write_text(_BODY)
    folder.joinpath("campaign.yaml").write_text(_CAMPAIGN)
    store = SqlStore(open_sqlite(folder / "campaignctl.db", NOW))
    with store.writing() as ledger:
        fill(ledger, contacts)
    store.close()


def _simulated(folder: Path, contacts: int) -> Used:
    from campaignctl.project import ProjectFile, load_project
    from campaignctl.publishing import frozen
    from campaignctl.simulation.assumptions import Assumptions
    from campaignctl.simulation.run import Settings, copied, simulate
    from campaignctl.validation import check_file
    from campaignctl.wiring import store_to_look_at

    project = load_project(folder, {})
    assert isinstance(project, ProjectFile)
    wall, processor = time.perf_counter(), time.process_time()
    checked = check_file(folder / "campaign.yaml", project, {})
    assert checked.file is not None
    version = frozen(checked.file, project.project, checked.files)
    assumed = Assumptions.parse("opened=30%,clicked=5%,bounced=1%", "1")
    with store_to_look_at(folder / "campaignctl.db") as store, copied(store) as copy:
        found = simulate(copy, version, project.project, Settings(NOW, assumed=assumed))
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    if found.campaign.members != contacts or found.finished_at is None:
        raise RuntimeError(f"{found.campaign.members} members, finished at {found.finished_at}")
    return Used(wall, processor, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main(sys.argv[1:])
