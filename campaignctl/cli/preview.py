"""`campaignctl preview`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
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
from campaignctl.cli.screen import say, visible
from campaignctl.cli.show import document
from campaignctl.clock import SystemClock
from campaignctl.engine.rules import SendingRules
from campaignctl.errors import RefusedError, UsageError, WorkFailedError
from campaignctl.message.content import RenderedEmail
from campaignctl.message.metering import TemplateSyntaxProblem
from campaignctl.message.sandbox import RenderError
from campaignctl.message.text import RenderedText
from campaignctl.publishing import frozen
from campaignctl.rehearsal import is_text, previewed, previewed_text, would_be_skipped
from campaignctl.wiring import opened_store, store_path

app = command_app()


@app.command()
def preview_command(
    file: Annotated[Path, typer.Argument(help="The campaign's file.")],
    step: Annotated[str, typer.Argument(help="The id of an e-mail step.")],
    contact: Annotated[str, typer.Option("--contact", help="The contact's key.")],
    out: Annotated[Path | None, typer.Option("--out", help="Write the whole message (.eml) to this file.")] = None,
    opens: Annotated[bool, typer.Option("--open", help="Open the HTML part in a browser.")] = False,
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Show a message as one contact would get it.

    Example: campaignctl preview campaigns/welcome.yaml welcome --contact c-1
    """
    opened = opened_project(project, file)
    clock = SystemClock()
    with opened_store(store_path(opened, store), clock) as the_store:
        campaign, files = sound_campaign(file, opened, attributes_of(the_store))
        version = frozen(campaign, opened.project, files)
        with said_with_its_code(), the_store.reading() as ledger:
            if is_text(version, step):
                rules = SendingRules.of(opened.project).sms
                _show_text(previewed_text(ledger, version, step, contact, rules, clock.now()), step, contact, format_)
                return
            message = previewed(ledger, version, step, contact, clock.now())
            why_not = would_be_skipped(ledger, version, step, contact, clock.now())
    if why_not:
        say(f"As things are, `{contact}` would not be sent it: {why_not}.")
    if out is not None:
        _written(out, message)
    parsed = message_from_bytes(message.content, policy=policy.default)
    if opens:
        _opened(parsed)
    if format_ is Format.JSON:
        headers = {name: str(value) for name, value in parsed.items()}
        document(step=step, contact=contact, headers=headers, text=_part(parsed, "plain"), html=_part(parsed, "html"))
    elif out is None and not opens:
        for name in ("From", "To", "Subject"):
            print(f"{name}: {visible(str(parsed[name]))}")
        print(f"\n{visible(_part(parsed, 'plain') or '').rstrip()}")


def _show_text(message: RenderedText, step: str, contact: str, format_: Format) -> None:
    sender, number, text, parts = message
    if format_ is Format.JSON:
        document(step=step, contact=contact, **{"from": sender}, to=number, text=text, parts=parts)
    else:
        if sender:
            print(f"From: {visible(sender)}")
        print(f"To: {number}\nParts: {parts}\n\n{visible(text)}")


@contextmanager
def said_with_its_code() -> Iterator[None]:
    """
    Whatever keeps a message from being made for one contact is the work that failed.

    Raises:
        WorkFailedError: the template cannot be filled in.
    """
    try:
        yield
    except (RenderError, TemplateSyntaxProblem) as failure:
        raise WorkFailedError("C404", str(failure), "mend the template, or give the contact the value") from failure


def _part(message: EmailMessage, kind: str) -> str | None:
    """The text of a part, or nothing where the message has none."""
    part = message.get_body((kind,))
    return None if part is None else str(part.get_content()).replace("\r\n", "\n")


def _written(path: Path, message: RenderedEmail) -> None:
    try:
        path.write_bytes(message.content)
    except OSError as failure:
        raise UsageError("U105", f"`{path}` cannot be written: {failure.strerror}", "name another file") from failure
    say(f"wrote {path}")


def _opened(message: EmailMessage) -> None:
    """Show the HTML part in the user's browser, from a file of its own."""
    html = _part(message, "html")
    if html is None:
        raise RefusedError("P112", "the message has no HTML part", "leave `--open` out: its text is shown")
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", prefix="campaignctl-", suffix=".html", delete=False
    ) as page:
        page.write(html)
    say(f"opened {page.name}")
    typer.launch(page.name)
