"""`campaignctl init`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, get_args

import typer

from campaignctl.cli.demo import examples
from campaignctl.cli.options import command_app
from campaignctl.errors import UsageError
from campaignctl.project import PROJECT_FILE
from campaignctl.schema import Kind, schema_text

app = command_app()


@app.command()
def init_command(folder: Annotated[Path, typer.Argument(help="Where to make it.")] = Path()) -> None:
    """
    Make a project to start from: project file, contacts, one campaign, its template, schemas for editors.

    Example: campaignctl init my-project
    """
    files = dict(_files())
    there = [path for path in files if (folder / path).exists()]
    if there:
        raise UsageError(
            "U104", f"`{folder / there[0]}` is there already", "choose an empty folder; nothing was changed"
        )
    try:
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content, "utf-8")
            print(f"made {folder / path}")
    except OSError as failure:
        raise UsageError(
            "U105", f"`{failure.filename}` cannot be written: {failure.strerror}", "name another folder"
        ) from failure
    if folder != Path():
        print(f"\nNext: cd {folder}, set `sender` in {PROJECT_FILE}, then:")
    else:
        print(f"\nNext: set `sender` in {PROJECT_FILE}, then:")
    print("  campaignctl contacts import customers contacts.csv\n  campaignctl validate campaigns")


def _files() -> Iterator[tuple[Path, str]]:
    """Every file of a new project: the smallest example, and the schemas that its files name for editors."""
    example = examples() / "one-message"
    for path in sorted(path for path in example.rglob("*") if path.is_file()):
        text = path.read_text("utf-8")
        # In this repository the schemas lie above the examples.
        yield (
            path.relative_to(example),
            re.sub(r"(\$schema=)[./]*/schemas/", rf"\1{_up_from(path, example)}schemas/", text),
        )
    for kind in get_args(Kind):
        yield Path("schemas") / f"{kind}.schema.json", schema_text(kind)
    yield Path(".gitignore"), "# What runs here, and who is written to, belongs in no repository.\n" + _IGNORED


_IGNORED = "/campaignctl.db*\n/outbox/\n/contacts.csv\n"


def _up_from(path: Path, example: Path) -> str:
    return "../" * (len(path.relative_to(example).parts) - 1) or "./"
