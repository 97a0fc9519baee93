"""Send gates at the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from gates.compliance import GATED, Gated
from test_error_pages import last_output

from campaignctl.ports import Outcome, Verdict

Type = Callable[[str], str]


@pytest.fixture
def typed(gated: Gated) -> Type:
    """What a command prints in a project with a gate that holds three contacts."""
    gated.publish(GATED.replace(", timeout: 4h", ""))
    gated.world.run_until("2026-12-01 10:10")

    def shown(command: str) -> str:
        return last_output(gated.world, f"$ campaignctl {command}").partition("\n")[2]

    return shown


def parsed(text: str) -> Any:
    return json.loads(text)


def test_gates_are_listed_with_how_many_they_hold(typed: Type) -> None:
    head, row = typed("gate list").splitlines()
    assert head.split() == ["campaign", "step", "endpoint", "state", "held", "of", "since", "until"]
    assert row.split()[:6] == ["sale", "first", "compliance", "asked", "3", "3"]
    (found,) = parsed(typed("gate list sale --format json"))["gates"]
    assert (found["endpoint"], found["held"], found["expires_at"], found["hold"]) == ("compliance", 3, None, True)


def test_a_gate_is_shown_with_everybody_whom_it_is_about(typed: Type) -> None:
    assert "holds 3 of 3 contacts since" in typed("gate show sale first")
    lines = [parsed(line) for line in typed("gate show sale first --format ndjson").splitlines()]
    assert lines == [{"contact": f"c-{number}", "state": "held", "reason": None} for number in (1, 2, 3)]


def test_a_person_decides_about_one_and_then_about_the_others(typed: Type) -> None:
    assert typed("gate reject sale first --contact c-2 --yes").splitlines()[0] == "Rejected: 1."
    assert parsed(typed("status sale --format json"))["steps"][0]["gate"]["held"] == 2
    told = parsed(typed("gate release sale first --yes --format json"))
    assert (told["contacts"], told["closed"], told["decision"]) == (2, True, "release")
    assert "error[P161]: the gate of `first` is closed: released" in typed("gate reject sale first --yes")
    assert "rejected by the gate `compliance`" in typed("trace sale c-2")
    assert "1 of 3 rejected" in typed("gate show sale first")


def test_status_says_what_a_gate_waits_for_and_how_long(typed: Type) -> None:
    told = typed("status sale")
    assert "the gate `compliance` holds 3 of 3 contacts since 2026-12-01 10:05" in told
    assert "without an answer it waits for ever" in told


def test_doctor_and_status_say_which_endpoint_refuses_to_be_asked(gated: Gated) -> None:
    gated.compliance.says = [Outcome("", Verdict.FAILED, "refused", "404 nothing here")]
    gated.publish()
    gated.world.run_until("2026-12-01 10:10")
    for command in ("status sale", "doctor"):
        told = last_output(gated.world, f"$ campaignctl {command}")
        assert "404 nothing here" in told
        assert "campaignctl resume" in told


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("gate show sale second", "P160"),
        ("gate show sale nothing", "P117"),
        ("gate show nothing first", "P100"),
        ("gate release sale first --contact nobody --yes", "P164"),
        ("gate release sale first", "P110"),
    ],
)
def test_what_is_not_possible_is_refused(typed: Type, command: str, code: str) -> None:
    assert f"error[{code}]" in typed(command)
