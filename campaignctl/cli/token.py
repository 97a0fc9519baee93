"""`campaignctl token`: keys of the HTTP service."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

import typer

from campaignctl.campaign.fields import parse_duration
from campaignctl.cli.options import (
    Format,
    FormatOption,
    ProjectOption,
    StoreOption,
    actor,
    command_app,
    opened_project,
)
from campaignctl.cli.screen import say
from campaignctl.cli.show import document, table
from campaignctl.clock import SystemClock
from campaignctl.errors import UsageError, WorkFailedError
from campaignctl.store.tokens import Token, add_token, all_tokens, revoke_token
from campaignctl.wiring import opened_store, store_path

app = command_app()
_SCOPE: Final = re.compile(r"read|events|trigger:(?:\*|[a-z0-9][a-z0-9-]{0,62})")


@app.command("create")
def create_command(
    scope: Annotated[
        list[str], typer.Option("--scope", help="What it is good for: trigger:NAME, events, read; several times.")
    ],
    expires: Annotated[str | None, typer.Option("--expires", help="After which time it ends, like 90d.")] = None,
    format_: FormatOption = Format.TEXT,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Make a token for the HTTP service. It is shown this once.

    Example: campaignctl token create --scope trigger:welcome
    """
    for each in scope:
        if _SCOPE.fullmatch(each) is None:
            raise UsageError("U131", f"`{each}` is no scope", "write `trigger:NAME`, `events` or `read`")
    clock = SystemClock()
    with opened_store(store_path(opened_project(project), store), clock) as the_store, the_store.writing() as ledger:
        now = clock.now()
        made, text = add_token(ledger.connection, scope, actor(), now, now + _time(expires) if expires else None)
        ledger.note("token_created", None, {"id": made.id, "scopes": sorted(made.scopes)}, now, actor())
    if format_ is Format.JSON:
        document(id=made.id, token=text, scopes=sorted(made.scopes))
        return
    print(text)
    say("Keep it: it is not shown again. Requests carry it as `Authorization: Bearer TOKEN`.")


def _time(text: str) -> timedelta:
    try:
        return parse_duration(text)
    except ValueError as failure:
        raise UsageError("U132", f"`{text}` is no duration", "write it like `90d`") from failure


@app.command("list")
def list_command(format_: FormatOption = Format.TEXT, project: ProjectOption = None, store: StoreOption = None) -> None:
    """
    List the tokens; what they are is not known to anybody any more.

    Example: campaignctl token list
    """
    clock = SystemClock()
    with opened_store(store_path(opened_project(project), store), clock) as the_store, the_store.reading() as ledger:
        found = all_tokens(ledger.connection)
    rows = [_row(token, clock.now()) for token in found]
    if format_ is Format.JSON:
        document(tokens=rows)
    elif rows:
        head = ["id", "state", "scopes", "made_at", "expires_at"]
        table(head, [[" ".join(row[key]) if key == "scopes" else row[key] for key in head] for row in rows])
    else:
        print("There are no tokens.")


def _row(token: Token, now: datetime) -> dict[str, Any]:
    state = "good" if token.is_good(now) else "expired" if token.revoked_at is None else "revoked"
    return {
        "id": token.id,
        "state": state,
        "scopes": sorted(token.scopes),
        "made_at": token.made_at,
        "made_by": token.made_by,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
    }


@app.command("revoke")
def revoke_command(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="The token's id, as `token list` shows it.")],
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Make a token worthless, at once.

    Example: campaignctl token revoke 0a1b2c3d4e5f
    """
    clock = SystemClock()
    with opened_store(store_path(opened_project(project), store), clock) as the_store, the_store.writing() as ledger:
        was_good = revoke_token(ledger.connection, token_id, clock.now())
        if was_good:
            ledger.note("token_revoked", None, {"id": token_id}, clock.now(), actor())
    if not was_good:
        raise WorkFailedError("S280", f"there is no token `{token_id}` to revoke", "see `campaignctl token list`")
    print(f"Revoked `{token_id}`: it opens nothing any more.")
