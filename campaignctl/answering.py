"""Answers at send gates: who may not go on, and what is known of whom. All of an answer counts, or nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Final

from campaignctl.contacts.request import is_flat
from campaignctl.contacts.staging import with_staging
from campaignctl.diagnostics import listed
from campaignctl.errors import RefusedError, WorkFailedError
from campaignctl.flow.states import CampaignState, GateState
from campaignctl.ports import LiveGate
from campaignctl.store.gate_decisions import AnswerRow
from campaignctl.store.ledger import SqlLedger, SqlStore

LONGEST_LINE: Final = 64 * 1024
_ROWS_AT_ONCE: Final = 1000
_LISTED: Final = 20
_DEEPEST: Final = 8
_KEYS: Final = frozenset({"id", "reject", "properties"})


class GateClosedError(RefusedError):
    """It is too late for an answer: the gate's time is over, or nothing waits for it any more."""


@dataclass(frozen=True)
class Answered:
    """What an answer came to: of how many contacts how many were rejected, and of how many properties are known."""

    campaign: str
    step: str
    contacts: int
    rejected: int
    changed: int


def open_gate(ledger: SqlLedger, gate_id: int, now: datetime) -> LiveGate:
    """
    The gate with this number, which has no decision yet.

    Raises:
        GateClosedError: it has one, its time is over, or its campaign was stopped.
    """
    gate = ledger.gate(gate_id)
    campaign = None if gate is None else ledger.campaign_named(gate.campaign)
    if gate is None or campaign is None:
        raise LookupError(gate_id)
    if not gate.state.is_open or gate.is_expired(now) or campaign.state is CampaignState.STOPPED:
        raise GateClosedError("H133", "the gate is closed", "nothing of it is waiting any more")
    return gate


def answer(store: SqlStore, gate_id: int, lines: IO[bytes], digest: str, now: datetime) -> Answered:
    """
    Take the answer in *lines*, whose SHA-256 is *digest*, and close the gate.

    The same answer again comes to the same, and changes nothing.

    Raises:
        WorkFailedError: a line is wrong, or of a contact that the gate is not about; nothing is changed.
        GateClosedError: it comes too late.
        RefusedError: the gate has another decision, or is not the one it was opened as.
    """
    with store.reading() as ledger:
        if (before := _answered_before(ledger, gate_id, digest)) is not None:
            return before
        open_gate(ledger, gate_id, now)
    with with_staging(store.database) as pinned:
        staged = SqlStore(pinned)
        with staged.reading() as ledger:
            _stage(ledger, open_gate(ledger, gate_id, now), lines)
        with staged.writing() as ledger:
            # Asked again under the lock: somebody may have decided meanwhile.
            if (before := _answered_before(ledger, gate_id, digest)) is not None:
                return before
            gate = open_gate(ledger, gate_id, now)
            cohort = ledger.gate_cohort(gate)
            if not ledger.gate_fits(gate, cohort):
                raise RefusedError(
                    "H135", "the gate was opened for another version, or for other contacts",
                    "nothing of this answer was taken",
                )  # fmt: skip
            ledger.take_answer(gate, cohort, digest, now)
            taken = ledger.gate(gate_id)
    assert taken is not None
    return _answered(taken)


def _answered_before(ledger: SqlLedger, gate_id: int, digest: str) -> Answered | None:
    """
    What this answer came to before; None where the gate has no decision yet, or ended without one.

    Raises:
        RefusedError: another answer, or a person, has decided.
    """
    gate = ledger.gate(gate_id)
    if gate is None or gate.state not in (GateState.ANSWERED, GateState.RELEASED, GateState.REJECTED):
        return None
    if gate.state is GateState.ANSWERED and gate.answer == digest:
        return _answered(gate)
    who = "another answer" if gate.state is GateState.ANSWERED else "a person"
    raise RefusedError("H134", f"{who} has decided at this gate already", "nothing of this answer was taken")


def _answered(gate: LiveGate) -> Answered:
    return Answered(gate.campaign, gate.step, gate.contacts, gate.rejected, gate.changed)


def _stage(ledger: SqlLedger, gate: LiveGate, lines: IO[bytes]) -> None:
    twice = ledger.stage_answers(_batches(lines))
    if twice is not None:
        raise _wrong(twice.line, f"`{twice.contact_key}` is named a second time")
    count, first = ledger.unknown_in_answer(ledger.gate_cohort(gate), _LISTED)
    if count:
        more = f" and {count - len(first)} others" if count > len(first) else ""
        named = listed([f"`{key}`" for key in first], "and") if not more else ", ".join(f"`{key}`" for key in first)
        raise WorkFailedError(
            "H132", f"the gate is not about {named}{more}", "answer about those of `download_url`, by their `id`"
        )  # fmt: skip


def _batches(lines: IO[bytes]) -> Iterator[list[AnswerRow]]:
    batch: list[AnswerRow] = []
    number = 0
    while line := lines.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise _wrong(number, "it is longer than 64 KiB")
        if line.strip():
            batch.append(_row(number, line))
        if len(batch) == _ROWS_AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def _row(number: int, line: bytes) -> AnswerRow:
    try:
        said = _DECODER.decode(line.decode("utf-8"))
    except (ValueError, RecursionError):
        raise _wrong(number, "it is no JSON in UTF-8") from None
    if not isinstance(said, dict):
        raise _wrong(number, "it is no object")
    if unknown := sorted(said.keys() - _KEYS):
        raise _wrong(number, f"`{unknown[0]}` is not known")
    key, is_rejected, properties = said.get("id"), said.get("reject", False), said.get("properties")
    if not isinstance(key, str) or not key or not _is_text(key):
        raise _wrong(number, "`id` has to be the text that names a contact")
    if not isinstance(is_rejected, bool):
        raise _wrong(number, "`reject` is true or false")
    if properties is not None and not isinstance(properties, dict):
        raise _wrong(number, "`properties` is an object")
    if not is_flat(properties, _DEEPEST):
        raise _wrong(number, f"`properties` are nested more than {_DEEPEST} levels deep")
    return AnswerRow(number, key, is_rejected, None if properties is None else json.dumps(properties))


def _is_text(value: str) -> bool:
    """JSON can write half of a character pair, which no database takes."""
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def _no_number(word: str) -> None:
    raise ValueError(word)


# Made once: there may be a million lines.
_DECODER: Final = json.JSONDecoder(parse_constant=_no_number)


def _wrong(number: int, why: str) -> WorkFailedError:
    return WorkFailedError(
        "H131", f"line {number} of the answer: {why}", "nothing was changed: mend it, and send all of it again"
    )  # fmt: skip
