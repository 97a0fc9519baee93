"""A real browser, without a window."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import BrowserContext, sync_playwright


@contextmanager
def browser(**settings: object) -> Iterator[BrowserContext]:
    """A context of Debian's Chromium; the test is left out where there is none."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no chromium here")
    with sync_playwright() as playwright:
        # Root, as in containers, may not use Chromium's own sandbox.
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield chromium.new_context(**settings)  # type: ignore[arg-type] # the test knows the names
        finally:
            chromium.close()
