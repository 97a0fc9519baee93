"""One piece of work in a process of its own: how long it took, and how much memory it needed at most."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Used:
    """What a process took: seconds on the wall and of the processor, peak memory in MiB, and the system's part."""

    seconds: float
    processor: float
    peak: float
    system: float = 0.0  # of the processor's seconds, where it was looked at


def start(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start *command*; what it prints is not wanted."""
    # The package need not be installed: the folder above this one holds it.
    environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)


def run(command: Sequence[str]) -> Used:
    """
    Run *command* to its end, and measure the whole process.

    The operating system counts this process's own memory into a child's peak,
    so nothing large may be imported here.
    """
    began = time.perf_counter()
    process = start(command)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}")
    return Used(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, used.ru_stime)


def run_inside(module: str, *arguments: str) -> Used:
    """Run `python -m MODULE ARGUMENTS`, which measures its own work and prints it with `tell`."""
    command = [sys.executable, "-m", module, *arguments]
    ended = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=_ROOT)
    said: Mapping[str, float] = json.loads(ended.stdout)
    return Used(**said)


def tell(used: Used) -> None:
    """What a process that `run_inside` started says at its end."""
    print(json.dumps(vars(used)))


def median_of(runs: Sequence[Used]) -> Used:
    """The median of each number, and the highest peak."""
    return Used(
        median(each.seconds for each in runs),
        median(each.processor for each in runs),
        max(each.peak for each in runs),
        median(each.system for each in runs),
    )
