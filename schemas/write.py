"""Writes the schemas of this folder anew, or says that they are stale."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import get_args

from campaignctl.schema import Kind, schema_text
from campaignctl.web.openapi import openapi_text


def main(arguments: list[str]) -> int:
    """Write every schema; with `--check` only compare. The exit code."""
    stale = []
    texts = {f"{kind}.schema.json": schema_text(kind) for kind in get_args(Kind)} | {"openapi.json": openapi_text()}
    for name, text in texts.items():
        path = Path(__file__).parent / name
        if path.exists() and path.read_text("utf-8") == text:
            continue
        if arguments == ["--check"]:
            stale.append(path.name)
        else:
            path.write_text(text, "utf-8")
    if stale:
        print(f"stale: {', '.join(stale)}. Run make schemas.", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
