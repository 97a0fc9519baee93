"""`campaignctl status`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from campaignctl.campaign.when import wall_text
from campaignctl.cli.engagement_words import engagement_document, engagement_words
from campaignctl.cli.gate_words import gate_document, gate_words
from campaignctl.cli.hook_words import hook_words
from campaignctl.cli.options import Format, FormatOption, ProjectOption, StoreOption, command_app, opened_project
from campaignctl.cli.screen import say
from campaignctl.cli.show import document, table
from campaignctl.cli.status_series import series_document, series_status, show_series
from campaignctl.cli.waiting import print_waiting, waiting_document
from campaignctl.clock import SystemClock
from campaignctl.store.overview import planned_times
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
    Show where a campaign stands: its steps, their times, their deliveries by state, and what contacts did.

    Of a recurring campaign: its rule, its next starts, and what became of the others.

    Example: campaignctl status spring-sale
    """
    opened = opened_project(project)
    clock = SystemClock()
    with opened_store(store_path(opened, store), clock) as the_store, the_store.reading() as ledger:
        campaign = ledger.known_campaign(name)
        if campaign.is_series:
            of_series = series_status(ledger, campaign, clock.now())
            (series_document if format_ is Format.JSON else show_series)(of_series)
            return
        counts = ledger.deliveries_by_state([step.id for step in campaign.steps])
        version = ledger.version(campaign, campaign.version)
        moved = {
            each.step: each
            for each in planned_times(ledger.connection)
            if each.campaign == campaign.name and not each.means_the_same
        }
        waiting = ledger.waiting_for_approval(campaign)
        engagement = ledger.engagement([step.id for step in campaign.steps if step.verb in ("email", "sms")])
        gates = {gate.step_id: (gate, ledger.held_by(gate)) for gate in ledger.gates_of(campaign)}
        hooks = ledger.hook_standings(campaign)
    if format_ is Format.JSON:
        document(
            campaign=campaign.name,
            state=campaign.state,
            **{"version": campaign.version},
            members=campaign.members,
            waiting_for_approval=waiting_document(waiting),
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
                    "local_time_changed": step.name in moved,
                    "deliveries": counts[step.id],
                    "engagement": engagement_document(engagement.get(step.id)),
                    "gate": gate_document(*gates[step.id]) if step.id in gates else None,
                }
                for step in campaign.steps
            ],
            hooks=[vars(each) for each in hooks],
        )
        return
    members = "nobody yet" if campaign.members is None else f"{campaign.members} members"
    print(f"{campaign.name}: {campaign.state}, version {campaign.version}, {members}")
    print_waiting(campaign.name, waiting)
    print(f"Times are those of {version.content.timezone}.\n")

    def local(at: datetime | None) -> str | None:
        return None if at is None else wall_text(at.replace(microsecond=0), version.zone)

    table(
        ["step", "verb", "state", "planned", "effective", "cohort", "deliveries"],
        [
            (
                step.name,
                step.verb,
                step.state,
                local(step.at),
                "as planned" if step.at == step.effective_at is not None else local(step.effective_at),
                step.cohort,
                ", ".join(f"{number} {state}" for state, number in counts[step.id].items()) or None,
            )
            for step in campaign.steps
        ],
    )
    for step in campaign.steps:
        if said := engagement_words(engagement.get(step.id)):
            print(f"\n{step.name}: {said}")
    for planned in moved.values():
        say(
            f"\n{planned.step}: the rules of {planned.timezone} have changed since it was published; it runs at"
            f" {local(planned.at)}, and was to run at {planned.wall_time:%Y-%m-%d %H:%M}: publish it with another time"
        )
    for gate, held in gates.values():
        if gate.state.is_open:
            say(f"\n{gate.step}: {gate_words(gate, held, local)}")
    for hook in hooks:
        say(f"\n{hook_words(hook)}")
    for step in campaign.steps:
        if step.reason in _REASONS:
            say(f"\n{step.name}: {_REASONS[step.reason]}")


_REASONS = {
    "too_late": "it could not run in time, because nothing was running; `campaignctl resume` lets it run all the same",
    "complaints": "too many called its message spam; `campaignctl resume` lets it go on all the same",
    "render_error": "a value cannot be filled in for one of its contacts (see `campaignctl history`); publish it"
    " mended, and let it run with `campaignctl resume`",
    "bounces": "too many of its first messages bounced; `campaignctl resume` lets it go on all the same",
    "stopped": "the campaign was stopped before",
    "gate_timeout": "its gate had no answer in time, and nobody went on",
}
