"""One difference between a live version and a file, and what becomes of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class ChangeKind(StrEnum):
    """What a difference is about; the order is the one in which people read them."""

    CONTENT = "content"  # what a message says, or what is set
    SCHEDULE = "schedule"  # when, and how fast
    STRUCTURE = "structure"  # which steps there are, and who gets to them
    REFUSED = "refused"  # not possible as things are; `reason` says why


ASKS: Final = "asks for a pause, or `--live`"


@dataclass(frozen=True)
class Change:
    """
    One difference.

    `step` is None for what the whole campaign has. `before` and `after` are
    values as JSON has them; of a template, the lines that differ, while `diff`
    is for people. `asks_first` says that it wants the campaign paused, or
    `--live`.
    """

    step: str | None
    kind: ChangeKind
    field: str
    before: object
    after: object
    reason: str | None = None
    diff: tuple[str, ...] = ()
    asks_first: bool = False

    @property
    def is_refused(self) -> bool:
        return self.kind is ChangeKind.REFUSED

    @property
    def told(self) -> str:
        """What becomes of what, in a few words."""
        if self.field == "step":
            return f"added ({self.after})" if self.before is None else f"removed ({self.before})"
        return f"{short_value(self.before)} -> {short_value(self.after)}"

    @property
    def notes(self) -> list[str]:
        """What is to be said of it beside the values."""
        return [note for note in (self.reason, ASKS if self.asks_first else None) if note]

    def as_json(self) -> dict[str, object]:
        """As documents and the journal have it."""
        return {
            "step": self.step,
            "kind": self.kind.value,
            "field": self.field,
            "before": self.before,
            "after": self.after,
            "reason": "; ".join(self.notes) or None,
        }


def by_kind(change: Change) -> int:
    """For sorting: content, schedule, structure, refused."""
    return list(ChangeKind).index(change.kind)


_WIDEST: Final = 60


def short_value(value: object) -> str:
    """
    A value in one short line, as JSON writes it.

    >>> short_value(None), short_value({"country": "FR"})
    ('-', '{"country": "FR"}')
    """
    if value is None:
        return "-"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
