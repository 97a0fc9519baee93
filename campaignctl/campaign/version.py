"""A published state of a campaign: everything that its messages and conditions are made of, frozen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import Field

from campaignctl.campaign.condition import AllCondition, Condition, NamedCondition
from campaignctl.campaign.fields import AttributeName, Model, Name, Text
from campaignctl.campaign.model import ApiStarter, Campaign, SegmentStarter, ZoneName
from campaignctl.campaign.steps.email import Email, EmailStep
from campaignctl.campaign.steps.union import VERBS, every_step, gate_of
from campaignctl.campaign.steps.webhook import WebhookStep
from campaignctl.campaign.when import zone_named
from campaignctl.project import ListSettings, Project


class VersionContent(Model):
    """What the store keeps of a version as JSON: the campaign, and what the project said at that time."""

    campaign: Campaign
    project: Name
    timezone: ZoneName
    contacts: ListSettings
    segments: dict[Name, NamedCondition] = Field({})
    topics: dict[Name, AttributeName] = Field({})
    project_segment: NamedCondition | None = None
    sender: Text | None = None
    postal_address: Text | None = None
    public_url: Text | None = None
    occurrence: Text | None = None


class StepTopic(NamedTuple):
    """The topic of a step's message, and the attribute that says whether a contact wants it."""

    name: str
    attribute: str


@dataclass(frozen=True)
class Version:
    """
    A version with its files: path as the campaign names it → content.

    A later change of a file or of the project changes nothing in it.
    """

    content: VersionContent
    files: Mapping[str, bytes]

    @property
    def campaign(self) -> Campaign:
        return self.content.campaign

    @property
    def name(self) -> str:
        """What the store calls the campaign: an occurrence of a recurring one has a name of its own."""
        return self.content.occurrence or self.campaign.campaign

    @property
    def zone(self) -> ZoneInfo:
        return zone_named(self.content.timezone)

    @property
    def audience(self) -> Condition:
        """Who takes part: the starter's condition, and the project's own where it has one."""
        starter = self.campaign.starter
        if not isinstance(starter, SegmentStarter):
            raise TypeError("an API campaign has no audience of its own")
        own = self.content.project_segment
        return starter.segment if own is None else AllCondition(all=[starter.segment, own])

    @property
    def starts_by_request(self) -> bool:
        """Whether a request brings its contacts and starts it."""
        return isinstance(self.campaign.starter, ApiStarter)

    @property
    def has_values_of_members(self) -> bool:
        """Whether members have values beside their contacts': what a request brought, or what a gate answered."""
        return self.starts_by_request or any(map(gate_of, every_step(self.campaign.steps)))

    def topic_of(self, step: str) -> StepTopic | None:
        """The topic of a step's message, as the project declared it; None where it has none."""
        found = next((each for each in every_step(self.campaign.steps) if each.id == step), None)
        name = found.email.topic if isinstance(found, EmailStep) else None
        return StepTopic(name, self.content.topics[name]) if name in self.content.topics else None

    def stored(self) -> str:
        """The content as canonical JSON."""
        return self.content.model_dump_json(by_alias=True, exclude_unset=True)

    def fingerprint(self) -> str:
        """What tells two versions apart: a SHA-256 of the content and of every file, whatever the order of keys."""
        return fingerprint_of(self.stored(), {path: sha256(content) for path, content in self.files.items()})

    @classmethod
    def from_stored(cls, text: str, files: Mapping[str, bytes]) -> Version:
        """The version that `stored` wrote."""
        return cls(VersionContent.model_validate_json(text), files)


def version_of(campaign: Campaign, project: Project, files: Mapping[str, bytes]) -> Version:
    """
    Freeze *campaign*, which has been checked against *project*.

    Only what the project says *of its campaigns* is kept; channels and secrets
    stay in the project file and are read when messages leave.
    """
    said: dict[str, Any] = {
        "campaign": campaign,
        "project": project.project,
        "timezone": campaign.timezone or project.timezone or "UTC",
        "contacts": project.lists[campaign.list_name],
        "segments": project.segments,
        "topics": _topics_named_by(campaign, project),
        "project_segment": project.segment,
        "sender": project.sender,
        "postal_address": project.postal_address,
        "public_url": project.public_url,
    }
    given = {key: value for key, value in said.items() if value}
    return Version(VersionContent.model_construct(set(given), **given), files)


def _topics_named_by(campaign: Campaign, project: Project) -> dict[str, str]:
    """Of the project's topics, those of the campaign's messages: another one changes nothing in the version."""
    named = {step.email.topic for step in every_step(campaign.steps) if isinstance(step, EmailStep)}
    return {name: attribute for name, attribute in project.topic_attributes.items() if name in named}


def fingerprint_of(stored: str, digests: Mapping[str, str]) -> str:
    """The fingerprint of the version that is stored as this text, with files of these SHA-256s."""
    parts = [json.dumps(json.loads(stored), sort_keys=True, ensure_ascii=False)]
    parts += [f"{path}\0{digest}" for path, digest in sorted(digests.items())]
    return sha256("\0".join(parts).encode())


def verbs_in(stored: str) -> dict[str, str]:
    """The id and the verb of every step of the version that is stored as this text."""
    found: dict[str, str] = {}
    steps = list(json.loads(stored)["campaign"]["steps"])
    while steps:
        step = steps.pop()
        found[step["id"]] = next(key for key in step if key in VERBS)
        steps += [inner for branch in step.get("split", {}).get("branches", ()) for inner in branch.get("steps", ())]
    return found


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def files_named_by(campaign: Campaign) -> list[str]:
    """The paths of every template and attachment that *campaign* names, each once, in the order written."""
    paths: dict[str, None] = {}
    for step in every_step(campaign.steps):
        if isinstance(step, EmailStep):
            paths.update(dict.fromkeys(paths_of(step.email)))
        elif isinstance(step, WebhookStep) and step.webhook.body:
            paths[step.webhook.body] = None
    return list(paths)


def paths_of(email: Email) -> list[str]:
    """The paths that one message names: bodies first, then attachments."""
    bodies = [email.body, *(variant.body for variant in email.variants)]
    paths = []
    for body in bodies:
        if isinstance(body, str):
            paths.append(body)
        elif body is not None:
            paths += [path for path in (body.html, body.text) if path]
    return [*paths, *email.attachments]


def file_ending(path: str) -> str:
    """
    What a path ends with, without the dot and in small letters.

    >>> file_ending("emails/Sale.HTML")
    'html'
    """
    return PurePosixPath(path).suffix.lower().removeprefix(".")
