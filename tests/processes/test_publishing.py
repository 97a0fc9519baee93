"""Several people who publish at once, each in a process of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CAMPAIGNCTL = Path(sys.executable).parent / "campaignctl"
CAMPAIGN = """
campaign: sale
list: customers
starter: {segment: {attribute: email, exists: true}}
steps:
  - {id: first, at: 2037-01-01 09:00, email: {subject: Hi, body: hello.md}}
  - {id: second, at: 2037-01-02 09:00, email: {subject: Hi, body: hello.md}}
"""
PEOPLE = 6


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "campaignctl.yaml").write_text(
        "project: shop\ntimezone: Europe/Paris\nsender: Shop <news@shop.example>\npostal_address: Paris\n"
        "lists: {customers: {key: id, email: email}}\n"
    )
    (tmp_path / "hello.md").write_text("Hello {{ unsubscribe_url }} {{ postal_address }}")
    (tmp_path / "sale.yaml").write_text(CAMPAIGN)
    (tmp_path / "contacts.csv").write_text("id,email\nc-1,ada@example.org\n")
    subprocess.run([CAMPAIGNCTL, "contacts", "import", "customers", "contacts.csv"], cwd=tmp_path, check=True)
    return tmp_path


def published_at_once(folder: Path, files: list[str]) -> list[tuple[int, str]]:
    """All of them start before any has ended; the exit code and the words of each."""
    started = [
        subprocess.Popen([CAMPAIGNCTL, "publish", name, "--yes"], cwd=folder, text=True, stderr=subprocess.PIPE)
        for name in files
    ]
    said = [process.communicate(timeout=120)[1] for process in started]
    return [(process.returncode, words) for process, words in zip(started, said, strict=True)]


def history(folder: Path) -> list[int]:
    """The versions that the journal has publications of."""
    command = [CAMPAIGNCTL, "history", "sale", "--format", "json"]
    shown = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
    return [entry["version"] for entry in json.loads(shown)["entries"] if entry["action"] == "published"]


def test_a_new_campaign_that_several_publish_at_once_is_published_once(shop: Path) -> None:
    done = published_at_once(shop, ["sale.yaml"] * PEOPLE)
    assert [code for code, _ in done] == [0] * PEOPLE, done
    assert history(shop) == [1]


def test_each_of_several_changes_at_once_is_a_version_or_is_refused(shop: Path) -> None:
    """
    Whoever was compared with a version that is no longer live is refused: nobody's change is undone unseen.
    """
    subprocess.run([CAMPAIGNCTL, "publish", "sale.yaml", "--yes"], cwd=shop, check=True)
    files = [f"{number}.yaml" for number in range(PEOPLE)]
    for name in files:
        (shop / name).write_text(CAMPAIGN.replace("subject: Hi", f"subject: From {name}", 1))
    done = published_at_once(shop, files)
    assert {code for code, _ in done} <= {0, 3}, done
    assert all(code == 0 or "error[P123]" in words for code, words in done), done
    successes = sum(code == 0 for code, _ in done)
    assert successes >= 1
    assert history(shop) == [*range(1, successes + 2)]
