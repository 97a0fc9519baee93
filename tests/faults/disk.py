"""
`Disk`: the files of a database as they are after a power cut.

What was written is only there for sure when it was synced. Of the rest any
sector may be there or not, in whatever order it was written, and one may be
half of it. So may what happened to the names in the folder, in its order: a
file that was made, or removed.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import apsw

_SECTOR: Final = 512
_JOURNALS: Final = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL


class Write(NamedTuple):
    """Bytes in their place; `None` cuts the file off there."""

    at: int
    data: bytes | None

    def applied(self, content: bytearray) -> None:
        if self.data is None:
            del content[self.at :]
        else:
            content.extend(bytes(max(0, self.at - len(content))))
            content[self.at : self.at + len(self.data)] = self.data

    def sectors(self) -> Iterator[Write]:
        """The parts of it that a disk writes at once."""
        if self.data is None:
            yield self
            return
        start, end = self.at, self.at + len(self.data)
        while start < end:
            stop = min(end, start - start % _SECTOR + _SECTOR)
            yield Write(start, self.data[start - self.at : stop - self.at])
            start = stop

    def torn(self, chance: random.Random) -> Write:
        """Begun, and not finished: noise in place of the rest."""
        if self.data is None:
            return self
        good = chance.randrange(len(self.data))
        return Write(self.at, self.data[:good] + chance.randbytes(len(self.data) - good))


class Content:
    """What a disk has of one file."""

    def __init__(self, synced: bytes) -> None:
        self._synced = bytearray(synced)
        self._waiting: list[Write] = []

    def write(self, write: Write) -> None:
        self._waiting.append(write)

    def sync(self) -> None:
        for write in self._waiting:
            write.applied(self._synced)
        self._waiting.clear()

    def after_a_cut(self, chance: random.Random) -> bytes:
        """What is there when the power comes back."""
        left = bytearray(self._synced)
        sectors = [sector for write in self._waiting for sector in write.sectors()]
        share = chance.choice([0.0, 0.2, 0.5, 0.9, 1.0])
        kept = [sector for sector in sectors if chance.random() < share]
        if kept and chance.random() < 0.5:
            torn = chance.randrange(len(kept))
            kept[torn] = kept[torn].torn(chance)
        for sector in kept:
            sector.applied(left)
        return bytes(left)


class Disk(apsw.VFS):
    """
    A virtual file system for the databases of this process.

    Files are the real ones, and hold what the system would show; what a disk has
    of them is remembered here. The power goes, and the process with it, in the
    middle of a write, a sync or a removal: the one with the number *cut*,
    counted from one; never with 0.
    """

    def __init__(self, name: str, cut: int, seed: int) -> None:
        super().__init__(name, "")
        self.operations = 0
        self._cut = cut
        self._chance = random.Random(seed)
        # What the folder has under which name, and what happened to names since it was synced.
        self._synced: dict[Path, Content | None] = {}
        self._waiting: list[tuple[Path, Content | None]] = []

    def content(self, path: Path) -> Content:
        """What is in the file now; one that is not there is made."""
        now = self._synced | dict(self._waiting)
        if path not in now and path.exists():
            found = self._synced[path] = Content(path.read_bytes())
            return found
        known = now.get(path)
        if known is None:
            known = Content(b"")
            self._waiting.append((path, known))
        return known

    def sync_folder(self) -> None:
        self._synced.update(self._waiting)
        self._waiting.clear()

    def goes_on(self) -> None:
        """One thing more is under way: perhaps the last."""
        self.operations += 1
        if self.operations == self._cut:
            self._fail()

    def _fail(self) -> None:
        names = self._synced | dict(self._waiting[: self._chance.randint(0, len(self._waiting))])
        for path in self._synced | dict(self._waiting):
            path.unlink(missing_ok=True)
            # Shared memory is gone as well.
            path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
        for path, content in names.items():
            if content is not None:
                path.write_bytes(content.after_a_cut(self._chance))
        os.kill(os.getpid(), signal.SIGKILL)

    # what SQLite calls

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        if name is None:
            return apsw.VFSFile("", name, flags)
        path = Path(name.filename() if isinstance(name, apsw.URIFilename) else name)
        return _DiskFile(self, name, flags, self.content(path))

    def xDelete(self, filename: str, is_synced: bool) -> None:
        self._waiting.append((Path(filename), None))
        self.goes_on()
        super().xDelete(filename, is_synced)
        if is_synced:
            self.sync_folder()


class _DiskFile(apsw.VFSFile):
    """An open file: it is the real one, and the disk learns of what is done to it."""

    def __init__(self, disk: Disk, name: Any, flags: list[int], content: Content) -> None:
        super().__init__("", name, flags)
        self._disk = disk
        self._content = content
        # As SQLite's own: the first sync of a journal makes its name durable.
        self._syncs_folder = bool(flags[0] & _JOURNALS)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._content.write(Write(offset, bytes(data)))
        self._disk.goes_on()
        super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:
        self._content.write(Write(size, None))
        self._disk.goes_on()
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:
        self._disk.goes_on()
        super().xSync(flags)
        self._content.sync()
        if self._syncs_folder:
            self._disk.sync_folder()
            self._syncs_folder = False
