"""`campaignctl validate`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from campaignctl.cli.attributes import attributes_in_store
from campaignctl.cli.formats import ProblemFormat, rendered
from campaignctl.cli.options import ProjectOption, StoreOption, command_app, project_folder, shown_path
from campaignctl.diagnostics import has_errors
from campaignctl.project import PROJECT_FILE, ProjectFile, load_project
from campaignctl.validation import Checked, campaign_files, check_files, check_project

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
    Show all problems of all files, and of the project files that they belong to.

    Attributes are checked against the contacts in the store, where there is one.

    Example: campaignctl validate campaigns --strict
    """
    whole = Checked()
    for folder, files in _by_project(campaign_files(paths), paths, project).items():
        whole.add(_checked(folder, files, store))
    if strict:
        whole.problems = [problem.as_error() for problem in whole.problems]
    print(rendered(whole, format_))
    raise typer.Exit(1 if has_errors(whole.problems) else 0)


def _by_project(files: list[Path], named: list[Path], wanted: Path | None) -> dict[Path, list[Path]]:
    """The files of each project: a repository may hold several."""
    found: dict[Path, list[Path]] = {}
    for file in files:
        found.setdefault(project_folder(wanted, file), []).append(file)
    return found or {project_folder(wanted, named[0]): []}


def _checked(folder: Path, files: list[Path], store: str | None) -> Checked:
    name = shown_path(folder / PROJECT_FILE)
    project = load_project(folder, os.environ, name)
    if isinstance(project, ProjectFile):
        checked = check_files(files, project, attributes_in_store(project, store))
        checked.add(check_project(project, checked.campaigns))
        return checked
    return Checked(
        project, {name: (folder / PROJECT_FILE).read_text("utf-8", "replace")}, paths=[str(each) for each in files]
    )
