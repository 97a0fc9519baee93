"""`campaignctl status`."""

from __future__ import annotations

from typing import Annotated

import typer

from campaignctl.cli.options import Format, FormatOption, ProjectOption, StoreOption, command_app, opened_project
from campaignctl.cli.show import document, table
from campaignctl.clock import SystemClock
from campaignctl.publishing import known_campaign
from campaignctl.wiring import opened_store, store_path

app = command_app()


@app.command()
def status_command(
    name: Annotated[str, typer.Argument(help="The campaign's name.")],
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Show where a campaign stands: its steps, their times, their deliveries by state.

    Example: campaignctl status spring-sale
    """
    opened = opened_project(project)
    with opened_store(store_path(opened, store), SystemClock()) as the_store, the_store.reading() as ledger:
        campaign = known_campaign(ledger, name)
        counts = ledger.deliveries_by_state([step.id for step in campaign.steps])
    if format_ is Format.JSON:
        document(
            campaign=campaign.name,
            state=campaign.state,
            **{"version": campaign.version},
            members=campaign.members,
            steps=[
                {
                    "id": step.name,
                    "verb": step.verb,
                    "state": step.state,
                    "at": step.at,
                    "effective_at": step.effective_at,
                    "started_at": step.started_at,
                    "finished_at": step.finished_at,
                    "cohort": step.cohort,
                    "reason": step.reason,
                    "deliveries": counts[step.id],
                }
                for step in campaign.steps
            ],
        )
        return
    members = "nobody yet" if campaign.members is None else f"{campaign.members} members"
    print(f"{campaign.name}: {campaign.state}, version {campaign.version}, {members}\n")
    table(
        ["step", "verb", "state", "planned", "effective", "cohort", "deliveries"],
        [
            (
                step.name,
                step.verb,
                f"{step.state} ({step.reason})" if step.reason else step.state,
                step.at,
                step.effective_at,
                step.cohort,
                ", ".join(f"{number} {state}" for state, number in counts[step.id].items()) or None,
            )
            for step in campaign.steps
        ],
    )
