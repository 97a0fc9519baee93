"""Send gates as time passes: their endpoints are asked until they listen, and what has no answer in time is ended."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from campaignctl.campaign.steps.union import every_step, gate_of
from campaignctl.flow.states import CampaignState, GateState
from campaignctl.message.links import Purpose, Signer
from campaignctl.ports import (
    GateEndpoints,
    GateRequest,
    Ledger,
    LiveCampaign,
    LiveGate,
    Outcome,
    Store,
    Verdict,
)

FIRST_BACK_OFF: Final = timedelta(seconds=5)
LONGEST_BACK_OFF: Final = timedelta(minutes=15)


# A campaign may be completed before a gate that nothing waits for is asked at.
_GOES_ON: Final = (CampaignState.ACTIVE, CampaignState.COMPLETED)


def back_off(attempts: int) -> timedelta:
    """
    How long to wait before an endpoint is asked again that was asked so often.

    >>> [int(back_off(attempts).total_seconds()) for attempts in (1, 2, 3, 20)]
    [5, 10, 20, 900]
    """
    return min(LONGEST_BACK_OFF, FIRST_BACK_OFF * int(2 ** min(attempts - 1, 10)))


@dataclass
class GateReport:
    """What became of gates in a pass, for people; and which of them now wait for a person."""

    gates: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Waiting:
    """When something is to be done about gates, and whether another system is expected to answer one."""

    wake_at: datetime | None
    is_awaiting: bool


class GateKeeper:
    """Asks at the gates of campaigns that are active; without *endpoints* or *signer* nobody is asked."""

    def __init__(self, store: Store, endpoints: GateEndpoints | None, signer: Signer | None) -> None:
        self._store = store
        self._endpoints = endpoints
        self._signer = signer

    def time_out(self, now: datetime) -> list[str]:
        """End the gates whose time is over; what is told of each."""
        late = [gate for _, gate in self._open() if gate.is_expired(now)]
        told = []
        for gate in late:
            with self._store.writing() as ledger:
                # Asked again under the lock: an answer or a pause may have come.
                if _is_active(ledger, gate) and ledger.time_out_gate(gate, now):
                    told.append(
                        f"{_named(gate)} had no answer in time: {_ON_TIMEOUT[gate.is_holding, gate.on_timeout]}"
                    )
        return told

    def ask(self, now: Callable[[], datetime]) -> GateReport:
        """
        Ask at the gate that has waited longest: one in a pass, because an endpoint may take its time.

        That it is asked is written down before; where the daemon dies, it is
        asked again, with the same id.
        """
        report, at = GateReport(), now()
        due = [
            (gate.next_attempt_at, gate.id, campaign, gate)
            for campaign, gate in self._open()
            if gate.state is GateState.REQUESTED and gate.next_attempt_at is not None and gate.next_attempt_at <= at
        ]
        if not due or self._endpoints is None or self._signer is None:
            return report
        _, _, campaign, gate = min(due, key=lambda each: each[:2])
        again_at = at + back_off(gate.attempts + 1)
        with self._store.writing() as ledger:
            if not _is_active(ledger, gate) or not ledger.asking_gate(gate, again_at):
                return report
            request = _request(campaign, gate, ledger, self._signer)
        # Nothing is open while the other system talks; it may answer before it takes the request.
        outcome = self._endpoints.ask(request, at)
        with self._store.writing() as ledger:
            _record(ledger, campaign, gate, outcome, now(), report)
        return report

    def waiting(self) -> Waiting:
        """What is to come of the gates that are open."""
        found = [gate for _, gate in self._open()]
        attempts = [gate.next_attempt_at for gate in found] if self._endpoints is not None else []
        instants = [*attempts, *(gate.expires_at for gate in found)]
        is_awaiting = any(gate.state is GateState.ASKED and gate.is_holding for gate in found)
        return Waiting(min(filter(None, instants), default=None), is_awaiting)

    def _open(self) -> list[tuple[LiveCampaign, LiveGate]]:
        """The open gates of campaigns that go on."""
        with self._store.reading() as ledger:
            found = ledger.open_gates()
            campaigns = {name: ledger.campaign_named(name) for name in {gate.campaign for gate in found}}
            of = [(campaigns[gate.campaign], gate) for gate in found]
            return [(campaign, gate) for campaign, gate in of if campaign is not None and campaign.state in _GOES_ON]


def _is_active(ledger: Ledger, gate: LiveGate) -> bool:
    campaign = ledger.campaign_named(gate.campaign)
    return campaign is not None and campaign.state in _GOES_ON


def _request(campaign: LiveCampaign, gate: LiveGate, ledger: Ledger, signer: Signer) -> GateRequest:
    version = ledger.version(campaign, gate.version)
    asked = next(gate_of(step) for step in every_step(version.campaign.steps) if step.id == gate.step)
    token = signer.token(Purpose.GATE, gate.step_id, gate.id)
    place = f"{(version.content.public_url or '').rstrip('/')}/gates/{token}"
    said = f"{campaign.name}/{gate.step}/{campaign.seed}/{gate.id}"
    message_id = "gate_" + hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return GateRequest(gate, asked.actions if asked else {}, f"{place}/contacts", f"{place}/finish", message_id)


def _record(
    ledger: Ledger, campaign: LiveCampaign, gate: LiveGate, outcome: Outcome, now: datetime, report: GateReport
) -> None:
    detail: dict[str, object] = {"step": gate.step, "endpoint": gate.endpoint}
    said = outcome.detail or outcome.reason
    if outcome.verdict is Verdict.SENT:
        ledger.gate_asked(gate, now)
        ledger.note("gate_asked", campaign, {**detail, "attempts": gate.attempts + 1}, now)
        report.gates.append(f"asked {gate.endpoint} about {gate.contacts} contacts of {campaign.name}/{gate.step}")
    elif outcome.verdict is Verdict.FAILED or outcome.blames_sender:
        ledger.gate_not_asked(gate, said, None)
        ledger.note("gate_refused", campaign, {**detail, "said": said}, now)
        report.held.append(f"{campaign.name}/{gate.step}")
        report.troubles.append(f"{_named(gate)} cannot be asked: {said}")
    else:
        again_at = now + back_off(gate.attempts + 1)
        ledger.gate_not_asked(gate, said, max(again_at, outcome.retry_at or again_at))
        report.troubles.append(f"{_named(gate)} could not be asked, and will be again: {said}")


def _named(gate: LiveGate) -> str:
    return f"the gate `{gate.endpoint}` of {gate.campaign}/{gate.step}"


_ON_TIMEOUT: Final = {
    (True, "release"): "what was held goes on",
    (True, "cancel"): "what was held is cancelled",
    (False, "release"): "nothing had waited for it",
    (False, "cancel"): "nothing had waited for it",
}
