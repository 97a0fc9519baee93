"""What changed in the files of a message: templates and attachments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import unified_diff
from typing import Final

from campaignctl.campaign.steps.base import StepBase
from campaignctl.campaign.steps.email import EmailStep
from campaignctl.campaign.version import paths_of, sha256
from campaignctl.flow.changes import Change, ChangeKind

_MOST_LINES: Final = 200  # of a difference; the rest is only counted
_WIDEST: Final = 300  # of one line: some templates are a single one

Files = Mapping[str, bytes]


def file_changes(before: StepBase, after: StepBase, old: Files, new: Files) -> Iterator[Change]:
    """The files that both steps name and that have another content now."""
    if not isinstance(before, EmailStep) or not isinstance(after, EmailStep):
        return
    named = set(paths_of(before.email))
    for path in dict.fromkeys(paths_of(after.email)):
        if path in named and old.get(path) != new.get(path):
            field = "attachments" if path in after.email.attachments else "body"
            yield _file_change(after.id, field, path, old.get(path, b""), new.get(path, b""))


def _file_change(step: str, field: str, path: str, old: bytes, new: bytes) -> Change:
    reason = f"the content of `{path}`"
    try:
        lines = _difference(old.decode("utf-8-sig"), new.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return Change(step, ChangeKind.CONTENT, field, f"sha256 {sha256(old)}", f"sha256 {sha256(new)}", reason)
    return Change(step, ChangeKind.CONTENT, field, _of(lines, "-"), _of(lines, "+"), reason, tuple(lines))


def _difference(old: str, new: str) -> list[str]:
    """A unified difference with one line around each, without its head."""
    lines = [_cut(line) for line in unified_diff(old.splitlines(), new.splitlines(), n=1, lineterm="")][2:]
    if len(lines) > _MOST_LINES:
        return [*lines[:_MOST_LINES], f"… and {len(lines) - _MOST_LINES} more lines"]
    return lines or ["… line ends only"]


def _cut(line: str) -> str:
    return line if len(line) <= _WIDEST else f"{line[: _WIDEST - 1]}…"


def _of(lines: Sequence[str], sign: str) -> str:
    return "\n".join(line[1:] for line in lines if line.startswith(sign))
