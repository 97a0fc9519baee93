"""The other senders as commands, installed below `bench/.data` where that is needed and can be done."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.letter import (
    ENVELOPE_SENDER,
    HTML,
    POSTAL_ADDRESS,
    PUBLIC_URL,
    SENDER,
    SUBJECT,
    TEXT,
    for_jinja,
    write_contacts,
)

CONNECTIONS = 10
SIZE = 3000
SMTP_SOURCE = Path("/usr/sbin/smtp-source")
MAILMERGE = "2.3.0"

_DATA = Path(__file__).resolve().parents[1] / ".data"
_NODEMAILER = Path(__file__).with_name("nodemailer")
_BOUNDARY = "a-boundary-between-parts"


class NotHereError(Exception):
    """A program is not on this machine, and cannot be brought to it; the text says why."""


def smtp_source(_folder: Path, port: int, count: int) -> list[str]:
    """The same bytes to one address, from C."""
    if not SMTP_SOURCE.exists():
        raise NotHereError("it is part of Debian's package postfix")
    sizes = ["-s", str(CONNECTIONS), "-m", str(count), "-l", str(SIZE)]
    return [str(SMTP_SOURCE), *sizes, "-f", ENVELOPE_SENDER, "-t", "user@mail.example", f"127.0.0.1:{port}"]


def smtplib(folder: Path, port: int, count: int) -> list[str]:
    """Python's own modules."""
    return [sys.executable, "-m", "bench.peers.standard_library", str(port), str(_contacts(folder, count))]


def nodemailer(folder: Path, port: int, count: int) -> list[str]:
    """nodemailer with ten pooled connections."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NotHereError("node and npm are not on this machine")
    place = _DATA / "nodemailer"
    # `import` looks for packages beside the script, and nothing is installed into the sources.
    shutil.copytree(_NODEMAILER, place, dirs_exist_ok=True)
    wanted = json.loads((place / "package.json").read_text())["dependencies"]["nodemailer"]
    manifest = place / "node_modules/nodemailer/package.json"
    if not manifest.exists() or json.loads(manifest.read_text())["version"] != wanted:
        _install([npm, "install", "--no-package-lock", "--no-audit", "--no-fund", "--prefix", str(place)])
    letter = folder / "letter.json"
    values = {"sender": SENDER, "public_url": PUBLIC_URL, "postal_address": POSTAL_ADDRESS}
    letter.write_text(json.dumps({**values, "subject": SUBJECT, "text": TEXT, "html": HTML}))
    return [node, str(place / "send.js"), str(port), str(letter), str(_contacts(folder, count))]


def mailmerge(folder: Path, port: int, count: int) -> list[str]:
    """The command line tool, in an environment of its own."""
    place = _DATA / f"mailmerge-{MAILMERGE}"
    program = place / "bin/mailmerge"
    if not program.exists():
        _install([sys.executable, "-m", "venv", "--clear", str(place)])
        _install([str(place / "bin/pip"), "install", "--quiet", f"mailmerge=={MAILMERGE}"])
    template, server = folder / "mailmerge.txt", folder / "mailmerge.conf"
    template.write_text(_multipart())
    server.write_text(f"[smtp_server]\nhost = 127.0.0.1\nport = {port}\n")
    files = ["--template", str(template), "--config", str(server), "--database", str(_contacts(folder, count))]
    return [str(program), "--no-dry-run", "--no-limit", "--output-format", "raw", *files]


def _multipart() -> str:
    """What mailmerge's documentation asks of someone who wants text and HTML."""
    parts = "".join(
        f"--{_BOUNDARY}\nContent-Type: text/{kind}; charset=us-ascii\n\n{for_jinja(text)}\n"
        for kind, text in (("plain", TEXT), ("html", HTML))
    )
    return (
        f"TO: {{{{ email }}}}\nSUBJECT: {for_jinja(SUBJECT)}\nFROM: {SENDER}\n"
        f"List-Unsubscribe: <{for_jinja('$unsubscribe_url')}>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\n"
        f'MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary="{_BOUNDARY}"\n\n{parts}--{_BOUNDARY}--\n'
    )


def _contacts(folder: Path, count: int) -> Path:
    path = folder / f"first-{count}.csv"
    return path if path.exists() else write_contacts(path, count)


def _install(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    except (OSError, subprocess.SubprocessError) as failure:
        raise NotHereError(f"`{Path(command[0]).name}` could not install it") from failure
