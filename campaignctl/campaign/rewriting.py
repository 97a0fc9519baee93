"""Changing one value in a campaign file: every other character stays, comments too."""

from __future__ import annotations

import re
from typing import Final

from campaignctl.campaign.load import CampaignFile
from campaignctl.campaign.rules.known import placed_steps
from campaignctl.diagnostics import Span

# What ends a line for YAML's parser, whose places we go by.
_LINE: Final = re.compile(r"[^\n\r\x85\u2028\u2029]*(?:\r\n|[\n\r\x85\u2028\u2029]|\Z)")


def with_time(file: CampaignFile, step: str, time: str) -> tuple[str, str] | None:
    """
    The file's text with *time* as the `at` of a step, and what stood there; None where the step has no `at`.

    Raises:
        KeyError: the file has no such step.
    """
    path = next((path for path, each in placed_steps(file) if each.id == step), None)
    if path is None:
        raise KeyError(step)
    place = file.source.places.get(file.written((*path, "at")))
    if place is None:
        return None
    start, end = _offsets(file.source.text, place.value)
    text = file.source.text
    return text[:start] + time + text[end:], text[start:end]


def _offsets(text: str, span: Span) -> tuple[int, int]:
    """Where a place begins and ends, counted in characters."""
    begins = [match.start() for match in _LINE.finditer(text)]
    return begins[span.line - 1] + span.column - 1, begins[span.end_line - 1] + span.end_column - 1
