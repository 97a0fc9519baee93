"""Changes of a campaign as people read them at a terminal."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from campaignctl.cli.screen import Style, styled, visible
from campaignctl.flow.changes import Change, ChangeKind, short_value

_WIDTH: Final = 80
_MOST_DIFF_LINES: Final = 12
_STYLES: Final = {ChangeKind.REFUSED: Style.ERROR, ChangeKind.STRUCTURE: Style.WARNING}


def show_changes(changes: Sequence[Change]) -> None:
    """Print changes by kind, each with its step, its field and what becomes of what."""
    for kind, some in groupby(changes, lambda change: change.kind):
        print(styled(kind, _STYLES.get(kind), sys.stdout))
        for change in some:
            for line in change_lines(change):
                print(visible(line))


def change_lines(change: Change) -> Iterator[str]:
    """One change in lines that fit a terminal; more than a few lines of a file are only counted."""
    head = f"  {change.step or 'the campaign'}: {change.field}"
    values = "" if change.diff else change.told
    if len(head) + len(values) < _WIDTH:
        yield f"{head} {values}".rstrip()
    else:
        yield head
        yield from (f"    {text}" for text in (f"- {short_value(change.before)}", f"+ {short_value(change.after)}"))
    for note in filter(None, (change.reason, "asks for a pause, or `--live`" if change.asks_first else None)):
        yield from textwrap.wrap(note, _WIDTH, initial_indent="    ", subsequent_indent="    ")
    for line in change.diff[:_MOST_DIFF_LINES]:
        yield textwrap.shorten(f"    {line}", _WIDTH, placeholder="…") if len(line) > _WIDTH - 4 else f"    {line}"
    if len(change.diff) > _MOST_DIFF_LINES:
        yield f"    … and {len(change.diff) - _MOST_DIFF_LINES} more lines"
