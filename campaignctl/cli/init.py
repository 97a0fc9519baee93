"""`campaignctl init`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from campaignctl.cli.demo import examples
from campaignctl.cli.options import command_app
from campaignctl.errors import UsageError
from campaignctl.project import PROJECT_FILE

app = command_app()


@app.command()
def init_command(folder: Annotated[Path, typer.Argument(help="Where to make it.")] = Path()) -> None:
    """
    Make a project to start from: project file, contacts, one campaign, its template.

    Example: campaignctl init my-project
    """
    example = examples() / "one-message"
    files = sorted(path.relative_to(example) for path in example.rglob("*") if path.is_file())
    there = [path for path in files if (folder / path).exists()]
    if there:
        raise UsageError(
            "U104", f"`{folder / there[0]}` is there already", "choose an empty folder; nothing was changed"
        )
    for path in files:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(example / path, folder / path)
        print(f"made {folder / path}")
    print(f"\nNext: set `sender` in {folder / PROJECT_FILE}, then:")
    print("  campaignctl contacts import customers contacts.csv\n  campaignctl validate campaigns")
