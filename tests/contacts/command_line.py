"""A project in a folder, and its commands typed in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

CAMPAIGNCTL = Path(sys.executable).parent / "campaignctl"
PROJECT = """
project: shop
timezone: Europe/Paris
sender: Shop <news@shop.example>
postal_address: Paris
safety_delay: 1s
lists: {customers: {key: id, email: email}}
"""
CAMPAIGN = """
campaign: sale
list: customers
segment: {attribute: email, exists: true}
at: 2037-01-01 09:00
email: {subject: "Hi {{ contact.name }}", body: hello.md}
"""


class CommandLine:
    """Types commands in the folder of a project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("campaignctl.yaml", PROJECT)
        self.write("sale.yaml", CAMPAIGN)
        self.write("hello.md", "Hello {{ contact.name }} {{ unsubscribe_url }} {{ postal_address }}")

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def started(self, *arguments: str, stderr: int = subprocess.PIPE) -> subprocess.Popen[str]:
        """A command that runs beside the test."""
        return subprocess.Popen(
            # Tests that a shell runs in the background ignore SIGINT, and so would the command.
            ["env", "--default-signal=INT", CAMPAIGNCTL, *arguments],
            cwd=self.folder,
            env={**os.environ, "TERM": "xterm"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )

    def call(self, *arguments: str, expected: int = 0) -> subprocess.CompletedProcess[str]:
        """A command, run to its end."""
        process = self.started(*arguments)
        out, said = process.communicate(timeout=120)
        assert process.returncode == expected, said + out
        assert "Traceback" not in said
        return subprocess.CompletedProcess(arguments, process.returncode, out, said)

    def document(self, *arguments: str, expected: int = 0) -> Any:
        """What a command says as JSON."""
        found = json.loads(self.call(*arguments, "--format", "json", expected=expected).stdout)
        assert found.pop("version") == 1
        return found

    def names(self) -> dict[str, str]:
        """The name of each contact of the list."""
        lines = self.call("contacts", "export", "customers", "--format", "ndjson").stdout.splitlines()
        return {contact["id"]: contact["name"] for contact in map(json.loads, lines)}
