"""Carrying out what a step wants done with its cohort."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never

from campaignctl.campaign.fields import Literal
from campaignctl.campaign.steps.base import Gate
from campaignctl.campaign.steps.effects import (
    Ask,
    Assign,
    ByCondition,
    ByEngagement,
    ByShare,
    Deliver,
    Divide,
    Effect,
    Leave,
    Write,
)
from campaignctl.engine.exporting import WrittenAhead, put
from campaignctl.engine.messages import Messages
from campaignctl.message.values import ValueTemplates
from campaignctl.ports import Cohort, Exports, Ledger


@dataclass(frozen=True)
class NoFile:
    """A table that was counted, and not kept."""

    written: int

    def put(self) -> None:
        """Nothing takes its place."""

    def close(self) -> None:
        """Nothing is open."""


class NoExports:
    """Takes tables, and writes nothing: for simulations and trials."""

    def prepare(self, path: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> NoFile:  # noqa: ARG002 # nothing is written
        return NoFile(sum(1 for _ in rows))


@dataclass(frozen=True)
class Outside:
    """Where files go, and the country of numbers without a country code."""

    exports: Exports = field(default_factory=NoExports)
    country: str | None = None


def carry_out(
    effect: Effect, cohort: Cohort, ledger: Ledger, messages: Messages, written: WrittenAhead | None, now: datetime
) -> bool:
    """Do it, in the ledger's transaction; whether the step is finished with that. A file is *written* before."""
    match effect:
        case Deliver(gate=Gate(hold=True) as gate):
            ledger.hold_deliveries(cohort, now)
            ledger.open_gate(cohort, gate, now)
            return False
        case Deliver(batch=batch, gate=gate):
            ledger.queue_deliveries(cohort, now, batch)
            if gate is not None:
                ledger.open_gate(cohort, gate, now)
            return False
        case Deliver(gate=gate):
            ledger.queue_deliveries(cohort, now)
            if gate is not None:
                ledger.open_gate(cohort, gate, now)
            return False
        case Ask(gate):
            return not (ledger.open_gate(cohort, gate, now) and gate.hold)
        case Divide(rule):
            _divide(rule, cohort, ledger, now)
        case Assign(attributes):
            _assign(attributes, cohort, ledger, messages)
        case Leave():
            ledger.end_members(cohort)
        case Write():
            assert written is not None, "a step that writes a file begins when it is written"
            put(written, ledger, now)
        case _:
            assert_never(effect)
    return True


def _divide(rule: ByShare | ByCondition | ByEngagement, cohort: Cohort, ledger: Ledger, now: datetime) -> None:
    match rule:
        case ByShare():
            ledger.move_by_share(cohort, rule)
        case ByCondition():
            ledger.move_by_condition(cohort, rule, now)
        case ByEngagement():
            ledger.move_by_engagement(cohort, rule)
        case _:
            assert_never(rule)


def _assign(attributes: Mapping[str, Literal], cohort: Cohort, ledger: Ledger, messages: Messages) -> None:
    """Plain values are given to all at once; templates are filled in for each contact."""
    templates = {name: value for name, value in attributes.items() if isinstance(value, str) and "{" in value}
    plain = {name: value for name, value in attributes.items() if name not in templates}
    if templates:
        compiled = ValueTemplates(templates, messages.surroundings(cohort.step.name))

        def rows() -> Iterator[tuple[int, Mapping[str, Literal]]]:
            for candidate in ledger.cohort_contacts(cohort):
                recipient = messages.recipient(cohort.campaign, cohort.step.name, candidate)
                yield candidate.contact_id, compiled.render(recipient)

        ledger.write_attributes(cohort, rows())
    if plain:
        ledger.set_attributes(cohort, plain)
