"""Whatever happens at a gate, in whatever order: it sends nothing while it holds, and is decided once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from gates.compliance import AS_A_STEP, GATED, Gated, gated
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import select
from world import World

from campaignctl.engine.daemon import Daemon, Until
from campaignctl.errors import CampaignctlError
from campaignctl.flow.states import CampaignState, DeliveryState, GateState
from campaignctl.gating import ByHand, decide
from campaignctl.pausing import pause, resume
from campaignctl.ports import GateRequest, LiveGate, Outcome, Outgoing, Verdict
from campaignctl.store.checks.check import check_store
from campaignctl.store.tables import deliveries

KEYS = ("c-1", "c-2", "c-3")
ADDRESSES = {"c-1": "ada@example.org", "c-2": "grace@example.org", "c-3": "alan@example.org"}


class DiedError(BaseException):
    """The daemon is dead: nothing of it runs any more."""


class AnyOrder(RuleBasedStateMachine):
    """A message behind a gate: answers, people, time, deaths and edits, in any order."""

    text = GATED
    step = "first"

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.world = World(Path(self.folder.name))
        self.gated: Gated = gated(self.world)
        self.dies_asking = False
        self.decided: tuple[GateState, str | None, int] | None = None
        self.rejected: set[str] = set()
        self.ask = self.gated.compliance.ask
        self.gated.compliance.ask = self.heard  # type: ignore[method-assign] # a system that sees the daemon die
        self.ids: set[str] = set()

    def heard(self, request: GateRequest, now: object) -> Outcome:
        self.ids.add(request.message_id)
        outcome = self.ask(request, now)
        if self.dies_asking:
            self.dies_asking = False
            raise DiedError
        return outcome

    @initialize(
        on_timeout=st.sampled_from(["release", "cancel"]),
        timeout=st.sampled_from(["30m", "4h", None]),
        hold=st.sampled_from(["true", "true", "false"]),
    )
    def begin(self, on_timeout: str, timeout: str | None, hold: str) -> None:
        self.hold = hold == "true"
        said = f"hold: {hold}, on_timeout: {on_timeout}" + (f", timeout: {timeout}" if timeout else "")
        self.text = self.text.replace("timeout: 4h", said)
        self.gated.publish(self.text)
        self.daemon = self.started()
        self.world.run_until("2026-12-01 10:00", self.daemon)

    def started(self) -> Daemon:
        return self.world.daemon()

    # --- what may happen ---

    @rule(rejected=st.sets(st.sampled_from(KEYS)), changed=st.sets(st.sampled_from(KEYS)))
    def finish(self, rejected: set[str], changed: set[str]) -> None:
        lines = [
            {"id": key, "reject": key in rejected, "properties": {"promo": key}} for key in sorted(rejected | changed)
        ]
        before = self.gate()

        if before is None:
            return  # there is nothing to answer yet

        def answered() -> None:
            self.gated.answer(lines, self.step)
            if before.state.is_open:
                self.rejected |= rejected if self.hold else set()

        self.allowed_or_refused(answered)

    @rule()
    def finish_with_strangers(self) -> None:
        """Nothing of it is taken."""
        gate = self.gate()
        if gate is not None and gate.state.is_open:
            before = self.rows()
            self.allowed_or_refused(lambda: self.gated.answer([{"id": "c-1", "reject": True}, {"id": "x"}], self.step))
            assert self.rows() == before

    @rule(decision=st.sampled_from(ByHand), keys=st.lists(st.sampled_from(KEYS), max_size=2, unique=True))
    def decide_by_hand(self, decision: ByHand, keys: list[str]) -> None:
        def decided() -> None:
            decide(
                self.world.store, "sale", self.step, decision, contacts=keys, actor="ada", now=self.world.clock.now()
            )
            if decision is ByHand.REJECT and keys:
                self.rejected |= set(keys)

        self.allowed_or_refused(decided)

    @rule()
    def pause(self) -> None:
        self.allowed_or_refused(lambda: pause(self.world.store, "sale", actor="ada", now=self.world.clock.now()))

    @rule()
    def resume(self) -> None:
        self.allowed_or_refused(lambda: resume(self.world.store, "sale", actor="ada", now=self.world.clock.now()))

    @rule()
    def stop(self) -> None:
        self.allowed_or_refused(lambda: self.world.stop("sale"))

    @rule(subject=st.sampled_from(["Hi", "Ho"]))
    def edit(self, subject: str) -> None:
        """Of a step that has begun nothing can be changed."""
        self.allowed_or_refused(lambda: self.world.publish(self.text.replace("subject: Hi", f"subject: {subject}")))

    @rule(verdict=st.sampled_from([Verdict.DEFERRED, Verdict.UNCERTAIN, Verdict.NOT_SENT, Verdict.FAILED]))
    def ask_in_vain(self, verdict: Verdict) -> None:
        self.gated.compliance.says.append(Outcome("", verdict, "refused", "no"))

    @rule()
    def die_asking(self) -> None:
        self.dies_asking = True

    @rule()
    def die_idle(self) -> None:
        self.daemon = self.started()

    @rule(minutes=st.sampled_from([1, 6, 31, 5 * 60, 24 * 60]))
    def let_time_pass(self, minutes: int) -> None:
        end = self.world.clock.now() + timedelta(minutes=minutes)
        while True:
            try:
                self.daemon.run(Until.DONE_FOR_NOW)
            except DiedError:
                self.daemon = self.started()
                continue
            if self.daemon.wake_at is None or self.daemon.wake_at > end:
                break
            self.world.clock.set_to(self.daemon.wake_at)
        self.world.clock.set_to(end)

    # --- what must hold ---

    @invariant()
    def a_held_gate_sends_nothing(self) -> None:
        """Invariant 9, first part: nobody whose message is held, or who was rejected, has got it."""
        gate = self.gate()
        got = {message.recipient for message in self.of_step(self.world.email.sent)}
        for key in self.rejected:
            assert ADDRESSES[key] not in got
        if gate is None:
            assert not got
        elif gate.state in (GateState.REJECTED, GateState.CANCELLED) and self.hold:
            assert not got - self.released_by_hand()
        elif gate.state.is_open and self.hold:
            assert got <= self.released_by_hand()

    def released_by_hand(self) -> set[str]:
        with self.world.store.reading() as ledger:
            entries = ledger.history(ledger.known_campaign("sale"))
        named = [entry.detail.get("only") for entry in entries if entry.action == "gate_released"]
        return {ADDRESSES[key] for keys in named if isinstance(keys, list) for key in keys}

    def of_step(self, sent: list[Outgoing]) -> list[Outgoing]:
        return [message for message in sent if b"Subject: H" in message.content]

    @invariant()
    def a_gate_is_decided_once(self) -> None:
        """Invariant 9, second part: confirming twice, late, or otherwise changes nothing."""
        gate = self.gate()
        if gate is not None and not gate.state.is_open:
            now = (gate.state, gate.answer, gate.rejected)
            assert self.decided in (None, now)
            self.decided = now
            assert DeliveryState.HELD.value not in self.rows().values()

    @invariant()
    def nobody_gets_a_message_twice(self) -> None:
        keys = [message.key for message in self.world.email.sent]
        assert len(keys) == len(set(keys))

    @invariant()
    def it_is_asked_by_one_name(self) -> None:
        assert len(self.ids) <= 1

    @invariant()
    def the_store_is_sound(self) -> None:
        with self.world.store.reading() as ledger:
            assert [each for each in check_store(ledger) if not each.ok] == []

    def teardown(self) -> None:
        """In the end nothing waits any more."""
        try:
            self.gated.compliance.says.clear()
            self.resume()
            self.let_time_pass(10)
            self.finish(set(), set())
            self.let_time_pass(3 * 24 * 60)
            state = self.world.campaign().state
            assert state in (CampaignState.COMPLETED, CampaignState.STOPPED), state
        finally:
            self.world.store.close()
            self.folder.cleanup()

    # --- short for what is asked often ---

    def gate(self) -> LiveGate | None:
        with self.world.store.reading() as ledger:
            return ledger.gate_of_step(ledger.known_campaign("sale").step(self.step))

    def rows(self) -> dict[int, str]:
        with self.world.store.reading() as ledger:
            step = ledger.known_campaign("sale").step(self.step)
            found = select(deliveries.c.contact_id, deliveries.c.state).where(deliveries.c.step_id == step.id)
            return {row.contact_id: row.state for row in ledger.connection.execute(found)}

    @staticmethod
    def allowed_or_refused(what: Callable[[], object]) -> None:
        try:
            what()
        except CampaignctlError:
            return


class AnyOrderAtStep(AnyOrder):
    """A step without delivery."""

    text = AS_A_STEP
    step = "check"

    def of_step(self, sent: list[Outgoing]) -> list[Outgoing]:
        """All that follows."""
        return sent


_BOUNDS = settings(
    max_examples=10,
    stateful_step_count=12,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = _BOUNDS
TestAnyOrderAtStep = AnyOrderAtStep.TestCase
TestAnyOrderAtStep.settings = _BOUNDS
