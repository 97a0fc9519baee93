"""The pages of the error codes."""

from __future__ import annotations

import re
from pathlib import Path


def _folder() -> Path:
    """Where the pages are: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).parent
    inside = package / "error_pages"
    return inside if inside.is_dir() else package.parent / "docs" / "errors"


def page(code: str) -> str | None:
    """The page of *code* in Markdown; None for a code that nobody uses."""
    if not re.fullmatch(r"[CDHPSU]\d{3}", code):
        return None
    path = _folder() / f"{code}.md"
    return path.read_text("utf-8") if path.is_file() else None


def known_codes() -> list[str]:
    """Every code that has a page."""
    return sorted(path.stem for path in _folder().glob("*.md"))
