"""No daemon outlives its test."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def nothing_goes_on_afterwards() -> Iterator[None]:
    """A daemon that a failed test leaves behind would ask for its dead mail server for ever."""
    yield
    for process in multiprocessing.active_children():
        process.kill()
        process.join()
