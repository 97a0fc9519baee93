"""The files that a campaign names: templates and attachments, inside the project's folder and nowhere else."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LARGEST_FILE: Final = 10 * 1024 * 1024


@dataclass(frozen=True)
class FileTrouble:
    """Why a path cannot be used: a word for the program, and a sentence for people."""

    kind: str  # `missing`, `escapes`, `not_a_file`, `too_large`, `unreadable`
    message: str
    hint: str


@dataclass(frozen=True)
class ProjectFiles:
    """
    Reads paths that a file in *folder* names, as long as they stay inside *project*.

    Symbolic links are followed first and judged afterwards.
    """

    project: Path
    folder: Path

    def read(self, path: str) -> bytes | FileTrouble:
        """The content of the file, or why it cannot be had."""
        place = self._inside(path)
        if isinstance(place, FileTrouble):
            return place
        try:
            # Without O_NONBLOCK a named pipe would wait for a writer for ever.
            descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK)
        except FileNotFoundError:
            return FileTrouble(
                "missing", f"`{path}` does not exist", "correct the path: it begins at the campaign's folder"
            )
        except OSError as failure:
            return FileTrouble("unreadable", f"`{path}` cannot be read: {failure.strerror}", "check its permissions")
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            os.close(descriptor)
            return FileTrouble("not_a_file", f"`{path}` is not a regular file", "name a file")
        with os.fdopen(descriptor, "rb") as opened:
            if facts.st_size > LARGEST_FILE:
                return FileTrouble("too_large", f"`{path}` is larger than 10 MiB", "make it smaller")
            return opened.read(LARGEST_FILE)

    def _inside(self, path: str) -> Path | FileTrouble:
        escapes = FileTrouble(
            "escapes",
            f"`{path}` is outside the project's folder",
            "keep the files of campaigns inside the project",
        )
        if "\0" in path or Path(path).is_absolute():
            return escapes
        try:
            place = (self.folder / path).resolve()
        except (OSError, RuntimeError):
            return FileTrouble("unreadable", f"`{path}` leads nowhere", "check its symbolic links")
        return place if place.is_relative_to(self.project.resolve()) else escapes
