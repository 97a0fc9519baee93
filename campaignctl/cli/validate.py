"""`campaignctl validate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from campaignctl.cli.attributes import attributes_in_store
from campaignctl.cli.formats import ProblemFormat, rendered
from campaignctl.cli.options import ProjectOption, StoreOption, command_app, opened_project
from campaignctl.diagnostics import has_errors
from campaignctl.validation import check_paths

app = command_app()


@app.command()
def validate_command(
    paths: Annotated[list[Path], typer.Argument(help="Campaign files, or folders of them.")],
    format_: Annotated[ProblemFormat, typer.Option("--format", help="How to show them.")] = ProblemFormat.TEXT,
    strict: Annotated[bool, typer.Option("--strict", help="Take warnings for errors.")] = False,
    project: ProjectOption = None,
    store: StoreOption = None,
) -> None:
    """
    Show all problems of all files.

    Attributes are checked against the contacts in the store, where there is one.

    Example: campaignctl validate campaigns --strict
    """
    near = paths[0].resolve()
    opened = opened_project(project, near / "x" if near.is_dir() else near)
    checked = check_paths(paths, opened, attributes_in_store(opened, store))
    if strict:
        checked.problems = [problem.as_error() for problem in checked.problems]
    print(rendered(checked, format_))
    raise typer.Exit(1 if has_errors(checked.problems) else 0)
