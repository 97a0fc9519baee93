"""`plan`, and `publish --plan`: what was shown is what is published."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from world import World

from campaignctl.cli.start import run
from campaignctl.pausing import pause

HEAD = "campaign: sale\nlist: customers\nstarter: {segment: {attribute: email, exists: true}}\nsteps:\n"
ONE = HEAD + "  - {id: first, at: 2037-12-01 10:00, email: {subject: Hi, body: hello.md}}\n"
TWO = ONE + "  - {id: second, at: 2037-12-02 10:00, email: {subject: Hi, body: second.md}}\n"


@pytest.fixture
def shop(world: World) -> Iterator[World]:
    """A project with contacts, seen from its folder."""
    world.contacts()
    world.write("second.md", "Hello again {{ unsubscribe_url }} {{ postal_address }}")
    world.write("sale.yaml", TWO)
    with chdir(world.folder):
        yield world


def called(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, Any, str]:
    """The exit code of a command, its document where it prints one, and what it says beside it."""
    capsys.readouterr()
    code = run([*arguments])
    shown = capsys.readouterr()
    return code, json.loads(shown.out) if shown.out.startswith("{") else shown.out, shown.err


def test_a_plan_has_the_keys_of_the_contract(shop: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, document, _ = called("plan", "sale.yaml", "--format", "json", capsys=capsys)
    assert code == 0
    assert {"version", "campaign", "action", "base_version", "changes", "timeline", "audience"} <= set(document)
    assert (document["action"], document["base_version"], document["audience"]) == ("create", None, 3)
    assert set(document["changes"][0]) == {"step", "kind", "field", "before", "after", "reason"}
    assert document["timeline"][0] == {
        "step": "first",
        "at": "2037-12-01T09:00:00Z",
        "effective_at": "2037-12-01T09:00:00Z",
        "local": "2037-12-01 10:00",
        "estimate": {"messages": 3, "at_most": False, "seconds": None, "sms_parts": None},
    }


@pytest.mark.parametrize("form", ["text", "json", "markdown"])
def test_the_detailed_exit_code_tells_whether_there_are_changes(
    shop: World, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    options = ("--detailed-exitcode", "--format", form)
    assert called("plan", "sale.yaml", *options, capsys=capsys)[0] == 4
    assert called("plan", "sale.yaml", "--format", form, capsys=capsys)[0] == 0
    shop.publish(TWO)
    assert called("plan", "sale.yaml", *options, capsys=capsys)[0] == 0
    shop.write("sale.yaml", TWO.replace("2037-12-02", "2020-12-02").replace("2037-12-01", "2020-12-01"))
    assert called("plan", "sale.yaml", *options, capsys=capsys)[0] == 3


def test_what_was_planned_is_published(shop: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert called("plan", "sale.yaml", "--out", "plan.json", capsys=capsys)[0] == 0
    assert called("publish", "--plan", "plan.json", "--yes", capsys=capsys)[0] == 0
    assert shop.campaign().version == 1
    shop.write("sale.yaml", TWO.replace("Hi", "Hello"))
    called("plan", "sale.yaml", "--out", "plan.json", capsys=capsys)
    code, document, _ = called(
        "publish", "sale.yaml", "--plan", "plan.json", "--yes", "--format", "json", capsys=capsys
    )
    assert (code, document["version"], document["state"]) == (0, 2, "active")


def test_a_plan_with_now_starts_the_campaign_after_the_safety_delay(
    shop: World, capsys: pytest.CaptureFixture[str]
) -> None:
    called("plan", "sale.yaml", "--now", "--out", "plan.json", capsys=capsys)
    assert called("publish", "--plan", "plan.json", "--yes", capsys=capsys)[0] == 0
    assert str(shop.campaign().step("first").at) < "2037"


def moved(shop: World, capsys: pytest.CaptureFixture[str]) -> str:
    """What `publish` says of the plan that was made before."""
    version = shop.campaign().version
    code, _, said = called("publish", "--plan", "plan.json", "--yes", capsys=capsys)
    assert code == 3
    assert "error[P126]" in said
    assert shop.campaign().version == version
    return said


def test_a_stale_plan_is_refused_and_says_what_moved(shop: World, capsys: pytest.CaptureFixture[str]) -> None:
    shop.publish(TWO)
    shop.write("sale.yaml", TWO.replace("Hi", "Hello"))
    called("plan", "sale.yaml", "--out", "plan.json", capsys=capsys)

    shop.write("second.md", "Other {{ unsubscribe_url }} {{ postal_address }}")
    assert "the file, a template of it or what the project says is not what it was" in moved(shop, capsys)
    shop.write("second.md", "Hello again {{ unsubscribe_url }} {{ postal_address }}")

    pause(shop.store, "sale", actor="ada", now=shop.clock.now())
    assert "the campaign was active, and is paused" in moved(shop, capsys)

    with shop.store.writing() as ledger:
        ledger.campaign_resumed(shop.campaign())
        ledger.step_held(shop.campaign().step("first"), "too_late")
    assert "`first` was scheduled, and is held" in moved(shop, capsys)

    shop.publish(TWO.replace("2037-12-02", "2037-12-03"))
    shop.write("sale.yaml", TWO.replace("Hi", "Hello"))
    assert "it was made for version 1, and the store has version 2" in moved(shop, capsys)


def test_a_plan_gives_no_other_right_than_a_file(shop: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Structure still asks for `--live`, and a refused plan is refused."""
    shop.publish(TWO)
    shop.write("sale.yaml", ONE)
    called("plan", "sale.yaml", "--out", "plan.json", capsys=capsys)
    assert "P121" in called("publish", "--plan", "plan.json", "--yes", capsys=capsys)[2]
    assert called("publish", "--plan", "plan.json", "--yes", "--live", capsys=capsys)[0] == 0


def test_a_plan_file_holds_no_secret(shop: World) -> None:
    text = (shop.folder / "campaignctl.yaml").read_text("utf-8")
    channel = "channels: {email: {smtp: 'smtp://u:${SMTP_PASSWORD}@mail.shop.example'}}\n"
    shop.write("campaignctl.yaml", text + channel)
    command = [Path(sys.executable).parent / "campaignctl", "plan", "sale.yaml", "--out", "plan.json"]
    done = subprocess.run(
        command, env={**os.environ, "SMTP_PASSWORD": "correct-horse"}, capture_output=True, check=True
    )
    assert b"correct-horse" not in done.stdout + done.stderr
    assert "correct-horse" not in Path("plan.json").read_text("utf-8")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"basis": 1}', '{"basis": {"file": "x"}}', "\udcff", '{"basis": null}']
)
def test_a_file_that_is_no_plan_is_refused(shop: World, capsys: pytest.CaptureFixture[str], text: str) -> None:
    Path("plan.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    code, _, said = called("publish", "--plan", "plan.json", "--yes", capsys=capsys)
    assert (code, "error[P127]" in said) == (2, True)


def test_a_plan_whose_fields_have_other_kinds_is_refused(shop: World, capsys: pytest.CaptureFixture[str]) -> None:
    called("plan", "sale.yaml", "--out", "plan.json", capsys=capsys)
    good = json.loads(Path("plan.json").read_text("utf-8"))
    for field in good["basis"]:
        bad = {**good, "basis": {**good["basis"], field: [1]}}
        Path("plan.json").write_text(json.dumps(bad), "utf-8")
        assert called("publish", "--plan", "plan.json", "--yes", capsys=capsys)[0] == 2, field


def test_publish_wants_a_file_or_a_plan(shop: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, said = called("publish", "--yes", capsys=capsys)
    assert (code, "error[U100]" in said) == (2, True)


def test_a_plan_fits_into_eighty_columns(shop: World, capsys: pytest.CaptureFixture[str]) -> None:
    shop.publish(TWO)
    long = "a very long subject that goes on and on, and on again until nobody reads it any more"
    shop.write("sale.yaml", TWO.replace("subject: Hi, body: second.md", f"subject: '{long}', body: hello.md"))
    shop.write("hello.md", f"{long} {long} {{{{ unsubscribe_url }}}} {{{{ postal_address }}}}")
    _, text, _ = called("plan", "sale.yaml", capsys=capsys)
    assert max(map(len, text.splitlines())) <= 80


def test_values_of_a_file_do_not_become_markdown(shop: World, capsys: pytest.CaptureFixture[str]) -> None:
    shop.publish(TWO)
    shop.write("second.md", "```\n</details> {{ unsubscribe_url }} {{ postal_address }}")
    shop.write("sale.yaml", TWO.replace("subject: Hi, body: second.md", "subject: '<b>|*x*', body: second.md"))
    _, text, _ = called("plan", "sale.yaml", "--format", "markdown", capsys=capsys)
    assert r'"Hi" -\> "\<b\>\|\*x\*"' in text
    assert "````diff" in text
