"""The terminal, pipe or file in front of the user: how much is said there, and whether in colour."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import TextIO

# What a terminal would obey. A file or a contact must not be able to say it.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Style(StrEnum):
    """How a word stands out on a terminal (the numbers of ECMA-48, 8.3.117)."""

    ERROR = "1;31"  # bold red
    WARNING = "1;33"  # bold yellow
    GOOD = "32"  # green
    WAITING = "33"  # yellow
    QUIET = "2"  # faint


@dataclass
class Screen:
    """What the user asked for beside the results; one for the whole process."""

    is_quiet: bool = False
    is_verbose: bool = False
    may_colour: bool = True

    def begin(self) -> None:
        """A new command: nothing was asked for yet."""
        self.is_quiet = self.is_verbose = False
        self.may_colour = True

    def has_colours(self, stream: TextIO) -> bool:
        """Whether words on *stream* stand out: only on a terminal, and never against the user's wish."""
        is_wanted = self.may_colour and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        return is_wanted and stream.isatty()


SCREEN = Screen()


def styled(text: str, style: Style | None, stream: TextIO) -> str:
    """*text* as it stands out on *stream*."""
    return f"\x1b[{style}m{text}\x1b[0m" if style and SCREEN.has_colours(stream) else text


def visible(text: str) -> str:
    r"""
    *text* with everything that a terminal would obey, or that turns the direction of writing, spelled out.

    >>> print(visible("Ada\x1b[2J"))
    Ada\x1b[2J
    """
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)


def say(text: str) -> None:
    """Something for people beside the results; not with `--quiet`."""
    if not SCREEN.is_quiet:
        print(visible(text), file=sys.stderr)


def tell(text: str) -> None:
    """A detail for those who asked for it with `--verbose`."""
    if SCREEN.is_verbose:
        print(visible(text), file=sys.stderr)


def show_error(code: str, message: str, hint: str) -> None:
    """A failure that is nobody's file: on stderr, also with `--quiet`."""
    label = styled(f"error[{code}]", Style.ERROR, sys.stderr)
    print(f"{label}: {visible(message)}", file=sys.stderr)
    if hint:
        print(f"  = hint: {visible(hint)}", file=sys.stderr)
