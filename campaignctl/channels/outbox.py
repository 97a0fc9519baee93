"""`OutboxChannel`: a folder in the place of a relay, one file a message."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

from campaignctl.ports import Outcome, Outgoing, Verdict

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")
_READABLE_LIMIT = 120
_HASH_LENGTH = 16


class OutboxChannel:
    """
    Writes each message to a file, so that nothing leaves the machine.

    A file that is there is complete and on disk. Its name comes from the
    delivery's key: a second try replaces the first.
    """

    def __init__(self, folder: Path, capacity: int = 64, ending: str = "eml") -> None:
        self._folder = folder
        self._ending = ending
        self._capacity = capacity

    @property
    def capacity(self) -> int:
        return self._capacity

    @property
    def in_flight(self) -> int:
        return 0

    def exchange(self, messages: Sequence[Outgoing], patience: timedelta | None = None) -> Sequence[Outcome]:  # noqa: ARG002 # a file takes no time to wait for
        """
        Write the messages; all have finished on return.

        What the disk refuses is not sent: no contact is at fault, and it goes
        on when somebody has made room or given a permission. It is no
        `ChannelError`, which would take the outcomes of the messages already
        written with it.
        """
        if len(messages) > self._capacity:
            raise ValueError("more messages than the channel has room for")
        outcomes = [self._written(message) for message in messages]
        if any(outcome.verdict is Verdict.SENT for outcome in outcomes):
            _sync_folder(self._folder)
        return outcomes

    def abandon(self, grace: timedelta = timedelta(0)) -> Sequence[Outcome]:  # noqa: ARG002 # nothing needs it
        """Nothing is under way between two calls."""
        return []

    def close(self) -> None:
        """Nothing is held open."""

    def _written(self, message: Outgoing) -> Outcome:
        path = self._folder / file_name(message.key, self._ending)
        # The same folder, for a rename; the same name, so that a crash leaves one at most.
        unfinished = path.with_name(f".{path.name}.unfinished")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with unfinished.open("wb") as file:
                file.write(message.content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        except OSError as error:
            _remove(unfinished)
            detail = f"{path} cannot be written: {error.strerror}"
            return Outcome(message.key, Verdict.NOT_SENT, "outbox_unwritable", detail)
        return Outcome(message.key, Verdict.SENT, detail=str(path))


def file_name(key: str, ending: str = "eml") -> str:
    """
    The name of the file for the delivery with this *key*: readable, safe, and different for every key.

    >>> file_name("spring-sale/invitation/c-17")
    'spring-sale.invitation.c-17.a92ed7604249ae82.eml'
    """
    readable = _UNSAFE.sub(".", key).strip(".-")[:_READABLE_LIMIT]
    digest = sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_LENGTH]
    return ".".join(part for part in (readable, digest, ending) if part)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make the names durable, not only what the files hold; some file systems cannot, and need not."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
