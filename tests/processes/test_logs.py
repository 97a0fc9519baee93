"""What the daemon tells while it works."""

from __future__ import annotations

import json

import pytest
from world import World

from campaignctl.cli.start import run

ONE = """
campaign: sale
list: customers
segment: {attribute: id, exists: true}
at: 2020-01-01 10:00
email: {subject: Hi, body: hello.md}
"""


def test_the_daemon_tells_what_it_does_as_an_object_a_line(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.write("campaignctl.yaml", (world.folder / "campaignctl.yaml").read_text() + "safety_delay: 1s\n")
    here = ["--project", str(world.folder)]
    contacts = str(world.write("c.csv", "id,email,name\nc-1,ada@example.org,Ada\n"))
    run(["contacts", "import", "customers", contacts, *here])
    run(["publish", str(world.write("sale.yaml", ONE)), "--now", "--yes", *here])
    capsys.readouterr()
    assert run(["run", "--until-idle", "--log-format", "json", *here]) == 0
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    assert [line["event"] for line in told] == ["started", "sent", "finished"]
    assert {line["level"] for line in told} == {"info"}
    assert told[0]["message"] == "started sale/sale"
