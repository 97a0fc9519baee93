"""`campaignctl simulate`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from campaignctl.campaign.version import Version
from campaignctl.campaign.when import When, wall_text
from campaignctl.cli.attributes import attributes_of
from campaignctl.cli.options import (
    Format,
    FormatOption,
    ProjectOption,
    StoreOption,
    command_app,
    opened_project,
    sound_campaign,
)
from campaignctl.cli.screen import say
from campaignctl.cli.show import document, table
from campaignctl.clock import SystemClock
from campaignctl.contacts.event_file import events_in
from campaignctl.contacts.event_line import Row
from campaignctl.contacts.source import Format as FileFormat
from campaignctl.contacts.source import Source
from campaignctl.errors import UsageError
from campaignctl.publishing import frozen
from campaignctl.simulation.assumptions import Assumptions
from campaignctl.simulation.run import LONGEST, Affected, Settings, SimulatedStep, Simulation, copied, simulate
from campaignctl.wiring import store_path, store_to_look_at

app = command_app()

_MOST_HOURS = 24
_SENDS = ("email", "sms", "webhook")


@app.command()
def simulate_command(
    file: Annotated[Path, typer.Argument(help="The campaign's file.")],
    assume: Annotated[
        str, typer.Option("--assume", metavar="opened=30%,…", help="Shares: opened, clicked, bounced, unsubscribed.")
    ] = "",
    events: Annotated[
        Path | None, typer.Option("--events", help="Events that happen at their time, as `events import` reads them.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Decides every draw.")] = 1,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="When it is published in virtual time; now otherwise.")
    ] = None,
    starts_now: Annotated[
        bool, typer.Option("--now", help="Start after the safety delay, whatever the first `at`.")
    ] = False,
    most_rendered: Annotated[
        int, typer.Option("--render", min=1, help="How many messages of a step to render where nothing can be proven.")
    ] = 10_000,
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Run a campaign in virtual time, on the real audience: nothing is sent, and nothing written.

    The file runs as if it were published now, with its rates, hours and caps,
    on a copy of the store. Whether a message can be made is proven from its
    templates where that can be done, and tried otherwise.

    Example: campaignctl simulate campaigns/welcome.yaml --assume opened=30%,clicked=5%
    """
    opened = opened_project(project, file)
    assumed = Assumptions.parse(assume, str(seed))
    with store_to_look_at(store_path(opened, store)) as the_store:
        campaign, files = sound_campaign(file, opened, attributes_of(the_store))
        version = frozen(campaign, opened.project, files)
        settings = Settings(
            SystemClock().now() if at is None else _instant(at, version),
            starts_now=starts_now,
            assumed=assumed,
            events=_events(events),
            most_rendered=most_rendered,
        )
        with copied(the_store) as copy:
            found = simulate(copy, version, opened.project, settings)
    if format_ is Format.JSON:
        document(**_fields(found, assumed))
    else:
        _show(found, version, assumed)


def _instant(text: str, version: Version) -> datetime:
    try:
        return When.parse(text).at(version.zone)
    except ValueError as failure:
        raise UsageError("U109", f"`{text}` is not a time", "write it like `2026-12-01 09:00`") from failure


def _events(file: Path | None) -> Iterable[Row]:
    return () if file is None else events_in(Source(file, FileFormat.NDJSON))


def _fields(found: Simulation, assumed: Assumptions) -> Mapping[str, Any]:
    return {
        "campaign": found.campaign.name,
        "members": found.campaign.members,
        "steps": [_step_fields(each) for each in found.steps],
        "finished_at": found.finished_at,
        "published_at": found.published_at,
        "state": found.campaign.state,
        "assumed": {word: float(share) for word, share in assumed.shares.items()},
        "seed": assumed.seed,
        "render_errors": [
            {"step": each.step, "contact": each.contact, "error": each.error} for each in found.render_errors
        ],
        "above_cap": [{"step": each.step, "contact": each.contact} for each in found.above_cap],
    }


def _step_fields(each: SimulatedStep) -> Mapping[str, Any]:
    checked = each.checked
    return {
        "id": each.step.name,
        "verb": each.step.verb,
        "at": each.step.at,
        "effective_at": each.step.effective_at,
        "cohort": each.step.cohort or 0,
        "messages": each.messages,
        "render_errors": each.render_errors,
        "state": each.step.state,
        "started_at": each.step.started_at,
        "finished_at": each.step.finished_at,
        "skipped": each.skipped,
        "messages_per_hour": [{"hour": hour, "messages": number} for hour, number in each.by_hour],
        "rendered": 0 if checked is None else checked.rendered,
        "not_rendered": 0 if checked is None else checked.not_checked,
    }


def _show(found: Simulation, version: Version, assumed: Assumptions) -> None:
    zone = version.zone

    def local(at: datetime | None) -> str | None:
        return None if at is None else wall_text(at.replace(microsecond=0), zone)

    def short(at: datetime | None) -> str | None:
        text = local(at)
        return text if text is None else text.removeprefix(f"{found.published_at.astimezone(zone).year}-")

    members = "nobody yet" if found.campaign.members is None else f"{found.campaign.members} members"
    print(f"{found.campaign.name}: {members}, published at {local(found.published_at)} in virtual time")
    print(f"Assumed of those who get a message (seed {assumed.seed}): {shares_text(assumed)}.")
    print(f"Times are those of {version.content.timezone}.\n")
    table(
        ["step", "verb", "starts", "ends", "cohort", "messages", "skipped"],
        [
            (
                each.step.name,
                each.step.verb,
                short(each.step.started_at),
                _end(each, short),
                each.step.cohort,
                each.messages if each.step.verb in _SENDS or each.by_hour or each.skipped else None,
                sum(each.skipped.values()) or None,
            )
            for each in found.steps
        ],
    )
    for each in found.steps:
        _show_step(each, local)
    _show_affected("Render errors", found.render_errors, sum(each.render_errors for each in found.steps))
    capped = sum(each.skipped.get("frequency_cap", 0) for each in found.steps)
    _show_affected("Above the frequency cap", found.above_cap, capped)
    if found.finished_at is not None:
        print(f"\nIt would be finished at {local(found.finished_at)}.")
    elif found.campaign.state == "active":
        print(f"\nIt would not be finished within {LONGEST.days // 365} years: see its rates and hours.")
    else:
        print(f"\nIt is {found.campaign.state}, and nothing more happens until somebody acts.")
    say("Nothing was sent, and nothing was written to the store.")


def shares_text(assumed: Assumptions) -> str:
    """
    What is assumed, as a sentence has it.

    >>> shares_text(Assumptions.parse("opened=30%,clicked=2.5%", "1"))
    'opened 30%, clicked 2.5%'
    """
    return ", ".join(f"{word} {float(share * 100):g}%" for word, share in assumed.shares.items()) or "nothing"


def _end(each: SimulatedStep, local: Any) -> str | None:
    ended_at = each.step.finished_at
    return "at once" if ended_at is not None and ended_at == each.step.started_at else local(ended_at)


def _show_step(each: SimulatedStep, local: Any) -> None:
    """What has to be said of a step beside its line in the table."""
    said = []
    if each.skipped:
        said.append("skipped: " + ", ".join(f"{number} {reason}" for reason, number in each.skipped.items()))
    if each.step.effective_at != each.step.at and each.step.at is not None:
        said.append(f"planned for {local(each.step.at)}")
    if len(each.by_hour) > 1:
        peak = max(number for _, number in each.by_hour)
        said.append(f"messages per hour: {peak} at most, in {len(each.by_hour)} hours")
        said += [f"  {local(hour)}  {number}" for hour, number in each.by_hour[:_MOST_HOURS]]
        if len(each.by_hour) > _MOST_HOURS:
            said.append(f"  and {len(each.by_hour) - _MOST_HOURS} more hours")
    if each.checked is not None and each.checked.not_checked:
        tried, left = each.checked.rendered, each.checked.not_checked
        said.append(f"render errors are those of a sample: {tried} messages were rendered, {left} were not")
    if said:
        print(f"\n{each.step.name}:")
        for line in said:
            print(f"  {line}")


def _show_affected(title: str, affected: Iterable[Affected], count: int) -> None:
    shown = list(affected)
    if count:
        print(f"\n{title}: {count}{'' if count == len(shown) else f', of which the first {len(shown)}'}")
        for each in shown:
            print(f"  {each.step}  {each.contact}  {each.error}".rstrip())
