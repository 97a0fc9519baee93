"""A campaign of ours that sends one message to so many contacts: published, due, and run as often as it is wanted."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.letter import HTML, LINK, LOOP, POSTAL_ADDRESS, PUBLIC_URL, SENDER, SUBJECT, TEXT, for_ours, write_contacts
from bench.processes import Used, run

PROGRAM = [sys.executable, "-c", "from campaignctl.cli.start import start; start()"]
SUBSTITUTING, ANY, TRACKED = "sale", "sale-with-a-loop", "tracked-sale"
_TRACK = "  track: {opens: true, clicks: true}\n"
_NOBODY_LISTENS = 1


@dataclass(frozen=True)
class Mailing:
    """One published campaign of a project, and the store that each run works on a copy of."""

    project: Path
    campaign: str
    contacts: int
    store: Path

    @property
    def copy(self) -> Path:
        return self.store.with_name(f"{self.store.stem}-copy.db")

    def renew(self) -> None:
        """Begin anew with a copy on which nothing has been done yet."""
        for old in self.copy.parent.glob(f"{self.copy.name}*"):
            old.unlink()
        shutil.copyfile(self.store, self.copy)
        with self.copy.open("rb+") as file:
            os.fsync(file.fileno())  # or the run would wait for the writing of the copy

    def command(self, verb: str, *arguments: str) -> list[str]:
        """A command of ours on the copy."""
        return [*PROGRAM, "--quiet", verb, *arguments, "--project", str(self.project), "--store", str(self.copy)]

    def send(self) -> Used:
        """Run the campaign to its end."""
        self.renew()
        return run(self.command("run", "--until-idle"))

    def bytes_for_each(self) -> float:
        """How much larger the run that was last has made the store, for each message."""
        return (self.copy.stat().st_size - self.store.stat().st_size) / self.contacts

    def queued(self) -> Mailing:
        """The same campaign with all of its messages queued, and none sent."""
        store = self.store.with_name(f"{self.store.stem}-queued.db")
        unreachable = _project(self.project / "unreachable", _NOBODY_LISTENS)
        self.renew()
        _command(unreachable, self.copy, "run", "--once")
        shutil.move(self.copy, store)
        return Mailing(self.project, self.campaign, self.contacts, store)


def published(folder: Path, campaign: str, contacts: int, port: int, onto: Path | None = None) -> Mailing:
    """
    A mailing in *folder* to a server at *port*; with no contacts, a store in which there is nothing to do.

    *onto* is a store to add it to, instead of a new one.
    """
    project = _project(folder / "project", port)
    imported = onto or folder / f"{contacts}.db"
    if onto or not imported.exists():
        file = write_contacts(folder / f"{contacts}.csv", max(contacts, 1))
        _command(project, imported, "contacts", "import", "customers", str(file))
    store = folder / f"{campaign}-{contacts}.db"
    shutil.copyfile(imported, store)
    if contacts:
        _command(project, store, "publish", str(project / f"{campaign}.yaml"), "--now", "--yes")
        time.sleep(1)  # the safety delay: from now on it is due
    with sqlite3.connect(store) as connection:
        # Free pages would hide what a run adds.
        connection.execute("VACUUM")
    connection.close()
    return Mailing(project, campaign, contacts, store)


def _command(project: Path, store: Path, *arguments: str) -> None:
    command = [*PROGRAM, *arguments, "--project", str(project), "--store", str(store)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).resolve().parents[1])
    if ended.returncode:
        raise RuntimeError(f"{arguments} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")


def _project(folder: Path, port: int) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "campaignctl.yaml").write_text(
        f'project: bench\ntimezone: Europe/Paris\nsafety_delay: 1s\nsender: "{SENDER}"\npublic_url: {PUBLIC_URL}\n'
        f'postal_address: "{POSTAL_ADDRESS}"\nlists: {{customers: {{key: id, email: email}}}}\n'
        f"channels:\n  email: {{smtp: 'smtp://127.0.0.1:{port}', tls: none, connections: 10}}\n"
    )
    for campaign, more, track in ((SUBSTITUTING, "", ""), (ANY, LOOP, ""), (TRACKED, LINK, _TRACK)):
        (folder / f"{campaign}.txt").write_text(for_ours(TEXT) + more)
        (folder / f"{campaign}.html").write_text(for_ours(HTML).replace("</body>", f"<p>{more}</p></body>"))
        (folder / f"{campaign}.yaml").write_text(
            f"campaign: {campaign}\nlist: customers\nsegment: {{attribute: email, exists: true}}\n"
            f'at: 2100-01-01 10:00\nemail:\n  subject: "{for_ours(SUBJECT)}"\n'
            f"  body: {{html: {campaign}.html, text: {campaign}.txt}}\n{track}"
        )
    return folder
