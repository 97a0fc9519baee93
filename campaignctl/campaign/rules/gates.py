"""Rules of send gates: what asking another system needs, and what templates may expect of its answer."""

from __future__ import annotations

from collections.abc import Iterator

from campaignctl.campaign.load import CampaignFile
from campaignctl.campaign.rules.known import Known, placed_steps
from campaignctl.campaign.source import Path
from campaignctl.campaign.steps.base import StepBase
from campaignctl.campaign.steps.gate import GateStep
from campaignctl.campaign.steps.union import gate_of, verb_of
from campaignctl.diagnostics import Problem


def gates_can_be_asked(file: CampaignFile, known: Known) -> Iterator[Problem]:
    """C440, C441: the other system can reach the service, and can tell that it is asked by us."""
    for path, step in placed_steps(file):
        gate = gate_of(step)
        if gate is None:
            continue
        place = gate_place(path, step)
        if not known.project.public_url:
            yield file.problem(
                "C440", place, "a gate needs the address at which the service is reachable",
                "add `public_url` to campaignctl.yaml: the other system answers there", at_key=True, step=step.id,
            )  # fmt: skip
        endpoint = known.project.endpoints.get(gate.endpoint)
        if endpoint is not None and not endpoint.secret:
            yield file.problem(
                "C441", (*place, "endpoint"),
                f"the endpoint `{gate.endpoint}` has no secret, and a gate asks with a signature",
                f"add `secret: \"${{NAME}}\"` to `{gate.endpoint}` in campaignctl.yaml", step=step.id,
            )  # fmt: skip


def gate_place(path: Path, step: StepBase) -> Path:
    """Where in the file the gate of a step stands."""
    return (*path, "gate") if isinstance(step, GateStep) else (*path, verb_of(step), "gate")
