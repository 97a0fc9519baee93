"""The machine that a benchmark ran on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path


def described() -> list[tuple[str, str]]:
    """What numbers depend on besides the program: name and value."""
    return [
        ("date", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
        ("processor", f"{_field('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores"),
        ("memory", f"{_memory():.1f} GiB"),
        ("kernel", f"{platform.system()} {platform.release()}"),
        ("Python", platform.python_version()),
        ("SQLite of the store", _store_sqlite()),
        ("`sqlite3`", sqlite3_version() or "not on this machine"),
        ("load when it began", _load()),
    ]


def sqlite3_version() -> str | None:
    """The version of the command line program `sqlite3`; None where there is none."""
    if shutil.which("sqlite3") is None:
        return None
    return subprocess.run(["sqlite3", "--version"], check=True, capture_output=True, text=True).stdout.split()[0]


def _field(file: str, name: str) -> str:
    try:
        lines = Path(file).read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), platform.machine())


def _memory() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _store_sqlite() -> str:
    """Asked in another process: this one must stay small (`processes.run`)."""
    question = "from campaignctl.store.database import sqlite_module as module; print(module().sqlite_version)"
    return subprocess.run([sys.executable, "-c", question], check=True, capture_output=True, text=True).stdout.strip()


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f} in the last minute"
