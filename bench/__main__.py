"""
`make bench`: measure everything side by side, print it, and write bench/RESULTS.md.

    python -m bench [NAME…] [--full]

runs only the benchmarks that are named, and writes nothing then. With `--full`,
`sending` sends as many messages as its goals speak of, which takes much longer.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench import cohorts, importing, machine, plans, sending, signing, simulation, startup, tracking
from bench.results import Section

BENCHMARKS = {
    "startup": startup.measure,
    "importing": importing.measure,
    "cohorts": cohorts.measure,
    "plans": plans.measure,
    "simulation": simulation.measure,
    "sending": sending.measure,
    "signing": signing.measure,
    "tracking": tracking.measure,
}

_RESULTS = Path(__file__).with_name("RESULTS.md")
_BY_HAND = "## What was tried"  # from here on the page is written by people


def main(arguments: list[str]) -> None:
    """Run the benchmarks that are named, or all of them."""
    names = [each for each in arguments if each != "--full"]
    benchmarks: dict[str, Callable[[], Section]] = {
        **BENCHMARKS,
        "sending": partial(sending.measure, is_full="--full" in arguments),
    }
    began = time.perf_counter()
    pages = ["# What things cost", _ABOUT, "\n".join(f"* {name}: {value}" for name, value in machine.described())]
    print("\n\n".join(pages), flush=True)
    for name in names or benchmarks:
        pages.append(benchmarks[name]().page())
        print(f"\n{pages[-1]}", flush=True)
    pages.append(f"All of this took {time.perf_counter() - began:.0f} seconds.")
    print(f"\n{pages[-1]}")
    if not names:
        _write("\n\n".join(pages))


def _write(page: str) -> None:
    before = _RESULTS.read_text("utf-8") if _RESULTS.exists() else ""
    by_hand = before[before.index(_BY_HAND) :] if _BY_HAND in before else f"{_BY_HAND}\n"
    _RESULTS.write_text(f"{page}\n\n{by_hand}", "utf-8")


_ABOUT = (
    "`make bench` writes this page. Each number is the median of several runs that took turns with what they are\n"
    "measured against; a ratio says more than its seconds. Where other programs keep the machine busy, the ratio of\n"
    "processor time is the steadier one."
)


if __name__ == "__main__":
    main(sys.argv[1:])
