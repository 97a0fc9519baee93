"""`Shop`: a project with one published campaign on a real store, and daemons that work it as processes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from faults.witness import watch

from campaignctl.clock import SetClock, SystemClock
from campaignctl.demo import FastTime
from campaignctl.project import PROJECT_FILE, ProjectFile, load_project
from campaignctl.store.database import open_sqlite
from campaignctl.store.ledger import SqlStore

CAMPAIGNCTL: Final = Path(sys.executable).parent / "campaignctl"
STORE: Final = "campaignctl.db"

_CAMPAIGN: Final = """
campaign: sale
list: customers
segment: {attribute: email, exists: true}
at: 2037-01-01 09:00
email: {subject: "Hi {{ contact.name }}", body: hello.md}
"""


@dataclass(frozen=True)
class Shop:
    """The folder of the project, and what the daemons on it were told."""

    folder: Path
    contacts: int
    connections: int
    may_repeat: bool

    @classmethod
    def opened(cls, folder: Path, port: int, *, contacts: int, connections: int = 1, may_repeat: bool = True) -> Shop:
        """A project whose only campaign is due."""
        shop = cls(folder, contacts, connections, may_repeat)
        folder.mkdir(exist_ok=True)
        guarantee = "at_least_once" if may_repeat else "at_most_once"
        (folder / PROJECT_FILE).write_text(
            "project: shop\ntimezone: Europe/Paris\nsender: Shop <news@shop.example>\npostal_address: Paris\n"
            f"safety_delay: 1s\nlists: {{customers: {{key: id, email: email}}}}\nsend: {{guarantee: {guarantee}}}\n"
            f"channels: {{email: {{smtp: 'smtp://127.0.0.1:{port}', connections: {connections}}}}}\n"
        )
        (folder / "hello.md").write_text("Hello {{ contact.name }} {{ unsubscribe_url }} {{ postal_address }}")
        (folder / "sale.yaml").write_text(_CAMPAIGN)
        # Many domains, or the limit of each would keep most connections idle.
        rows = "".join(f"c-{number},u{number}@d{number % 40}.example,N{number}\n" for number in range(contacts))
        (folder / "contacts.csv").write_text("id,email,name\n" + rows)
        shop._publish()
        return shop

    def copied(self, folder: Path) -> Shop:
        """The same shop in another folder, as it is now."""
        shutil.copytree(self.folder, folder)
        return replace(self, folder=folder)

    @property
    def store(self) -> Path:
        return self.folder / STORE

    @property
    def project(self) -> ProjectFile:
        loaded = load_project(self.folder, {})
        assert isinstance(loaded, ProjectFile), loaded
        return loaded

    def _publish(self) -> None:
        clock = SetClock(SystemClock().now() - timedelta(seconds=5))
        store = SqlStore(open_sqlite(self.store, clock.now()))
        try:
            fast = FastTime(self.project, store, self.store, clock)
            fast.import_list("customers", self.folder / "contacts.csv")
            fast.publish(self.folder / "sale.yaml", starts_now=True)
            with store.database.writing() as connection:
                watch(connection.connection.driver_connection)
        finally:
            store.close()

    def command(self, *arguments: str, expected: int = 0) -> str:
        """Call `campaignctl` as a person would; what it said."""
        done = subprocess.run(
            [CAMPAIGNCTL, *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=300,
            stdin=subprocess.DEVNULL,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == expected, done.stderr + done.stdout
        return done.stdout + done.stderr

    @contextmanager
    def daemon(self, *options: str) -> Iterator[subprocess.Popen[str]]:
        """A daemon at work; at the end of the block it is no more, whatever happened."""
        with self.started(*options) as process:
            try:
                yield process
            finally:
                process.kill()

    def started(self, *options: str) -> subprocess.Popen[str]:
        """A daemon at work, which the caller ends."""
        return subprocess.Popen(
            [CAMPAIGNCTL, "run", *options],
            cwd=self.folder,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            text=True,
        )
