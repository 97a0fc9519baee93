"""`campaignctl demo`."""

from __future__ import annotations

import shutil
import tempfile
from datetime import datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Annotated

import typer

from campaignctl.campaign.when import wall_text, zone_named
from campaignctl.cli.options import command_app
from campaignctl.cli.show import table
from campaignctl.clock import SetClock
from campaignctl.demo import DEMO_ENDS, DEMO_STARTS, EVENTS_ARRIVE, FastTime
from campaignctl.engine.tick import TickReport
from campaignctl.errors import UsageError
from campaignctl.project import ProjectFile, load_project
from campaignctl.wiring import OUTBOX, opened_store

app = command_app()

_EXAMPLE = "launch"


@app.command()
def demo_command(
    folder: Annotated[
        Path | None, typer.Option("--into", help="An empty folder for the project, instead of a temporary one.")
    ] = None,
) -> None:
    """
    Run a whole campaign in fast time, to an outbox: nothing leaves the machine.

    Example: campaignctl demo
    """
    place = folder or Path(tempfile.mkdtemp(prefix="campaignctl-demo-"))
    if place.is_dir() and any(place.iterdir()):
        raise UsageError("U104", f"the folder `{place}` is not empty", "name another one")
    shutil.copytree(examples() / _EXAMPLE, place, dirs_exist_ok=True)
    project = load_project(place, {})
    if not isinstance(project, ProjectFile):
        raise UsageError("C150", "the example cannot be read", "install campaignctl again")
    clock = SetClock(DEMO_STARTS)
    zone = zone_named("Europe/Paris")

    def show(now: datetime, report: TickReport) -> None:
        for name in report.started:
            print(f"  {wall_text(now, zone)}  {name.partition('/')[2]} starts")
        if report.sent:
            print(f"  {wall_text(now, zone)}  {report.sent} messages to the outbox")

    with opened_store(place / "campaignctl.db", clock) as store:
        world = FastTime(project, store, place / "campaignctl.db", clock)
        imported = world.import_list("customers", place / "contacts.csv")
        print(f"1. Imported {imported.added} contacts from contacts.csv")
        published = world.publish(place / "campaigns" / "spring-sale.yaml")
        starts_at = published.starts_at or clock.now()
        print(f"2. Published `{published.campaign}`, which starts {wall_text(starts_at, zone)} (Europe/Paris)")
        print("3. Two weeks pass:")
        world.run_until(EVENTS_ARRIVE, show)
        world.bring_events(place / "events.ndjson")
        print(f"  {wall_text(EVENTS_ARRIVE, zone)}  opens, clicks and an unsubscribe come in")
        world.run_until(DEMO_ENDS, show)
        with store.reading() as ledger:
            campaign = ledger.known_campaign(published.campaign)
            counts = ledger.deliveries_by_state([step.id for step in campaign.steps])
    print(f"4. Who went where ({campaign.members} members; the campaign is {campaign.state}):")
    rows = [
        (each.name, each.verb, each.cohort, ", ".join(f"{number} {state}" for state, number in counts[each.id].items()))
        for each in campaign.steps
    ]
    table(["step", "verb", "cohort", "deliveries"], rows)
    print("5. Two of the messages:")
    for name in ("invitation", "thank"):
        _show_message(next((place / OUTBOX).glob(f"*{name}*")))
    print(f"\nThe project is in {place}. Look at it, and go on with:")
    print(f"  cd {place}\n  campaignctl status {campaign.name}\n  campaignctl validate campaigns")
    print("  campaignctl init my-project     # a project of your own")


def examples() -> Path:
    """The folder of the examples: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).parents[1]
    inside = package / "examples"
    return inside if inside.is_dir() else package.parent / "examples"


def _show_message(path: Path) -> None:
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    text = message.get_body(("plain",))
    print(f"\n  {path.name}\n  To: {message['To']}\n  Subject: {message['Subject']}\n")
    for line in ("" if text is None else text.get_content()).splitlines():
        print(f"    {line}".rstrip())
