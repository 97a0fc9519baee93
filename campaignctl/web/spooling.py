"""Where a body waits that may be large: a file on the disk of the store."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Final

from campaignctl.errors import StoreError
from campaignctl.store.ledger import SqlStore

LARGEST_REQUEST: Final = 2 * 1024**3
_PIECE: Final = 256 * 1024


@contextmanager
def spool(store: SqlStore) -> Iterator[IO[bytes]]:
    """
    A file without a name, for as long as the block lasts. There has to be room for what it holds anyway.

    Raises:
        StoreError: there is none.
    """
    path = store.database.path
    with disk_told(), tempfile.TemporaryFile(dir=None if path is None else path.parent) as file:
        yield file


@contextmanager
def disk_told() -> Iterator[None]:
    """
    What the disk refuses inside the block, in our words.

    Raises:
        StoreError: there is no room, or no file can be made.
    """
    try:
        yield
    except OSError as failure:
        if failure.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError(
                "S106", "the disk is full", "make room and send it again: nothing was changed"
            ) from failure
        raise StoreError(
            "S101", f"no file can be made beside the store: {failure.strerror}",
            "check the folder, its permissions and the room on its disk",
        ) from failure  # fmt: skip


def pieces_from(file: IO[bytes]) -> Iterator[bytes]:
    """All that is in *file*, from its start."""
    file.seek(0)
    while piece := file.read(_PIECE):
        yield piece
