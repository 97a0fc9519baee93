"""How long an import takes, against `sqlite3`'s own `.import` of the same file."""

from __future__ import annotations

import csv
import random
import sqlite3
import sys
import tempfile
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from bench.machine import sqlite3_version
from bench.processes import Used, run
from bench.results import COMPARED, Section, compared

ROWS = 1_000_000
RUNS = 3
_HEADER = "customer_id,email,firstname,country,total_spent,visits,consent,signed_up_at\n"
_NAMES = ("Ada", "Grace", "Edsger", "Barbara", "Alan", "Zoë", "Linus", "Margaret")
_COUNTRIES = ("FR", "BE", "DE", "ES", "IT", "NL")


def measure() -> Section:
    """Both imports in turns; once with a quarter of the rows, to see what memory does."""
    has_program = sqlite3_version() is not None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = []
        for count, runs in ((ROWS // 4, 1), (ROWS, RUNS)):
            file = folder / f"{count}.csv"
            write_contacts(file, count)
            ours, theirs = [], []
            for _ in range(runs):
                ours.append(_of(folder, ["--import", str(file)]))
                theirs.append(_of(folder, [str(file)]) if has_program else _of(folder, ["--import-plainly", str(file)]))
            against = "`.import`" if has_program else "csv and executemany"
            rows.append(compared(f"{count:,} contacts", ours, against, theirs, "≤ 4x, ≤ 200 MiB"))
    return Section(
        "Import",
        f"A CSV file of eight columns becomes contacts: typed, checked, unique by key. Against it, `sqlite3`'s\n"
        f"`.import` of the same file into a table of text. Medians of {RUNS} runs.",
        COMPARED,
        rows,
        [] if has_program else ["`sqlite3` is not on this machine; Python's `csv` and `sqlite3` stand in for it."],
    )


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


def _of(folder: Path, arguments: list[str]) -> Used:
    """One import, into a new file."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        database = f"{place}/contacts.db"
        if len(arguments) == 1:
            return run(["sqlite3", database, "-cmd", ".mode csv", f".import {arguments[0]} contacts"])
        return run([sys.executable, "-m", "bench.importing", *arguments, database])


def _import(file: Path, store: Path) -> None:
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


def _import_plainly(file: Path, database: Path) -> None:
    """What `.import` does: every cell as text, in one transaction."""
    with file.open(encoding="utf-8", newline="") as text, sqlite3.connect(database) as connection:
        rows = csv.reader(text)
        names = next(rows)
        connection.execute(f"CREATE TABLE contacts ({', '.join(f'{name} TEXT' for name in names)})")
        statement = f"INSERT INTO contacts VALUES ({', '.join('?' * len(names))})"
        while batch := list(islice(rows, 10_000)):
            connection.executemany(statement, batch)


if __name__ == "__main__":
    work = {"--import": _import, "--import-plainly": _import_plainly}[sys.argv[1]]
    work(Path(sys.argv[2]), Path(sys.argv[3]))
