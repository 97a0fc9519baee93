"""A campaign file becomes a `Campaign`, or a list of problems with places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from campaignctl.campaign.model import Campaign, SingleSend
from campaignctl.campaign.shape import shape_problems
from campaignctl.campaign.source import Path, Source, read_source
from campaignctl.campaign.steps.union import VERBS
from campaignctl.diagnostics import Problem, Severity


@dataclass(frozen=True)
class CampaignFile:
    """
    A campaign together with the text it was read from.

    Checks name places by paths in the full form (`steps`, 0, `at`); where the
    short form was written, `span` finds the same thing at the top.
    """

    source: Source
    campaign: Campaign
    is_short: bool

    def problem(
        self,
        code: str,
        path: Path,
        message: str,
        hint: str = "",
        *,
        at_key: bool = False,
        severity: Severity = Severity.ERROR,
        step: str | None = None,
    ) -> Problem:
        """A problem at *path*."""
        return Problem(
            code,
            message,
            hint,
            severity,
            self.source.name,
            self.source.span(self.written(path), at_key=at_key),
            step,
        )

    def is_written(self, path: Path) -> bool:
        """Whether the file itself has something at *path*, or only means it."""
        return self.written(path) in self.source.places

    def written(self, path: Path) -> Path:
        """A path of the full form as this file writes it."""
        if self.is_short:
            if path[:2] == ("steps", 0):
                return path[2:]
            if path[:1] == ("starter",):
                return path[1:]
        return path


def load_campaign(name: str, content: bytes) -> CampaignFile | list[Problem]:
    """Read the campaign in *content*; *name* is the file's name in messages."""
    source = read_source(name, content)
    if not isinstance(source, Source):
        return source
    return campaign_from(source)


def campaign_from(source: Source) -> CampaignFile | list[Problem]:
    """The campaign that *source* describes, or what is wrong with its shape."""
    value = source.value
    if not isinstance(value, dict):
        return [Problem("C105", "a campaign file holds a mapping", "begin it with `campaign: NAME`", file=source.name)]
    is_short = is_short_form(value)
    try:
        if is_short:
            return CampaignFile(source, _full_form(SingleSend.model_validate(value), value), is_short)
        return CampaignFile(source, Campaign.model_validate(value), is_short)
    except ValidationError as failure:
        return shape_problems(source, SingleSend if is_short else Campaign, failure)


def is_short_form(value: dict[str, Any]) -> bool:
    """Whether a file is written as a single send: its message stands at the top."""
    if "steps" in value or "starter" in value:
        return False
    return any(key in value for key in ("segment", "at", *VERBS))


def _full_form(single: SingleSend, value: dict[str, Any]) -> Campaign:
    """The same campaign with a starter and one step that has the campaign's name."""
    heading = {key: value[key] for key in ("campaign", "title", "list", "timezone", "if_late") if key in value}
    step = {"id": single.campaign} | {key: value[key] for key in ("at", "email", "sms") if key in value}
    return Campaign.model_validate({**heading, "starter": {"segment": value["segment"]}, "steps": [step]})


def stored_form(campaign: Campaign) -> str:
    """The campaign as canonical JSON: what a version keeps and its fingerprint covers."""
    return campaign.model_dump_json(by_alias=True, exclude_unset=True)


def from_stored_form(text: str) -> Campaign:
    """The campaign that `stored_form` wrote."""
    return Campaign.model_validate_json(text)
