"""
Uploading: a request that comes in parts, which are files beside the store until it is commenced.

The store says which uploads there are, and their folders hold what has come. A
folder is made after its upload was written down, and removed after that was
taken back: what a crash leaves is found by comparing the two.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from campaignctl.errors import RefusedError, StoreError
from campaignctl.store.ledger import SqlStore
from campaignctl.store.uploads import Upload

KEPT_FOR: Final = timedelta(hours=24)
MOST_PARTS: Final = 1000
_MOST_AT_ONCE: Final = 10  # uploads of one campaign
_PIECE: Final = 256 * 1024


class UnknownUploadError(RefusedError):
    """There is no such upload: it was never made, has expired, or was commenced."""

    def __init__(self) -> None:
        super().__init__("H141", "there is no such upload", "it may have expired, after a day: create another one")


@dataclass(frozen=True)
class Part:
    """A part that has come whole: its place, from 1, its size in bytes, and its file."""

    number: int
    size: int
    path: Path


def begin(store: SqlStore, name: str, *, actor: str, now: datetime) -> Upload:
    """
    A new upload for a campaign.

    Raises:
        RefusedError: there is no such campaign, or it has too many of them.
    """
    clear_away(store, now)
    with store.writing() as ledger:
        campaign = ledger.known_campaign(name)
        if ledger.uploads_of(campaign) >= _MOST_AT_ONCE:
            raise RefusedError(
                "P166", f"`{name}` has {_MOST_AT_ONCE} uploads already", "commence or delete one of them first"
            )
        made = Upload(secrets.token_hex(16), campaign.id, now + KEPT_FOR)
        ledger.add_upload(made, actor, now)
    return made


def known_upload(store: SqlStore, name: str, upload_id: str, now: datetime) -> Upload:
    """
    An upload of a campaign.

    Raises:
        UnknownUploadError: there is none with this id.
    """
    with store.reading() as ledger:
        campaign = ledger.campaign_named(name)
        found = None if campaign is None else ledger.upload(campaign, upload_id, now)
    if found is None:
        raise UnknownUploadError
    return found


def parts_of(store: SqlStore, upload: Upload) -> list[Part]:
    """The parts that have come, in the order of their numbers."""
    found = []
    with suppress(FileNotFoundError):
        for path in _folder(store, upload.id).iterdir():
            # What is still on its way has another kind of name.
            if path.name.isdecimal():
                found.append(Part(int(path.name), path.stat().st_size, path))
    return sorted(found, key=lambda part: part.number)


class IncomingPart:
    """A part on its way in. It takes its place, or that of the one before, when it is whole and on the disk."""

    def __init__(self, store: SqlStore, upload: Upload, number: int) -> None:
        folder = _folder(store, upload.id)
        for each in (folder.parent, folder):
            each.mkdir(mode=0o700, exist_ok=True)
        self._path = folder / f".{number}-{secrets.token_hex(8)}"
        self._place = folder / str(number)
        self._digest = hashlib.sha256()
        self.size = 0
        self._file = os.fdopen(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # what could not be written is thrown away
            self._file.close()
        self._path.unlink(missing_ok=True)

    def write(self, piece: bytes) -> None:
        self._file.write(piece)
        self._digest.update(piece)
        self.size += len(piece)

    def keep(self) -> str:
        """
        All of it has come; its SHA-256.

        Raises:
            UnknownUploadError: the upload went away meanwhile.
        """
        self._file.flush()
        os.fsync(self._file.fileno())
        try:
            self._path.replace(self._place)
            for folder in (self._place.parent, self._place.parent.parent, self._place.parent.parent.parent):
                _write_names(folder)
        except FileNotFoundError:
            raise UnknownUploadError from None
        return self._digest.hexdigest()


@contextmanager
def opened_parts(store: SqlStore, upload: Upload, expected: int | None = None) -> Iterator[Sequence[IO[bytes]]]:
    """
    All parts of an upload, open; what comes or goes later is not seen.

    Raises:
        RefusedError: one of the *expected* ones has not come, or one before the last.
        UnknownUploadError: the upload went away meanwhile.
    """
    parts = parts_of(store, upload)
    there = {part.number for part in parts}
    last = max(there, default=1) if expected is None else expected
    missing = next((number for number in range(1, last + 1) if number not in there), None)
    if missing is not None:
        raise RefusedError("P165", f"part {missing} of the upload has not come", "send it, and commence again")
    if (further := max(there)) > last:
        raise RefusedError(
            "P165", f"the upload has a part {further}, of {last} that are expected", "say how many parts there are"
        )
    with ExitStack() as stack:
        try:
            files = [stack.enter_context(part.path.open("rb")) for part in parts]
        except FileNotFoundError:
            raise UnknownUploadError from None
        yield files


def pieces_of_parts(parts: Sequence[IO[bytes]]) -> Iterator[bytes]:
    """What is in these files, one after the other, from the start."""
    for part in parts:
        part.seek(0)
        while piece := part.read(_PIECE):
            yield piece


def discard(store: SqlStore, upload_id: str) -> None:
    """Forget an upload, and remove what has come of it."""
    with store.writing() as ledger:
        ledger.remove_upload(upload_id)
    shutil.rmtree(_folder(store, upload_id), ignore_errors=True)


def clear_away(store: SqlStore, now: datetime) -> None:
    """Forget the uploads that have expired, and remove the folders of those that are not there any more."""
    # Looked at first: what is made in between has a folder only after it was written down.
    folders = _folders(store)
    with store.reading() as ledger:
        has_expired = ledger.has_expired_uploads(now)
    if has_expired:
        with store.writing() as ledger:
            ledger.remove_expired_uploads(now)
    with store.reading() as ledger:
        kept = ledger.kept_uploads()
    for folder in folders:
        if folder.name not in kept:
            shutil.rmtree(folder, ignore_errors=True)


def _folders(store: SqlStore) -> Sequence[Path]:
    with suppress(FileNotFoundError, NotADirectoryError):
        return list(_place(store).iterdir())
    return []


def _folder(store: SqlStore, upload_id: str) -> Path:
    return _place(store) / upload_id


def _place(store: SqlStore) -> Path:
    path = store.database.path
    if path is None:
        raise StoreError("S101", "a store in memory has no folder for uploads", "use a store in a file")
    return path.with_name(path.name + ".uploads")


def _write_names(folder: Path) -> None:
    """Have the disk keep the names in a folder."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
