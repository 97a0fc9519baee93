"""`campaignctl plan`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from campaignctl.cli.attributes import attributes_of
from campaignctl.cli.options import ProjectOption, StoreOption, command_app, opened_project, sound_campaign
from campaignctl.cli.plan_markdown import plan_markdown
from campaignctl.cli.plan_text import is_beyond_us, next_step, show_plan
from campaignctl.cli.screen import say
from campaignctl.cli.show import document, utc_text
from campaignctl.clock import SystemClock
from campaignctl.plan_file import basis_of, write_plan
from campaignctl.planning import Plan, planned
from campaignctl.proposing import Action, proposed
from campaignctl.publishing import frozen
from campaignctl.wiring import store_path, store_to_look_at

app = command_app()


class PlanFormat(StrEnum):
    """How a plan is shown."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


@app.command()
def plan_command(
    file: Annotated[Path, typer.Argument(help="The campaign's file.")],
    starts_now: Annotated[
        bool, typer.Option("--now", help="As if published with `--now`: start after the safety delay.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Write the plan into a file, for `publish --plan`.")] = None,
    detailed: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 4 where publishing would change something.")
    ] = False,
    format_: Annotated[PlanFormat, typer.Option("--format", help="How to show it.")] = PlanFormat.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> int:
    """
    Show what publishing a file would change, and when its steps would run.

    Nothing is written. A plan that publishing would refuse ends with 3.

    Example: campaignctl plan campaigns/welcome.yaml
    """
    opened = opened_project(project, file)
    now = SystemClock().now()
    with store_to_look_at(store_path(opened, store)) as the_store:
        campaign, files = sound_campaign(file, opened, attributes_of(the_store))
        version = frozen(campaign, opened.project, files)
        with the_store.reading() as ledger:
            proposal = proposed(ledger, version, opened.project, now, starts_now=starts_now)
            plan = planned(ledger, proposal, opened.project, now)
    match format_:
        case PlanFormat.JSON:
            document(**plan_document(plan))
        case PlanFormat.MARKDOWN:
            print(plan_markdown(plan))
        case PlanFormat.TEXT:
            show_plan(plan)
    if out is not None:
        basis = basis_of(proposal, file, opened.folder, starts_now=starts_now)
        write_plan(out, {"version": 1, **plan_document(plan)}, basis)
    can_publish = proposal.action in (Action.CREATE, Action.UPDATE) and not is_beyond_us(proposal)
    is_for_publish = out is not None and can_publish
    if format_ is PlanFormat.TEXT:
        say(f"\nNext: campaignctl publish --plan {out}" if is_for_publish else f"\n{next_step(proposal)}")
    if proposal.action is Action.REFUSED or is_beyond_us(proposal):
        return 3
    return 4 if detailed and proposal.action is not Action.NONE else 0


def plan_document(plan: Plan) -> dict[str, Any]:
    """The plan as JSON has it."""
    proposal = plan.proposal
    return {
        "campaign": proposal.version.campaign.campaign,
        "action": (Action.REFUSED if is_beyond_us(proposal) else proposal.action).value,
        "base_version": None if proposal.live is None else proposal.live.version,
        "changes": [change.as_json() for change in proposal.changes],
        "timeline": [
            {
                "step": each.step.name,
                "at": utc_text(each.step.at),
                "effective_at": utc_text(each.step.effective_at),
                "local": each.local,
                "estimate": {
                    "messages": each.messages,
                    "at_most": each.size.is_most,
                    "seconds": None if each.duration is None else int(each.duration.total_seconds()),
                    "sms_parts": each.sms and each.sms.parts,
                },
            }
            for each in plan.timeline
        ],
        "audience": plan.audience,
        "every": proposal.version.campaign.every and proposal.version.campaign.every.text,
        "warnings": list(plan.warnings),
        "overlaps": [
            {"campaign": each.campaign, "contacts": each.contacts, "steps": list(each.steps)} for each in plan.overlaps
        ],
    }
