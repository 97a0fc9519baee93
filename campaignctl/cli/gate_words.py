"""Send gates as commands show them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from campaignctl.flow.states import GateState
from campaignctl.ports import LiveGate

Local = Callable[[datetime | None], str | None]


def gate_document(gate: LiveGate, held: int) -> Mapping[str, object]:
    """A gate for programs."""
    return {
        "campaign": gate.campaign,
        "step": gate.step,
        "endpoint": gate.endpoint,
        "state": gate.state,
        "hold": gate.is_holding,
        "version": gate.version,
        "contacts": gate.contacts,
        "held": held,
        "opened_at": gate.opened_at,
        "expires_at": gate.expires_at,
        "on_timeout": None if gate.expires_at is None else gate.on_timeout,
        "asked_at": gate.asked_at,
        "attempts": gate.attempts,
        "next_attempt_at": gate.next_attempt_at,
        "said": gate.said,
        "closed_at": gate.closed_at,
        "closed_by": gate.closed_by,
        "rejected": gate.rejected,
        "changed": gate.changed,
    }


def gate_words(gate: LiveGate, held: int, local: Local) -> str:
    """What an open gate waits for, since when and until when, for people."""
    if gate.is_holding:
        words = f"the gate `{gate.endpoint}` holds {held} of {gate.contacts} contacts since {local(gate.opened_at)}"
    else:
        words = f"the gate `{gate.endpoint}` is open since {local(gate.opened_at)}, and holds nobody"
    return f"{words};\n  {_asking(gate, local)};\n  {_ending(gate, local)}"


def _asking(gate: LiveGate, local: Local) -> str:
    if gate.state is GateState.ASKED:
        return "its answer is awaited"
    if gate.needs_person:
        return f"it cannot be asked ({gate.said}): mend that, and have it asked again with `campaignctl resume`"
    if gate.attempts and gate.said:
        return f"it could not be asked yet ({gate.said}), and is again at {local(gate.next_attempt_at)}"
    return "it is asked next"


def _ending(gate: LiveGate, local: Local) -> str:
    if gate.expires_at is None:
        return "without an answer it waits for ever" if gate.is_holding else "it stays open until there is an answer"
    if not gate.is_holding:
        return f"answers are taken until {local(gate.expires_at)}"
    then = "goes on" if gate.on_timeout == "release" else "is cancelled"
    return f"without an answer until {local(gate.expires_at)} all of it {then}"
