"""How many parts a text message has."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import World

from campaignctl.cli.start import run
from campaignctl.message.sms import Alphabet, least_sms_size, sms_size


@pytest.mark.parametrize(
    ("text", "alphabet", "units", "parts"),
    [
        ("", "GSM-7", 0, 1),
        ("a" * 160, "GSM-7", 160, 1),
        ("a" * 161, "GSM-7", 161, 2),
        ("a" * 306, "GSM-7", 306, 2),
        ("a" * 307, "GSM-7", 307, 3),
        ("Ça coûte 5 €", "UCS-2", 12, 1),  # û is not in the alphabet
        ("Café à 5 €", "GSM-7", 11, 1),
        ("€" * 80, "GSM-7", 160, 1),
        ("€" * 81, "GSM-7", 162, 2),
        ("a" * 152 + "€" + "a" * 10, "GSM-7", 164, 2),
        ("a" * 152 + "€" + "a" * 152, "GSM-7", 306, 3),  # the sign is not divided between two parts
        ("ж" * 70, "UCS-2", 70, 1),
        ("ж" * 71, "UCS-2", 71, 2),
        ("\U0001f600" * 35, "UCS-2", 70, 1),
        ("ж" * 66 + "\U0001f600" + "ж" * 66, "UCS-2", 134, 3),
    ],
)
def test_a_text_has_so_many_parts(text: str, alphabet: str, units: int, parts: int) -> None:
    assert sms_size(text) == (Alphabet(alphabet), units, parts)


@given(st.text(max_size=400))
def test_every_part_has_room_for_its_share(text: str) -> None:
    alphabet, units, parts = sms_size(text)
    alone, each = (160, 153) if alphabet is Alphabet.GSM_7 else (70, 67)
    # A character of two units may leave one free at the end of each part but the last.
    assert parts == 1 if units <= alone else (parts - 1) * (each - 1) < units <= parts * each


def test_what_is_filled_in_is_not_counted() -> None:
    assert least_sms_size("Hi {{ contact.name }}{% if x %}!{% endif %}{# ж #}").units == 4


def test_plan_tells_the_parts_of_text_messages(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.contacts()
    file = world.write(
        "sale.yaml",
        "campaign: sale\nlist: customers\nstarter: {segment: {attribute: email, exists: true}}\nsteps:\n"
        "  - {id: hello, at: 2097-01-01 09:00, email: {subject: Hi, body: hello.md}}\n"
        f"  - {{id: last, at: 2097-01-02 09:00, sms: {{text: '{'Last day! ' * 17}'}}}}\n",
    )
    world.write(
        "campaignctl.yaml",
        world.folder.joinpath("campaignctl.yaml").read_text().replace("email: email", "email: email, phone: name"),
    )
    assert run(["plan", str(file), "--format", "json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [step["estimate"]["sms_parts"] for step in plan["timeline"]] == [None, 2]
    assert any("`last` has 2 parts at least: 170 units of GSM-7" in warning for warning in plan["warnings"])
