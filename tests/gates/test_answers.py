"""Answers at gates: line by line, all or nothing."""

from __future__ import annotations

import pytest
from gates.compliance import AS_A_STEP, GATED, Gated

from campaignctl.errors import CampaignctlError

WRONG = [
    (b'{"id": "c-1"', "H131", "no JSON"),
    (b"[1]", "H131", "no object"),
    (b'{"id": "c-1", "rejected": true}', "H131", "`rejected` is not known"),
    (b'{"reject": true}', "H131", "`id` has to be"),
    (b'{"id": 17}', "H131", "`id` has to be"),
    (b'{"id": "\\ud800"}', "H131", "`id` has to be"),
    (b'{"id": "c-1", "reject": 1}', "H131", "true or false"),
    (b'{"id": "c-1", "properties": ["x"]}', "H131", "is an object"),
    (b'{"id": "c-1", "properties": {"x": NaN}}', "H131", "no JSON"),
    (b'{"id": "c-1", "properties": {"x": ' + b"[" * 9 + b"]" * 9 + b"}}", "H131", "levels deep"),
    (b'{"id": "c-1", "properties": {"x": ' + b"[" * 5000 + b"]" * 5000 + b"}}", "H131", "line 2"),
    (b'{"id": "c-1", "properties": {"x": "' + b"x" * 70_000 + b'"}}', "H131", "64 KiB"),
    (b'{"id": "\xff"}', "H131", "no JSON"),
    (b'{"id": "c-3"}', "H131", "named a second time"),
    (b'{"id": "c-4"}', "H132", "`c-4`"),
]


@pytest.mark.parametrize(("line", "code", "said"), WRONG)
def test_a_wrong_line_is_named_and_nothing_is_changed(gated: Gated, line: bytes, code: str, said: str) -> None:
    gated.publish()
    gated.world.run_until("2026-12-01 10:10")
    with pytest.raises(CampaignctlError) as refused:
        gated.post(b'{"id": "c-3", "reject": true}\n' + line + b"\n")
    assert (refused.value.code, said in refused.value.message) == (code, True), refused.value.message
    assert gated.world.deliveries("first") == {"held": 3}
    # It can be sent again, mended.
    assert gated.post(b'{"id": "c-3", "reject": true}\n\n').rejected == 1


def test_of_many_strangers_the_first_are_named(gated: Gated) -> None:
    gated.publish()
    gated.world.run_until("2026-12-01 10:10")
    with pytest.raises(CampaignctlError) as refused:
        gated.answer([{"id": f"x-{number:02}"} for number in range(30)])
    assert "`x-00`" in refused.value.message
    assert refused.value.message.endswith("and 10 others")


def test_what_a_later_gate_says_is_merged_over_what_an_earlier_one_said(gated: Gated) -> None:
    message = "{subject: Again, body: hello.md, gate: {endpoint: compliance}}"
    second = f"  - {{id: second, at: 2026-12-02 09:00, email: {message}}}"
    third = '  - {id: third, at: 2026-12-03 09:00, email: {subject: "{{ gate }}", body: hello.md}}'
    gated.publish("\n".join([*AS_A_STEP.splitlines()[:-1], second, third]))
    gated.world.run_until("2026-12-01 10:10")
    gated.answer([{"id": "c-1", "properties": {"a": 1, "b": "é", "c": True}}], "check")
    gated.world.run_until("2026-12-02 10:00")
    gated.answer([{"id": "c-1", "properties": {"b": "ü", "c": None}}], "second")
    gated.world.run_until("2026-12-02 10:10")
    with gated.world.store.reading() as ledger:
        (first, *_) = ledger.gate_candidates(ledger.gate_cohort(gated.gate("second")), 0, 10)
    assert first.gate == {"a": 1, "b": "ü"}


def test_an_answer_is_for_the_contacts_that_the_gate_was_opened_for(gated: Gated) -> None:
    gated.publish(GATED)
    gated.world.run_until("2026-12-01 10:10")
    with gated.world.store.writing() as ledger:
        ledger.connection.exec_driver_sql("UPDATE gates SET fingerprint = 'of others'")
    with pytest.raises(CampaignctlError) as refused:
        gated.answer()
    assert refused.value.code == "H135"
    assert gated.world.deliveries("first") == {"held": 3}
