"""`campaignctl explain`."""

from __future__ import annotations

from typing import Annotated

import typer

from campaignctl.cli.options import command_app
from campaignctl.diagnostics import did_you_mean
from campaignctl.errors import UsageError
from campaignctl.explanations import known_codes, page

app = command_app()


@app.command()
def explain_command(code: Annotated[str, typer.Argument(help="The code, as in `error[C203]`.")]) -> None:
    """
    Show the page of an error code.

    Example: campaignctl explain C203
    """
    text = page(code.upper())
    if text is None:
        raise UsageError(
            "U102", f"no code is `{code}`", did_you_mean(code.upper(), known_codes(), "codes look like C203")
        )
    print(text.rstrip())
