"""Ctrl-C in the middle of long work: noticed between two pieces of it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def noticed_between_pieces() -> Iterator[Callable[[], None]]:
    """
    What to call between two pieces of work: it raises KeyboardInterrupt where Ctrl-C was typed meanwhile.

    Python raises it between any two instructions otherwise, also inside the
    clean-up of a library, which then complains. A second Ctrl-C does just that.
    """
    was_typed = False

    def notice(number: int, _frame: FrameType | None) -> None:
        nonlocal was_typed
        was_typed = True
        signal.signal(number, before)

    def look() -> None:
        if was_typed:
            raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:  # a shell's background job
        yield look
        return
    signal.signal(signal.SIGINT, notice)
    try:
        yield look
    finally:
        signal.signal(signal.SIGINT, before)
