"""`campaignctl preview`."""

from __future__ import annotations

import sys
from email import message_from_bytes, policy
from pathlib import Path
from typing import Annotated

import typer

from campaignctl.cli.options import ProjectOption, StoreOption, command_app, opened_campaign, opened_project
from campaignctl.clock import SystemClock
from campaignctl.errors import RefusedError, WorkFailedError
from campaignctl.message.metering import TemplateSyntaxProblem
from campaignctl.message.sandbox import RenderError
from campaignctl.publishing import frozen, previewed
from campaignctl.wiring import opened_store, store_path

app = command_app()


@app.command()
def preview_command(
    file: Annotated[Path, typer.Argument(help="The campaign's file.")],
    step: Annotated[str, typer.Argument(help="The id of an e-mail step.")],
    contact: Annotated[str, typer.Option("--contact", help="The contact's key.")],
    out: Annotated[Path | None, typer.Option("--out", help="Write the whole message to this file.")] = None,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Show a message as one contact would get it.

    Example: campaignctl preview campaigns/welcome.yaml welcome --contact c-1
    """
    opened = opened_project(project, file.resolve())
    loaded, files = opened_campaign(file, opened)
    if loaded.campaign.list_name not in opened.project.lists:
        raise RefusedError("C301", f"the project has no list `{loaded.campaign.list_name}`", "run campaignctl validate")
    version = frozen(loaded, opened.project, files)
    clock = SystemClock()
    with opened_store(store_path(opened, store), clock) as the_store, the_store.reading() as ledger:
        try:
            message = previewed(ledger, version, step, contact, clock.now())
        except (RenderError, TemplateSyntaxProblem) as failure:
            raise WorkFailedError("C404", str(failure), "mend the template, or give the contact the value") from failure
    if out is not None:
        out.write_bytes(message.content)
        print(f"Wrote {out}")
        return
    parsed = message_from_bytes(message.content, policy=policy.default)
    for name in ("From", "To", "Subject"):
        print(f"{name}: {parsed[name]}")
    text = parsed.get_body(("plain",))
    print()
    sys.stdout.write("" if text is None else text.get_content())
