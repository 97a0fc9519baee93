"""What messages take from the answers of send gates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from campaignctl.campaign.load import CampaignFile
from campaignctl.campaign.rules.known import Known
from campaignctl.campaign.source import Path
from campaignctl.campaign.steps.base import StepBase
from campaignctl.campaign.steps.email import EmailStep
from campaignctl.campaign.steps.set import SetStep
from campaignctl.campaign.steps.sms import SmsStep
from campaignctl.campaign.steps.union import branches_of, every_step, gate_of
from campaignctl.campaign.version import Version, paths_of
from campaignctl.diagnostics import Problem, Severity
from campaignctl.files import FileTrouble
from campaignctl.message.rules import whole_line


def values_are_asked_for(file: CampaignFile, known: Known) -> Iterator[Problem]:
    """C442: what a template takes from a gate's answer, a gate at it or before it asks for."""
    for path, step in _without_gate(file.campaign.steps, ("steps",)):
        for place, name, source in _texts(step, path, known):
            for value, line in _expected(source):
                message = f"`{step.id}` uses `gate.{value}`, and no gate is asked at before it"
                hint = f"add a gate, or say what to do without: `gate.{value} | default(…)`"
                if name is None:
                    yield file.problem("C442", place, message, hint, step=step.id)
                else:
                    yield Problem("C442", message, hint, Severity.ERROR, name, whole_line(source, line), step.id)


def values_used(version: Version) -> frozenset[str]:
    """The names that templates of *version* take from the answers of gates, and cannot do without."""
    found: set[str] = set()
    for step in every_step(version.campaign.steps):
        texts = [text for _, text in _written(step, ())]
        if isinstance(step, EmailStep):
            texts += [version.files[path].decode("utf-8-sig", "replace") for path in _bodies(step)]
        found |= {name for text in texts for name, _ in _expected(text)}
    return frozenset(found)


def assumed_values(version: Version) -> Mapping[str, str]:
    """What stands for the answers of gates where none are asked: each value is its own name."""
    return {name: name for name in sorted(values_used(version))}


def _without_gate(steps: Sequence[StepBase], path: Path) -> Iterator[tuple[Path, StepBase]]:
    """The steps on whose way nothing asks at a gate, up to the first one that does."""
    for number, step in enumerate(steps):
        if gate_of(step) is not None:
            return
        yield (*path, number), step
        for place, branch in enumerate(branches_of(step)):
            yield from _without_gate(branch.steps, (*path, number, "split", "branches", place, "steps"))
        if any(gate_of(inner) for branch in branches_of(step) for inner in every_step(branch.steps)):
            return


def _texts(step: StepBase, path: Path, known: Known) -> Iterator[tuple[Path, str | None, str]]:
    """Every template of a step: where it stands, the file that it is in, and its text."""
    for place, text in _written(step, path):
        yield place, None, text
    if isinstance(step, EmailStep):
        for name in _bodies(step):
            content = known.read(name)
            if not isinstance(content, FileTrouble):
                yield (*path, "email", "body"), name, content.decode("utf-8-sig", "replace")


def _written(step: StepBase, path: Path) -> Iterator[tuple[Path, str]]:
    """The templates that stand in the campaign's file."""
    named: list[tuple[Path, Any]] = []
    match step:
        case EmailStep(email=email):
            named = [((*path, "email", "subject"), email.subject), ((*path, "email", "preheader"), email.preheader)]
            named += [((*path, "email", "headers", name), value) for name, value in email.headers.items()]
        case SmsStep(sms=sms):
            named = [((*path, "sms", "text"), sms.text)]
        case SetStep():
            named = [((*path, "set", name), value) for name, value in step.set.items()]
    yield from ((place, text) for place, text in named if isinstance(text, str))


def _bodies(step: EmailStep) -> list[str]:
    return paths_of(step.email)[: -len(step.email.attachments) or None]


def _expected(source: str) -> list[tuple[str, int]]:
    if "gate" not in source or "{" not in source:
        return []
    # A template without gates is looked at without the library.
    from campaignctl.message.inspection import inspected

    return inspected(source).gate
