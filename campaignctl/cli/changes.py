"""Changes of a campaign as people read them at a terminal."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final

from campaignctl.cli.screen import Style, styled, visible
from campaignctl.flow.changes import Change, ChangeKind, short_value

_WIDTH: Final = 80
_MOST_DIFF_LINES: Final = 12
AS_ABOVE: Final = ("(as above)",)
_STYLES: Final = {ChangeKind.REFUSED: Style.ERROR, ChangeKind.STRUCTURE: Style.WARNING}


def show_changes(changes: Sequence[Change]) -> None:
    """Print changes by kind, each with its step, its field and what becomes of what."""
    for kind, some in groupby(without_repeats(changes), lambda change: change.kind):
        print(styled(kind, _STYLES.get(kind), sys.stdout))
        for change in some:
            for line in change_lines(change):
                print(visible(line))


def without_repeats(changes: Sequence[Change]) -> Iterator[Change]:
    """The changes, with what is different in a file shown once, though several steps name it."""
    shown: set[tuple[str | None, tuple[str, ...]]] = set()
    for change in changes:
        is_repeat = bool(change.diff) and (change.reason, change.diff) in shown
        shown.add((change.reason, change.diff))
        yield replace(change, diff=AS_ABOVE) if is_repeat else change


def change_lines(change: Change) -> Iterator[str]:
    """One change in lines that fit a terminal; more than a few lines of a file are only counted."""
    head = f"  {change.step or 'the campaign'}: {change.field}"
    values = "" if change.diff else change.told
    if len(head) + len(values) < _WIDTH:
        yield f"{head} {values}".rstrip()
    else:
        yield head
        yield from (f"    {text}" for text in (f"- {short_value(change.before)}", f"+ {short_value(change.after)}"))
    for note in change.notes:
        yield from textwrap.wrap(note, _WIDTH, initial_indent="    ", subsequent_indent="    ")
    for line in change.diff[:_MOST_DIFF_LINES]:
        yield f"    {line}" if len(line) <= _WIDTH - 4 else f"    {line[: _WIDTH - 5]}…"
    if len(change.diff) > _MOST_DIFF_LINES:
        yield f"    … and {len(change.diff) - _MOST_DIFF_LINES} more lines"
