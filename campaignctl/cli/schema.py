"""`campaignctl schema`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from campaignctl.cli.options import command_app
from campaignctl.schema import schema_text

app = command_app()


class Kind(StrEnum):
    """The kinds of files."""

    CAMPAIGN = "campaign"
    PROJECT = "project"
    SCENARIO = "scenario"


@app.command()
def schema_command(kind: Annotated[Kind, typer.Argument(help="The kind of file.")]) -> None:
    """
    Print the JSON Schema of a kind of file, for editors.

    Example: campaignctl schema campaign > campaign.schema.json
    """
    print(schema_text(kind.value), end="")
