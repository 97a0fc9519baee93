"""`campaignctl send-test`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
from campaignctl.cli.preview import said_with_its_code
from campaignctl.cli.screen import say
from campaignctl.cli.show import document
from campaignctl.clock import SystemClock
from campaignctl.dkim_key import signature_of
from campaignctl.engine.rules import SendingRules
from campaignctl.errors import WorkFailedError
from campaignctl.ports import Verdict
from campaignctl.publishing import frozen
from campaignctl.rehearsal import is_text
from campaignctl.trying_out import sent, trial_message, trial_text
from campaignctl.wiring import email_channel, opened_store, sms_channel, store_path, where_messages_go, where_texts_go

app = command_app()


@app.command()
def send_test_command(
    file: Annotated[Path, typer.Argument(help="The campaign's file.")],
    step: Annotated[str, typer.Argument(help="The id of an e-mail or sms step.")],
    to: Annotated[str, typer.Option("--to", metavar="ADDRESS", help="Who gets it: an address or a number.")],
    contact: Annotated[
        str | None, typer.Option("--contact", help="Whose message it is, by key; any member's otherwise.")
    ] = None,
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Send one message through the project's mail server, or its provider of texts, to see how it arrives.

    Its subject is marked; the store knows nothing of it, and its links
    unsubscribe nobody.

    Example: campaignctl send-test campaigns/welcome.yaml welcome --to ada@example.org
    """
    opened = opened_project(project, file)
    clock = SystemClock()
    with opened_store(store_path(opened, store), clock) as the_store:
        campaign, files = sound_campaign(file, opened, attributes_of(the_store))
        version = frozen(campaign, opened.project, files)
        with said_with_its_code(), the_store.reading() as ledger:
            if is_text(version, step):
                rules = SendingRules.of(opened.project).sms
                message = trial_text(ledger, version, step, to, contact, rules, clock.now())
            else:
                message = trial_message(ledger, version, step, to, contact, clock.now(), signature_of(opened))
    if is_text(version, step):
        say(f"texts go to {where_texts_go(opened)}")
        channel = sms_channel(opened, clock)
    else:
        say(f"messages go to {where_messages_go(opened)}")
        channel = email_channel(opened)
    try:
        outcome = sent(channel, message)
    finally:
        channel.close()
    if outcome.verdict is not Verdict.SENT:
        what = f"{outcome.verdict}: {outcome.detail or outcome.reason}"
        raise WorkFailedError("D104", f"the test message was not taken ({what})", "see `campaignctl doctor`")
    if format_ is Format.JSON:
        document(step=step, to=message.recipient, detail=outcome.detail)
    else:
        print(f"A test of `{step}` was sent to {message.recipient}.")
