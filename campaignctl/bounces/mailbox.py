"""
The messages of a mailbox: a Maildir, a folder of `.eml` files, an mbox file or a single message.

Files are only ever read. The standard library's `mailbox` opens them for
writing and takes lines as long as they come, so it is not asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from campaignctl.errors import WorkFailedError

MESSAGE_LIMIT: Final = 10 * 2**20

_LINE_LIMIT: Final = 64 * 2**10
_MBOX = b"From "


@dataclass(frozen=True)
class Found:
    """One message: what to call it, and its bytes, or why there are none."""

    name: str
    content: bytes = b""
    trouble: str = ""


def messages_in(path: Path) -> Iterator[Found]:
    """
    Every message below *path*, in the order of names.

    Raises:
        WorkFailedError: it is neither a folder nor a file, or cannot be read.
    """
    try:
        if path.is_dir():
            files = _files_in(path)
        elif path.is_file():
            with path.open("rb") as file:
                if file.read(len(_MBOX)) == _MBOX:
                    file.seek(0)
                    yield from _in_mbox(path.name, file)
                    return
            files = [path]
        else:
            raise FileNotFoundError(None, "there is no such file or folder")
    except (OSError, ValueError) as failure:
        said = failure.strerror if isinstance(failure, OSError) else "its name is no path"
        raise WorkFailedError("S230", f"`{path}` cannot be read: {said}", "name a mailbox folder or file") from failure
    for each in files:
        yield _in_file(each)


def _files_in(folder: Path) -> list[Path]:
    # What a Maildir has in `tmp` is still being written.
    boxes = [folder / name for name in ("cur", "new") if (folder / name).is_dir()]
    if boxes:
        found = [file for box in boxes for file in box.iterdir() if not file.name.startswith(".")]
    else:
        found = [file for file in folder.iterdir() if file.suffix.lower() == ".eml"]
    return sorted(file for file in found if file.is_file())


def _in_file(path: Path) -> Found:
    try:
        with path.open("rb") as file:
            content = file.read(MESSAGE_LIMIT + 1)
    except OSError as failure:
        return Found(path.name, trouble=f"it cannot be read: {failure.strerror}")
    return _measured(path.name, content)


def _in_mbox(name: str, file: BinaryIO) -> Iterator[Found]:
    """The messages of an mbox: each begins with a line `From …` behind an empty one."""
    number, content = 0, bytearray()
    is_new_line = was_empty = True
    while line := file.readline(_LINE_LIMIT):
        if is_new_line and was_empty and line.startswith(_MBOX):
            if number:
                yield _measured(f"{name}:{number}", bytes(content))
            number, content = number + 1, bytearray()
        elif len(content) <= MESSAGE_LIMIT:
            content += line
        was_empty = is_new_line and line.strip(b"\r\n") == b""
        is_new_line = line.endswith(b"\n")
    yield _measured(f"{name}:{number}", bytes(content))


def _measured(name: str, content: bytes) -> Found:
    if len(content) > MESSAGE_LIMIT:
        return Found(name, trouble=f"it is larger than {MESSAGE_LIMIT // 2**20} MiB")
    return Found(name, content)
