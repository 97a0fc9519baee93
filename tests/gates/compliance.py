"""Stands in for the other system at send gates: remembers what it was asked, and answers as a test says."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from world import PROJECT, World

from campaignctl.answering import Answered, answer
from campaignctl.flow.states import StepState
from campaignctl.ports import GateRequest, LiveGate, Outcome, Verdict
from campaignctl.project import PROJECT_FILE
from campaignctl.tracing import trace

GATED = """
campaign: sale
list: customers
starter: {segment: {attribute: email, exists: true}}
steps:
  - id: first
    at: 2026-12-01 10:05
    email:
      subject: Hi
      body: hello.md
      gate: {endpoint: compliance, actions: {promo: SPRING}, timeout: 4h}
  - {id: second, at: 2026-12-02 09:00, email: {subject: "Again {{ gate.promo | default('none') }}", body: hello.md}}
"""
AS_A_STEP = """
campaign: sale
list: customers
starter: {segment: {attribute: email, exists: true}}
steps:
  - {id: check, at: 2026-12-01 10:05, gate: {endpoint: compliance, timeout: 4h}}
  - {id: second, at: 2026-12-02 09:00, email: {subject: "For {{ gate.promo | default('none') }}", body: hello.md}}
"""
TAKEN = Outcome("", Verdict.SENT)


@dataclass
class Compliance:
    """A system that is asked; each answer in *says* is what one try meets, and after these it takes everything."""

    asked: list[GateRequest] = field(default_factory=list)
    says: list[Outcome] = field(default_factory=list)

    def ask(self, request: GateRequest, now: object) -> Outcome:
        self.asked.append(request)
        return (self.says.pop(0) if self.says else TAKEN)._replace(key=request.message_id)


@dataclass
class Gated:
    """A world with a compliance system beside it, and a campaign that asks it."""

    world: World
    compliance: Compliance

    def publish(self, text: str = GATED) -> None:
        self.world.at("2026-12-01 09:00")
        self.world.publish(text)

    def gate(self, step: str = "first") -> LiveGate:
        with self.world.store.reading() as ledger:
            found = ledger.gate_of_step(ledger.known_campaign("sale").step(step))
        assert found is not None
        return found

    def answer(self, lines: Sequence[object] = (), step: str = "first") -> Answered:
        """The compliance system posts these lines."""
        body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        return self.post(body, step)

    def post(self, body: bytes, step: str = "first") -> Answered:
        digest = hashlib.sha256(body).hexdigest()
        return answer(self.world.store, self.gate(step).id, io.BytesIO(body), digest, self.world.clock.now())

    def state(self, step: str = "first") -> StepState:
        return self.world.campaign().step(step).state

    def traced(self, contact: str, step: str) -> tuple[str, str | None, str]:
        with self.world.store.reading() as ledger:
            told = trace(ledger, "sale", contact, self.world.clock.now())
        found = next(each for each in told.steps if each.step == step)
        return found.outcome, found.reason, found.explanation

    def subjects(self) -> list[str]:
        return [
            line.partition(b": ")[2].decode()
            for message in self.world.email.sent
            for line in message.content.splitlines()
            if line.startswith(b"Subject: ")
        ]


def gated(world: World) -> Gated:
    world.write(
        PROJECT_FILE,
        PROJECT + "public_url: https://mail.shop.example\n"
        "endpoints: {compliance: {url: https://compliance.shop.example/gate, secret: whsec_c2VjcmV0}}\n",
    )
    world.contacts()
    compliance = Compliance()
    world.endpoints = compliance
    return Gated(world, compliance)
