"""Rescheduling: another time for a step, written into its file."""

from __future__ import annotations

import os
import tempfile
from codecs import BOM_UTF8
from dataclasses import dataclass
from pathlib import Path

from campaignctl.campaign.load import CampaignFile
from campaignctl.campaign.rewriting import with_time
from campaignctl.campaign.rules.known import placed_steps
from campaignctl.diagnostics import did_you_mean, has_errors
from campaignctl.errors import RefusedError, UsageError, WorkFailedError
from campaignctl.project import ProjectFile
from campaignctl.validation import Attributes, Checked, check_content


@dataclass(frozen=True)
class Rescheduled:
    """A file with another time in it, not yet written, and what checking it found."""

    campaign: str
    before: str
    text: str
    checked: Checked

    @property
    def is_sound(self) -> bool:
        return not has_errors(self.checked.problems)


def rescheduled(
    file: CampaignFile, path: Path, step: str, time: str, project: ProjectFile, attributes: Attributes
) -> Rescheduled:
    """
    The campaign file *path*, which holds *file*, with *time* for a step.

    Raises:
        UsageError: the file has no such step.
        RefusedError: the step has no time of its own.
    """
    try:
        changed = with_time(file, step, time)
    except KeyError as failure:
        ids = [each.id for _, each in placed_steps(file)]
        hint = did_you_mean(step, ids, f"it has {', '.join(ids[:10])}")
        raise UsageError("P117", f"`{file.campaign.campaign}` has no step `{step}`", hint) from failure
    if changed is None:
        raise RefusedError("P118", f"`{step}` has no time of its own", "write `at` into the file")
    text, before = changed
    return Rescheduled(file.campaign.campaign, before, text, check_content(path, text.encode(), project, attributes))


def write(path: Path, text: str) -> None:
    """
    Put *text* in the place of a file's content: all of it, or nothing.

    Raises:
        WorkFailedError: the file cannot be written.
    """
    target = path.resolve()
    mark = BOM_UTF8 if target.read_bytes().startswith(BOM_UTF8) else b""
    unfinished: str | None = None
    try:
        handle, unfinished = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(mark + text.encode())
            os.fchmod(file.fileno(), target.stat().st_mode & 0o7777)
        Path(unfinished).replace(target)
    except OSError as failure:
        if unfinished is not None:
            Path(unfinished).unlink(missing_ok=True)
        raise WorkFailedError(
            "C153", f"`{path}` cannot be written: {failure.strerror}", "check the folder and its permissions"
        ) from failure
