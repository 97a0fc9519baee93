"""A plan as a comment in a pull request."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from campaignctl.cli.changes import AS_ABOVE, without_repeats
from campaignctl.cli.plan_text import (
    audience_text,
    delay_text,
    delayed,
    headline,
    messages_text,
    next_step,
    overlap_text,
    takes,
)
from campaignctl.cli.screen import visible
from campaignctl.cli.show import utc_text
from campaignctl.flow.changes import Change
from campaignctl.planning import Plan, Planned

# What Markdown or HTML would take for more than text.
_SIGNS: Final = re.compile(r"([\\*_\[\]<>|#~])")
_MOST_DIFF_LINES: Final = 40


def plan_markdown(plan: Plan) -> str:
    """The whole plan, with a table of the timeline."""
    proposal = plan.proposal
    parts = [f"### {headline(proposal)}"]
    changes = proposal.changes if proposal.live is not None else proposal.refused
    for kind, some in groupby(without_repeats(changes), lambda change: change.kind):
        parts.append(f"**{kind}**\n\n" + "\n".join(_change(change) for change in some))
    zone = proposal.version.content.timezone
    parts.append(f"{audience_text(plan)} Local times are those of {_text(zone)}.")
    parts.append(_table(["step", "verb", "local", "UTC", "messages", "takes"], map(_row, plan.timeline)))
    notes = [*map(delay_text, delayed(plan)), *plan.warnings, *map(overlap_text, plan.overlaps)]
    parts += ["\n".join(f"* {note}" for note in notes)] if notes else []
    return "\n\n".join([*parts, next_step(proposal)])


def _row(each: Planned) -> list[object]:
    at = utc_text(each.step.effective_at)
    return [f"`{each.step.name}`", each.step.verb, each.local, at, messages_text(each), takes(each)]


def _change(change: Change) -> str:
    where = "the campaign" if change.step is None else f"`{change.step}`"
    line = f"* {where}: {change.field}" + ("" if change.diff else f" {_text(change.told)}")
    if change.notes:
        line += f" ({_text('; '.join(change.notes))})"
    if change.diff == AS_ABOVE:
        return f"{line} {' '.join(AS_ABOVE)}"
    return "\n".join([line, *_fenced(change.diff)])


def _fenced(diff: Sequence[str]) -> Iterator[str]:
    """A difference as a block of code, inside the item of a list; its fence is longer than any in the text."""
    if not diff:
        return
    shown = [*diff[:_MOST_DIFF_LINES]]
    if len(diff) > _MOST_DIFF_LINES:
        shown.append(f"… and {len(diff) - _MOST_DIFF_LINES} more lines")
    ticks = max((len(found) for line in shown for found in re.findall("`+", line)), default=0)
    fence = "`" * max(3, ticks + 1)
    yield from (f"  {visible(line)}" for line in (f"{fence}diff", *shown, fence))


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join("-" if each is None else str(each) for each in row) + " |" for row in lines)


def _text(text: str) -> str:
    """Text of a file that Markdown leaves as it is; words in backticks stay so."""
    return _SIGNS.sub(r"\\\1", visible(text).replace("\n", " "))
