"""What benchmarks found, as the page that people read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.processes import Used, median_of


@dataclass(frozen=True)
class Section:
    """What one benchmark found: what was done, a table, and what has to be said about it."""

    title: str
    about: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    remarks: Sequence[str] = ()

    def page(self) -> str:
        """The section in Markdown."""
        lines = [self.header, ["---"] * len(self.header), *self.rows]
        table = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        return "\n\n".join([f"## {self.title}", self.about, table, *self.remarks])


COMPARED = ("what", "took", "against", "took", "ratio", "ratio of processor time", "goal", "peak memory")


def compared(what: str, ours: Sequence[Used], against: str, theirs: Sequence[Used], goal: str) -> list[str]:
    """A row below `COMPARED`: medians of runs that took turns."""
    mine, yours = median_of(ours), median_of(theirs)
    return [
        what,
        _seconds(mine.seconds),
        against,
        _seconds(yours.seconds),
        f"**{mine.seconds / yours.seconds:.1f}x**",
        f"{mine.processor / yours.processor:.1f}x",
        goal,
        f"{mine.peak:.0f} MiB",
    ]


def _seconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"
