"""Options that many commands share, and what they lead to."""

from __future__ import annotations

import getpass
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import typer.main

from campaignctl.campaign.load import CampaignFile
from campaignctl.cli.screen import SCREEN, tell
from campaignctl.cli.show import show_problems
from campaignctl.diagnostics import has_errors
from campaignctl.errors import UsageError
from campaignctl.files import ProjectFiles
from campaignctl.project import PROJECT_FILE, ProjectFile, find_project, load_project
from campaignctl.validation import Attributes, check_file, check_project

ProjectOption = Annotated[
    Path | None, typer.Option("--project", help="The project's folder; the nearest one upwards otherwise.")
]
StoreOption = Annotated[str | None, typer.Option("--store", help="The store, instead of the project's.")]


class Format(StrEnum):
    """How a command shows what it found."""

    TEXT = "text"
    JSON = "json"


class RowsFormat(StrEnum):
    """How a command shows rows, of which there may be many."""

    TEXT = "text"
    JSON = "json"
    NDJSON = "ndjson"


FormatOption = Annotated[Format, typer.Option("--format", help="How to show it.")]
RowsFormatOption = Annotated[RowsFormat, typer.Option("--format", help="How to show it.")]
EncodingOption = Annotated[str, typer.Option("--encoding", help="The encoding of a text file.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def command_app() -> typer.Typer:
    """An application for the commands of one module."""
    return typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def _set_quiet(wanted: bool) -> None:
    SCREEN.is_quiet = SCREEN.is_quiet or wanted


def _set_verbose(wanted: bool) -> None:
    SCREEN.is_verbose = SCREEN.is_verbose or wanted


def _without_colours(wanted: bool) -> None:
    SCREEN.may_colour = SCREEN.may_colour and not wanted


_SHARED = typer.Typer(add_completion=False)


@_SHARED.command()
def _shared(
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", expose_value=False, callback=_set_quiet, help="Results and failures only."),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", expose_value=False, callback=_set_verbose, help="Tell more.")
    ] = False,
    no_color: Annotated[
        bool, typer.Option("--no-color", expose_value=False, callback=_without_colours, help="Never use colours.")
    ] = False,
) -> None:
    """Holds the options of every command."""


def give_shared_options(command: Any) -> None:
    """Add `-q`, `-v` and `--no-color` to a command, or to every command of a group."""
    commands = getattr(command, "commands", None)
    if commands is not None:
        for each in commands.values():
            give_shared_options(each)
        return
    shared = [each for each in typer.main.get_command(_SHARED).params if each.name != "help"]
    command.params += shared


def project_folder(wanted: Path | None, near: Path | None = None) -> Path:
    """
    The folder of the project that a command works in: as asked for, or the nearest one upwards from *near* or here.

    Raises:
        UsageError: there is none.
    """
    start = (near or Path.cwd()).resolve()
    found = wanted or find_project(start if start.is_dir() else start.parent)
    if found is None:
        raise UsageError(
            "C150", "there is no `campaignctl.yaml` here or above", "run `campaignctl init`, or use `--project`"
        )
    return found


def shown_path(path: Path) -> str:
    """A path as messages name it: from here where it is below, so that CI can point at it."""
    resolved, here = path.resolve(), Path.cwd()
    return str(resolved.relative_to(here)) if resolved.is_relative_to(here) else str(path)


def opened_project(wanted: Path | None, near: Path | None = None) -> ProjectFile:
    """
    The project that a command works in; its problems are shown where it has some, and end the command.

    Raises:
        UsageError: there is none.
    """
    folder = project_folder(wanted, near)
    name = shown_path(folder / PROJECT_FILE)
    project = load_project(folder, os.environ, name)
    if not isinstance(project, ProjectFile):
        show_problems(project, {name: (folder / PROJECT_FILE).read_text("utf-8-sig", "replace")})
        raise typer.Exit(1)
    tell(f"the project is {name}")
    return project


def sound_campaign(path: Path, project: ProjectFile, attributes: Attributes) -> tuple[CampaignFile, ProjectFiles]:
    """
    The campaign in the file *path*, which has no errors: its problems are shown, and errors end the command.

    Raises:
        UsageError: the file cannot be read.
    """
    checked = check_file(path, project, attributes)
    checked.add(check_project(project, checked.campaigns))
    if checked.problems:
        show_problems(checked.problems, checked.texts)
    if checked.file is None or has_errors(checked.problems):
        raise typer.Exit(1)
    return checked.file, checked.files


def ask(question: str, *, to: str) -> None:
    """
    Go on when somebody at a terminal says yes; *to* is what `--yes` does elsewhere.

    Raises:
        UsageError: there is no terminal.
        typer.Abort: somebody says no.
    """
    if not sys.stdin.isatty():
        raise UsageError("P110", "nobody can be asked without a terminal", f"add `--yes` to {to}")
    typer.confirm(question, abort=True, err=True)


def actor() -> str:
    """Who types: for the journal."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"
