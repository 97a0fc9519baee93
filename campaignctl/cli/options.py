"""Options that many commands share, and what they lead to."""

from __future__ import annotations

import getpass
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from campaignctl.campaign.load import CampaignFile, load_campaign
from campaignctl.cli.show import show_problems
from campaignctl.errors import UsageError
from campaignctl.files import ProjectFiles
from campaignctl.project import ProjectFile, find_project, load_project

ProjectOption = Annotated[
    Path | None, typer.Option("--project", help="The project's folder; the nearest one upwards otherwise.")
]
StoreOption = Annotated[str | None, typer.Option("--store", help="The store, instead of the project's.")]


class Format(StrEnum):
    """How a command shows what it found."""

    TEXT = "text"
    JSON = "json"


FormatOption = Annotated[Format, typer.Option("--format", help="How to show it.")]
EncodingOption = Annotated[str, typer.Option("--encoding", help="The encoding of a text file.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def command_app() -> typer.Typer:
    """An application for the commands of one module."""
    return typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def opened_project(folder: Path | None, near: Path | None = None) -> ProjectFile:
    """
    The project that a command works in.

    Raises:
        UsageError: there is none.
    """
    found = folder or find_project(near.parent if near else Path.cwd())
    if found is None:
        raise UsageError(
            "C150", "there is no `campaignctl.yaml` here or above", "run `campaignctl init`, or use `--project`"
        )
    project = load_project(found, os.environ)
    if not isinstance(project, ProjectFile):
        show_problems(project, {})
        raise typer.Exit(1)
    return project


def opened_campaign(path: Path, project: ProjectFile) -> tuple[CampaignFile, ProjectFiles]:
    """
    The campaign in the file *path*; its problems are shown where it has some.

    Raises:
        UsageError: the file cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as failure:
        raise UsageError("C151", f"`{path}` cannot be read: {failure.strerror}", "check the path") from failure
    loaded = load_campaign(str(path), content)
    if isinstance(loaded, CampaignFile):
        return loaded, ProjectFiles(project.folder, path.resolve().parent)
    show_problems(loaded, {str(path): content.decode("utf-8", "replace")})
    raise typer.Exit(1)


def actor() -> str:
    """Who types: for the journal."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"
