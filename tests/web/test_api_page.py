"""docs/api.md: its requests are really sent, by curl, and answered as it says."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from channels.web_server import Act, WebServer, answer
from web.serving import served, token_for
from world import World

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "order-thanks"
PAGE = (ROOT / "docs" / "api.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ELSEWHERE = "https://files.shop.example"


def as_shown(said: str) -> str:
    """JSON with an indent, and what chance has made without its letters."""
    said = re.sub(r"\b([0-9a-f]{64}|[0-9a-f]{32})\b", "…", said)
    try:
        return json.dumps(json.loads(said), indent=2, ensure_ascii=False) + "\n"
    except ValueError:
        return said.rstrip("\n") + "\n"


def test_the_page_shows_the_campaign_and_the_contacts_of_the_example() -> None:
    campaign, *_ = (text for language, _, text in BLOCK.findall(PAGE) if language == "yaml")
    lines = (EXAMPLE / "campaigns" / "order-thanks.yaml").read_text("utf-8").splitlines(keepends=True)
    assert campaign == "".join(line for line in lines if not line.strip().startswith("#"))
    (contacts,) = (text for _, name, text in BLOCK.findall(PAGE) if name == "orders.ndjson")
    assert contacts == (EXAMPLE / "orders.ndjson").read_text("utf-8")


def test_every_request_of_the_page_is_answered_as_it_shows(tmp_path: Path) -> None:
    assert shutil.which("curl"), "the examples are sent by curl: install it"
    folder = tmp_path / "order-thanks"
    shutil.copytree(EXAMPLE, folder)
    contacts = (folder / "orders.ndjson").read_bytes()
    project = (folder / "campaignctl.yaml").read_text("utf-8")
    world = World(folder)
    with WebServer([Act.READ, answer(200, content=contacts)]) as elsewhere:
        place = elsewhere.url.removesuffix("/hook")
        world.write("campaignctl.yaml", f'{project}endpoints: {{files: {{url: "{place}", allow_private: true}}}}\n')
        world.import_file(folder / "contacts.csv")
        world.at("2026-11-25 10:00")
        campaign = (folder / "campaigns" / "order-thanks.yaml").read_text("utf-8")
        # Every example has a campaign of its own, which is this one under another name.
        for name in set(re.findall(r"/campaigns/([a-z-]+)/", PAGE)):
            text = campaign.replace("campaign: order-thanks", f"campaign: {name}")
            world.publish_file(world.write(f"campaigns/{name}.yaml", text))
        requests = [text for language, _, text in BLOCK.findall(PAGE) if language == "sh"]
        with served(world) as client:
            token = token_for(world, "trigger:*")["Authorization"].removeprefix("Bearer ")
            environment = {**os.environ, "URL": str(client.base_url).rstrip("/"), "TOKEN": token, "no_proxy": "*"}
            # One shell types all of them: the later ones use what the earlier ones found out.
            script = "set -e\n" + "".join(f"{text}\nprintf '\\0'\n" for text in requests)
            done = subprocess.run(
                ["/bin/bash", "-c", script.replace(ELSEWHERE, place)],
                cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=True,
            )  # fmt: skip
    world.store.close()
    shown = re.findall(r"^```sh\n.*?^```$.*?^```(?:json|text)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert len(shown) == len(requests)
    assert [as_shown(said) for said in done.stdout.split("\0")[:-1]] == shown
