"""
`make bench`: measure everything side by side, print it, and write bench/RESULTS.md.

    python -m bench [NAME…]

runs only the benchmarks that are named, and writes nothing then.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from bench import cohorts, importing, machine, startup

BENCHMARKS = {
    "startup": startup.measure,
    "importing": importing.measure,
    "cohorts": cohorts.measure,
}

_RESULTS = Path(__file__).with_name("RESULTS.md")
_BY_HAND = "## What was tried"  # from here on the page is written by people


def main(names: list[str]) -> None:
    """Run the benchmarks *names*, or all of them."""
    began = time.perf_counter()
    pages = ["# What things cost", _ABOUT, "\n".join(f"* {name}: {value}" for name, value in machine.described())]
    print("\n\n".join(pages), flush=True)
    for name in names or BENCHMARKS:
        pages.append(BENCHMARKS[name]().page())
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
