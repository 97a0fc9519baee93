"""What of a campaign waits for an approval, as `status` shows it."""

from __future__ import annotations

from typing import Any

from campaignctl.store.approvals import Waiting


def waiting_document(waiting: Waiting | None) -> dict[str, Any] | None:
    """The version that waits as JSON has it."""
    if waiting is None:
        return None
    return {"version": waiting.number, "fingerprint": waiting.fingerprint, "by": waiting.by, "at": waiting.at}


def print_waiting(name: str, waiting: Waiting | None) -> None:
    """Say so to people."""
    if waiting is not None:
        print(f"Version {waiting.number}, published by {waiting.by}, waits: see campaignctl approve {name}")
