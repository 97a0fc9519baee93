"""`campaignctl gate`: what waits for another system's consent."""

from __future__ import annotations

from typing import Annotated

import typer

from campaignctl.cli.gate_words import gate_document, gate_words
from campaignctl.cli.options import (
    Format,
    FormatOption,
    ProjectOption,
    RowsFormat,
    RowsFormatOption,
    StoreOption,
    YesOption,
    actor,
    ask,
    command_app,
    opened_project,
)
from campaignctl.cli.screen import say
from campaignctl.cli.show import document, lines, table, utc_text
from campaignctl.clock import SystemClock
from campaignctl.gating import ByHand, decide, gate_contacts, gates_by_name, known_gate
from campaignctl.wiring import opened_store, store_path

app = command_app()

Name = Annotated[str, typer.Argument(help="The campaign's name.")]
Step = Annotated[str, typer.Argument(help="The step whose gate it is.")]
Contacts = Annotated[
    list[str] | None, typer.Option("--contact", help="Only the contact with this key; may be given several times.")
]


@app.callback()
def gate_group() -> None:
    """See whom send gates hold, and decide by hand."""


@app.command("list")
def list_command(
    name: Annotated[str | None, typer.Argument(help="The campaign's name; all gates that are open otherwise.")] = None,
    format_: RowsFormatOption = RowsFormat.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    List the send gates of a campaign, or those of all campaigns that have no decision yet.

    Example: campaignctl gate list spring-sale
    """
    opened = opened_project(project)
    with opened_store(store_path(opened, store), SystemClock()) as the_store, the_store.reading() as ledger:
        found = gates_by_name(ledger, name)
        rows = [gate_document(gate, ledger.held_by(gate)) for gate in found]
    if format_ is RowsFormat.NDJSON:
        lines(rows)
    elif format_ is RowsFormat.JSON:
        document(gates=rows)
    elif found:
        table(
            ["campaign", "step", "endpoint", "state", "held", "of", "since", "until"],
            [
                (
                    gate.campaign,
                    gate.step,
                    gate.endpoint,
                    gate.state.value.replace("_", " "),
                    row["held"],
                    gate.contacts,
                    gate.opened_at,
                    gate.expires_at,
                )
                for gate, row in zip(found, rows, strict=True)
            ],
        )
    else:
        print("No gate is open." if name is None else f"`{name}` has opened no gate yet.")


@app.command("show")
def show_command(
    name: Name,
    step: Step,
    format_: RowsFormatOption = RowsFormat.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Show one gate: what it waits for, whom it is about, and what became of each.

    Example: campaignctl gate show spring-sale invitation
    """
    opened = opened_project(project)
    with opened_store(store_path(opened, store), SystemClock()) as the_store, the_store.reading() as ledger:
        gate = known_gate(ledger, name, step)
        if format_ is RowsFormat.NDJSON:
            lines(vars(each) for each in gate_contacts(ledger, gate))
            return
        held = ledger.held_by(gate)
        found = [vars(each) for each in gate_contacts(ledger, gate)]
    if format_ is RowsFormat.JSON:
        document(gate=gate_document(gate, held), held=held, contacts=found)
        return
    print(f"{gate.campaign}/{gate.step}: {gate.state.value.replace('_', ' ')}, {held} held")
    if gate.state.is_open:
        print(gate_words(gate, held, utc_text) + "\n")
    else:
        rejected = sum(each["state"] == "rejected" for each in found)
        print(f"closed at {utc_text(gate.closed_at)} by {gate.closed_by}; {rejected} of {len(found)} rejected\n")
    table(["contact", "state", "reason"], [(each["contact"], each["state"], each["reason"]) for each in found])


@app.command("release")
def release_command(
    name: Name,
    step: Step,
    contacts: Contacts = None,
    yes: YesOption = False,
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Let those go on whom a gate holds, without its answer.

    Example: campaignctl gate release spring-sale invitation
    """
    _decide(ByHand.RELEASE, name, step, contacts or (), yes, format_, project, store)


@app.command("reject")
def reject_command(
    name: Name,
    step: Step,
    contacts: Contacts = None,
    yes: YesOption = False,
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Turn those away whom a gate holds: their messages never leave.

    Example: campaignctl gate reject spring-sale invitation --contact c-17
    """
    _decide(ByHand.REJECT, name, step, contacts or (), yes, format_, project, store)


def _decide(
    decision: ByHand,
    name: str,
    step: str,
    contacts: list[str] | tuple[()],
    yes: bool,
    format_: Format,
    project: ProjectOption,
    store: StoreOption,
) -> None:
    opened, clock = opened_project(project), SystemClock()
    with opened_store(store_path(opened, store), clock) as the_store:
        if not yes:
            trial = decide(
                the_store, name, step, decision, contacts=contacts, actor=actor(), now=clock.now(), is_trial=True
            )
            ask(_QUESTIONS[decision].format(trial.contacts), to=decision.value)
        done = decide(the_store, name, step, decision, contacts=contacts, actor=actor(), now=clock.now())
    if format_ is Format.JSON:
        document(**vars(done))
        return
    print(_ANSWERS[decision].format(done.contacts))
    if not done.closed:
        say(f"The gate holds the others: campaignctl gate show {name} {step}")


_QUESTIONS = {
    ByHand.RELEASE: "Let {} contacts go on?",
    ByHand.REJECT: "Reject {} contacts? That is final.",
}
_ANSWERS = {ByHand.RELEASE: "Released: {}.", ByHand.REJECT: "Rejected: {}."}
