"""Whatever is done with campaigns, in whatever order, wherever daemons die: the invariants hold after each thing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select
from world import World, WrittenChannel

from campaignctl.clock import SetClock
from campaignctl.engine.daemon import Daemon, Until
from campaignctl.errors import RefusedError
from campaignctl.flow.states import CampaignState, DeliveryState, StepState
from campaignctl.pausing import pause, resume
from campaignctl.ports import LiveCampaign, Outcome, Outgoing, Verdict
from campaignctl.store.suppressions import suppress
from campaignctl.store.tables import deliveries, members, ways

PEOPLE = 6
NAMES = ("sale", "news")
CAMPAIGN = """
campaign: {name}
list: customers
starter: {{segment: {{attribute: email, exists: true}}}}
steps:
  - {{id: first, at: 2026-12-01 10:05, email: {{subject: "{name} first", body: hello.md}}}}
  - id: parts
    at: 2026-12-01 12:00
    split:
      by: random
      branches:
        - name: a
          share: 50%
          steps: [{{id: second, at: 2026-12-02 09:00, email: {{subject: "{name} second", body: hello.md}}}}]
        - name: b
          share: 50%
          steps: [{{id: other, at: 2026-12-02 09:00, email: {{subject: "{name} other", body: hello.md}}}}]
"""


class DiedError(BaseException):
    """The daemon is dead: nothing of it runs any more, not even what handles exceptions."""


class Witness(WrittenChannel):
    """A mail server that looks into the ledger before it takes a message, and may be the last thing a daemon sees."""

    def __init__(self, clock: SetClock, is_allowed: Callable[[Outgoing], None]) -> None:
        super().__init__(clock)
        self.dies_after: int | None = None
        self.unanswered: Counter[str] = Counter()
        self._is_allowed = is_allowed

    def _outcome(self, message: Outgoing) -> Outcome:
        self._is_allowed(message)
        outcome = super()._outcome(message)
        if self.dies_after is not None:
            self.dies_after -= 1
            if self.dies_after <= 0:
                self.dies_after = None
                raise DiedError
        if outcome.verdict is Verdict.SENT and self.unanswered[message.recipient]:
            self.unanswered[message.recipient] -= 1
            return Outcome(message.key, Verdict.UNCERTAIN, "no_answer")
        return outcome


class AnyHistory(RuleBasedStateMachine):
    """At least once: what may have been sent is sent again."""

    may_repeat = True

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.world = World(Path(self.folder.name))
        self.world.email = Witness(self.world.clock, self.may_leave)
        self.crashes = self.without_answer = 0
        self.final: dict[tuple[int, int], str] = {}
        self.unsubscribed: set[str] = set()
        self.message_ids: dict[str, set[bytes]] = defaultdict(set)
        self.branches: dict[int, str] = {}
        self.daemon = self.started()

    @property
    def email(self) -> Witness:
        assert isinstance(self.world.email, Witness)
        return self.world.email

    # --- what may happen ---

    @initialize()
    def begin(self) -> None:
        self.people = 0
        self.world.at("2026-11-30 09:00")
        self.import_contacts(PEOPLE)
        self.publish("sale")

    def started(self) -> Daemon:
        return self.world.daemon(may_repeat=self.may_repeat)

    @rule(count=st.integers(1, 3))
    def import_contacts(self, count: int) -> None:
        self.people += count
        rows = "".join(f"c-{number},u{number}@example.org,N{number}\n" for number in range(self.people))
        self.world.contacts("id,email,name\n" + rows)

    @precondition(lambda self: self.now < World.instant("2026-12-01 09:00"))
    @rule(name=st.sampled_from(NAMES))
    def publish(self, name: str) -> None:
        if self.campaign(name) is None:
            self.world.publish(CAMPAIGN.format(name=name))

    @rule(name=st.sampled_from(NAMES))
    def pause(self, name: str) -> None:
        self.allowed_or_refused(lambda: pause(self.world.store, name, actor="ada", now=self.now))

    @rule(name=st.sampled_from(NAMES))
    def resume(self, name: str) -> None:
        self.allowed_or_refused(lambda: resume(self.world.store, name, actor="ada", now=self.now))

    @precondition(lambda self: self.now > World.instant("2026-12-01 10:05"))
    @rule(name=st.sampled_from(NAMES))
    def stop(self, name: str) -> None:
        self.allowed_or_refused(lambda: self.world.stop(name))

    @rule(number=st.integers(0, PEOPLE - 1))
    def unsubscribe(self, number: int) -> None:
        self.unsubscribed.add(f"u{number}@example.org")
        with self.world.store.writing() as ledger:
            suppress(ledger.connection, "email", f"u{number}@example.org", "unsubscribed", self.now)

    @rule(number=st.integers(0, PEOPLE - 1))
    def refuse_for_now(self, number: int) -> None:
        self.email.answer(f"u{number}@example.org", Verdict.DEFERRED, "refused_for_now")

    @rule(number=st.integers(0, PEOPLE - 1))
    def refuse_for_good(self, number: int) -> None:
        self.email.answer(f"u{number}@example.org", Verdict.FAILED, "hard_bounce", is_hard_bounce=True)

    @rule(number=st.integers(0, PEOPLE - 1), is_taken=st.booleans())
    def do_not_answer(self, number: int, is_taken: bool) -> None:
        self.without_answer += 1
        if is_taken:
            self.email.unanswered[f"u{number}@example.org"] += 1
        else:
            self.email.answer(f"u{number}@example.org", Verdict.UNCERTAIN, "no_answer")

    @rule(messages=st.integers(1, 6))
    def die_soon(self, messages: int) -> None:
        self.email.dies_after = messages

    @rule()
    def die_idle(self) -> None:
        self.daemon = self.started()

    @rule(minutes=st.sampled_from([1, 6, 65, 24 * 60]))
    def let_time_pass(self, minutes: int) -> None:
        end = self.now + timedelta(minutes=minutes)
        while True:
            try:
                self.daemon.run(Until.DONE_FOR_NOW)
            except DiedError:
                self.crashes += 1
                self.daemon = self.started()
                continue
            if self.daemon.wake_at is None or self.daemon.wake_at > end:
                break
            self.world.clock.set_to(self.daemon.wake_at)
        self.world.clock.set_to(end)

    # --- what must hold ---

    def may_leave(self, message: Outgoing) -> None:
        """Asked before the mail server takes a message: invariants 4, 8, 10, 12 and 13."""
        name, step_name, _ = message.content.partition(b"Subject: ")[2].decode().split(maxsplit=2)
        campaign = self.campaign(name)
        assert campaign is not None
        step = campaign.step(step_name)
        # 10: pause and stop came back before this message was claimed
        assert campaign.state in (CampaignState.ACTIVE, CampaignState.COMPLETED)
        assert step.state in (StepState.RUNNING, StepState.DONE)
        # 13
        assert step.effective_at is not None
        assert step.effective_at <= self.now
        # 8
        assert message.recipient not in self.unsubscribed
        # 4: the intent is in the ledger
        number = int(message.recipient[1:].partition("@")[0])
        found = self.rows(step.id)[number + 1]
        assert found[0] == "sending"
        # 12
        self.message_ids[f"{name}/{step_name}/{number}"].add(message.content)
        assert len(self.message_ids[f"{name}/{step_name}/{number}"]) == 1

    def rows(self, step_id: int) -> dict[int, tuple[str, int]]:
        with self.world.store.reading() as ledger:
            found = ledger.connection.execute(
                select(deliveries.c.contact_id, deliveries.c.state, deliveries.c.attempts).where(
                    deliveries.c.step_id == step_id
                )
            )
            return {row.contact_id: (row.state, row.attempts) for row in found}

    @invariant()
    def members_and_deliveries_add_up(self) -> None:
        """Invariants 1 and 11: counted from the ledger, at any moment."""
        for campaign, step_id, cohort in self.sending_steps():
            assert len(self.rows(step_id)) == cohort, campaign

    @invariant()
    def what_is_final_stays(self) -> None:
        """Invariant 3."""
        for _, step_id, _ in self.sending_steps():
            for contact, (state, _attempts) in self.rows(step_id).items():
                before = self.final.get((step_id, contact))
                assert before in (None, state)
                if DeliveryState(state).is_final:
                    self.final[step_id, contact] = state

    @invariant()
    def no_more_are_doubled_than_were_without_a_verdict(self) -> None:
        """Invariants 6 and 7."""
        accepts = Counter(message.key for message in self.email.sent)
        doubled = accepts.total() - len(accepts)
        assert doubled <= (self.crashes * self.email.capacity + self.without_answer if self.may_repeat else 0)

    @invariant()
    def who_goes_where_never_changes(self) -> None:
        """Invariant 12: branches are functions of seed, step and contact."""
        with self.world.store.reading() as ledger:
            for row in ledger.connection.execute(
                select(members.c.campaign_id, members.c.contact_id, ways.c.path).join(
                    ways, ways.c.id == members.c.way_id
                )
            ):
                key = row.campaign_id * 1000 + row.contact_id
                # A later decision makes the way longer, and leaves what was decided before.
                assert row.path.startswith(self.branches.get(key, "/"))
                self.branches[key] = row.path

    def teardown(self) -> None:
        """Invariant 5: in the end, with a server that takes everything, nothing is lost."""
        try:
            self.email.answers.clear()
            self.email.unanswered.clear()
            for _ in range(3):
                for name in NAMES:
                    self.resume(name)
                self.let_time_pass(3 * 24 * 60)
            accepted = {message.key for message in self.email.sent}
            for name in NAMES:
                self.ended_well(name, accepted)
        finally:
            self.world.store.close()
            self.folder.cleanup()

    def ended_well(self, name: str, accepted: set[str]) -> None:
        campaign = self.campaign(name)
        if campaign is None:
            return
        states = Counter(state for step in campaign.steps for state, _ in self.rows(step.id).values())
        taken = sum(key in accepted for key in accepted if self.of(name, key))
        assert states["sent"] <= taken
        if campaign.state is not CampaignState.STOPPED:
            open_states = {state for state in states if not DeliveryState(state).is_final}
            assert open_states <= (set() if self.may_repeat else {"uncertain"}), states

    def of(self, name: str, key: str) -> bool:
        return next(
            f"Subject: {name} ".encode() in message.content for message in self.email.sent if message.key == key
        )

    # --- short for what is asked often ---

    @property
    def now(self) -> datetime:
        return self.world.clock.now()

    def campaign(self, name: str) -> LiveCampaign | None:
        with self.world.store.reading() as ledger:
            return ledger.campaign_named(name)

    def sending_steps(self) -> Sequence[tuple[str, int, int]]:
        with self.world.store.reading() as ledger:
            return [
                (f"{campaign.name}/{step.name}", step.id, step.cohort)
                for campaign in ledger.every_campaign()
                for step in campaign.steps
                if step.verb == "email" and step.cohort is not None
            ]

    @staticmethod
    def allowed_or_refused(what: Callable[[], object]) -> None:
        try:
            what()
        except RefusedError:
            return


class AnyHistoryAtMostOnce(AnyHistory):
    """What may have been sent stays uncertain."""

    may_repeat = False


_BOUNDS = settings(
    max_examples=8,
    stateful_step_count=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = _BOUNDS
TestAnyHistoryAtMostOnce = AnyHistoryAtMostOnce.TestCase
TestAnyHistoryAtMostOnce.settings = _BOUNDS
