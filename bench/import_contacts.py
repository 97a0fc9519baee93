"""
How long an import takes, against `sqlite3`'s own `.import` of the same file.

    python bench/import_contacts.py [ROWS]

prints one line of JSON: seconds on the wall, seconds of processor and peak
memory of each process, and the ratio of the walls.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_HEADER = "customer_id,email,firstname,country,total_spent,visits,consent,signed_up_at\n"
_NAMES = ("Ada", "Grace", "Edsger", "Barbara", "Alan", "Zoë", "Linus", "Margaret")
_COUNTRIES = ("FR", "BE", "DE", "ES", "IT", "NL")


def write_contacts(path: Path, rows: int) -> None:
    """The same file for the same number of rows; keys are in no order, as in most exports."""
    chance = random.Random(2026)
    keys = list(range(rows))
    chance.shuffle(keys)
    with path.open("w", encoding="utf-8") as file:
        file.write(_HEADER)
        for key in keys:
            file.write(
                f"c{key:08d},person{key}@example.org,{chance.choice(_NAMES)},{chance.choice(_COUNTRIES)},"
                f"{chance.randrange(100_000) / 100:.2f},{chance.randrange(500)},"
                f"{chance.choice(('true', 'false'))},{chance.randrange(2015, 2026)}-{chance.randrange(1, 13):02d}-15\n"
            )


def measure(rows: int) -> dict[str, object]:
    """Import a file of *rows* contacts both ways, one after the other."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "contacts.csv"
        write_contacts(file, rows)
        ours = _timed([sys.executable, __file__, "--import", str(file), str(folder / "store.db")])
        theirs = _timed(["sqlite3", str(folder / "plain.db"), "-cmd", ".mode csv", f".import {file} contacts"])
    return {
        "rows": rows,
        "ours": ours,
        "sqlite3": theirs,
        "ratio": round(ours["seconds"] / theirs["seconds"], 2),
    }


def _timed(command: list[str]) -> dict[str, float]:
    """Run *command* to its end; the operating system tells what it took."""
    started = time.perf_counter()
    # The package need not be installed: the folder above this file holds it.
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}")
    return {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
        "peak_mib": round(used.ru_maxrss / 1024, 1),
    }


def _import(file: Path, store: Path) -> None:
    from datetime import UTC, datetime

    from campaignctl.contacts.importing import import_contacts
    from campaignctl.contacts.source import Source
    from campaignctl.message.address import normal_address
    from campaignctl.store.database import open_sqlite

    now = datetime(2026, 1, 1, tzinfo=UTC)
    database = open_sqlite(store, now)
    report = import_contacts(
        database,
        Source(file),
        list_name="customers",
        key="customer_id",
        email="email",
        phone=None,
        normal_address=normal_address,
        now=now,
    )
    database.close()
    if report.added != report.read or report.rejected_count:
        raise RuntimeError(f"not everything was imported: {report}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--import"]:
        _import(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        print(json.dumps(measure(int(sys.argv[1]) if sys.argv[1:] else 1_000_000)))
