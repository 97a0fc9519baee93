"""A file of contacts: what it is, whether it may be read, and its bytes within limits."""

from __future__ import annotations

import codecs
import io
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from campaignctl.errors import UsageError, WorkFailedError

MAX_FILE_BYTES = 4 * 2**30
MAX_DOCUMENT_BYTES = 256 * 2**20
MAX_LINE_BYTES = 4 * 2**20
MAX_COLUMNS = 500
MAX_CELL_CHARACTERS = 64 * 2**10

_CHUNK_BYTES = 256 * 2**10


class Format(StrEnum):
    """The form of a file of contacts."""

    CSV = "csv"  # fields separated by commas or semicolons
    TSV = "tsv"  # fields separated by tabs
    JSON = "json"  # one array of objects
    NDJSON = "ndjson"  # one object a line
    SQLITE = "sqlite"  # a table of an SQLite database


_BY_ENDING = {
    ".csv": Format.CSV,
    ".tsv": Format.TSV,
    ".tab": Format.TSV,
    ".json": Format.JSON,
    ".ndjson": Format.NDJSON,
    ".jsonl": Format.NDJSON,
    ".db": Format.SQLITE,
    ".sqlite": Format.SQLITE,
    ".sqlite3": Format.SQLITE,
}


@dataclass(frozen=True)
class Source:
    """Where contacts come from. `format` is told by the name's ending; `table` is for SQLite."""

    path: Path
    format: Format | None = None
    encoding: str = "utf-8"
    table: str | None = None

    def known_format(self) -> Format:
        """
        The form of the file.

        Raises:
            UsageError: neither said nor told by the name.
        """
        found = self.format or _BY_ENDING.get(self.path.suffix.lower())
        if found is None:
            raise UsageError(
                "S302",
                f"the name `{self.path.name}` does not tell what kind of file it is",
                f"say it with `--input-format {'|'.join(Format)}`",
            )
        return found

    def codec(self) -> str:
        """
        The encoding as Python spells it; UTF-8 may begin with a byte order mark.

        Raises:
            UsageError: there is no such encoding.
        """
        try:
            name = codecs.lookup(self.encoding).name
            "".encode(name)  # refuses what is no encoding of text, such as `base64`
        except (LookupError, ValueError) as failure:
            raise UsageError(
                "S303", f"`{self.encoding}` is no encoding", "try `utf-8`, `cp1252` or `utf-16`"
            ) from failure
        return "utf-8-sig" if name == "utf-8" else name

    def size(self, limit: int = MAX_FILE_BYTES) -> int:
        """
        How many bytes the file has.

        Raises:
            WorkFailedError: it cannot be read, is no regular file, or is larger than *limit*.
        """
        with self.translated():
            found = self.path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise WorkFailedError("S301", f"`{self.path}` is not a file", "name a regular file")
        if found.st_size > limit:
            raise WorkFailedError(
                "S301",
                f"`{self.path}` is larger than {limit // 2**20} MiB",
                "cut it in parts, or use CSV or NDJSON: they are read line by line",
            )
        return found.st_size

    @contextmanager
    def translated(self) -> Iterator[None]:
        """What goes wrong with the file, in our words."""
        try:
            yield
        except UnicodeError as failure:
            raise self._undecodable() from failure
        except (OSError, ValueError) as failure:
            said = failure.strerror if isinstance(failure, OSError) else "its name is no path"
            raise WorkFailedError(
                "S301", f"`{self.path}` cannot be read: {said}", "check its name and permissions"
            ) from failure

    def _undecodable(self) -> WorkFailedError:
        """Look for the line once more: the decoder counts bytes of its own buffer only."""
        decoder = codecs.getincrementaldecoder(self.codec())()
        line = 0
        with self.path.open("rb") as file:
            while content := file.readline(MAX_LINE_BYTES):
                line += 1
                try:
                    decoder.decode(content)
                except UnicodeError:
                    break
        return WorkFailedError(
            "S303",
            f"line {line} of `{self.path}` is not {self.encoding.upper()}",
            "say which encoding it is with `--encoding`, for example `--encoding cp1252`",
        )


class BoundedFile(io.RawIOBase):
    """The bytes of a file, counted as they are read. A line without an end is refused before it fills the memory."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self._line_bytes = 0
        self._path = path
        self.done = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]  # typeshed has no name for it at run time
        count = self._file.readinto(view) or 0
        content = view[:count].tobytes()
        last_end = max(content.rfind(b"\n"), content.rfind(b"\r"))
        self._line_bytes = self._line_bytes + count if last_end < 0 else count - last_end - 1
        if self._line_bytes > MAX_LINE_BYTES:
            raise WorkFailedError(
                "S305",
                f"a line of `{self._path}` is longer than {MAX_LINE_BYTES // 2**20} MiB",
                "check that it is a file of this kind, with one contact a line",
            )
        self.done += count
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def open_text(source: Source) -> tuple[BoundedFile, io.TextIOWrapper]:
    """The file's text, line ends as they are, and its counted bytes."""
    source.size()
    codec = source.codec()
    with source.translated():
        raw = BoundedFile(source.path)
    return raw, io.TextIOWrapper(io.BufferedReader(raw, _CHUNK_BYTES), encoding=codec, errors="strict", newline="")


def read_document(source: Source) -> str:
    """
    The whole file as text.

    Raises:
        WorkFailedError: it is too large for that, or not in its encoding.
    """
    source.size(MAX_DOCUMENT_BYTES)
    codec = source.codec()
    with source.translated():
        return source.path.read_bytes().decode(codec)
