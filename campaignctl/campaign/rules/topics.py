"""Rules of topics: messages name those of the project, and no campaign brings contacts back that left one."""

from __future__ import annotations

from collections.abc import Iterator

from campaignctl.campaign.attribute import AttributeType
from campaignctl.campaign.load import CampaignFile
from campaignctl.campaign.rules.known import Known, placed_steps
from campaignctl.campaign.source import Path
from campaignctl.campaign.steps.email import EmailStep
from campaignctl.campaign.steps.set import SetStep
from campaignctl.diagnostics import Problem, Severity, did_you_mean


def topics_are_known(file: CampaignFile, known: Known) -> Iterator[Problem]:
    """C430, C431, C432: every message has a topic, where the project has some, and one of these."""
    topics = known.project.topics
    for path, step in placed_steps(file):
        if not isinstance(step, EmailStep):
            continue
        name, place = step.email.topic, (*path, "email", "topic")
        if name is None:
            if topics:
                yield file.problem(
                    "C431", (*path, "email"), f"the message of `{step.id}` has no topic: who left all of them gets it",
                    "add `topic: NAME`, and declare one for messages like this if there is none", at_key=True,
                    step=step.id, severity=Severity.WARNING,
                )  # fmt: skip
        elif not topics:
            yield file.problem(
                "C432", place, f"the project declares no topics: nobody can leave `{name}` and keep the others",
                "declare it below `topics:` in campaignctl.yaml", step=step.id, severity=Severity.WARNING,
            )  # fmt: skip
        elif name not in topics:
            yield file.problem(
                "C430", place, f"the project has no topic `{name}`",
                did_you_mean(name, topics, "declare it below `topics:` in campaignctl.yaml"), step=step.id,
            )  # fmt: skip


def topics_can_be_asked(file: CampaignFile, known: Known) -> Iterator[Problem]:
    """C435: the attribute of a message's topic says yes or no."""
    attributes, said = known.project.topic_attributes, known.attributes or {}
    for path, step in placed_steps(file):
        if not isinstance(step, EmailStep) or step.email.topic not in attributes:
            continue
        name = attributes[step.email.topic]
        kind = said.get(name.lower(), AttributeType.BOOLEAN)
        if kind is not AttributeType.BOOLEAN:
            yield file.problem(
                "C435", (*path, "email", "topic"),
                f"`{name}` keeps who wants `{step.email.topic}`, and is of type {kind}, not boolean",
                f"import `true` and `false` as another attribute, and name that one: `attribute: {name}_wanted`",
                step=step.id,
            )  # fmt: skip


def nobody_is_brought_back(file: CampaignFile, known: Known) -> Iterator[Problem]:
    """C434: `set` takes contacts out of topics, and never into them."""
    topics = {attribute.lower(): name for name, attribute in known.project.topic_attributes.items()}
    for path, step in placed_steps(file):
        for attribute, value in step.set.items() if isinstance(step, SetStep) else ():
            topic = topics.get(attribute.lower())
            if topic is not None and value is not False:
                place: Path = (*path, "set", attribute)
                yield file.problem(
                    "C434", place, f"`{attribute}` keeps who wants the topic `{topic}`, and can only be set to false",
                    "write `false`: only contacts themselves, and who imports them, can say yes", step=step.id,
                )  # fmt: skip
