"""Whatever is done with campaigns, in whatever order, wherever daemons die: the invariants hold after each thing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

from faults.witness import not_in_the_journal, watch
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select
from world import PROJECT, World, WrittenChannel

from campaignctl.clock import SetClock
from campaignctl.engine.daemon import Daemon, Until
from campaignctl.errors import RefusedError
from campaignctl.flow.states import CampaignState, DeliveryState, StepState
from campaignctl.pausing import pause, resume
from campaignctl.ports import LiveCampaign, Outcome, Outgoing, Verdict
from campaignctl.project import PROJECT_FILE
from campaignctl.resolving import resolve
from campaignctl.store.suppressions import suppress
from campaignctl.store.tables import deliveries, members, ways
from campaignctl.store.uncertain import Resolution

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


# A delivery: of which campaign, which step, to whose number.
Named = tuple[str, str, int]


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


def named(message: Outgoing) -> Named:
    campaign, step, _ = message.content.partition(b"Subject: ")[2].decode().split(maxsplit=2)
    return campaign, step, int(message.recipient[1:].partition("@")[0])


class AnyHistory(RuleBasedStateMachine):
    """At least once: what may have been sent is sent again."""

    may_repeat = True

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.world = World(Path(self.folder.name))
        self.world.email = Witness(self.world.clock, self.may_leave)
        self.crashes = self.without_answer = self.retried = 0
        self.final: dict[tuple[int, int], str] = {}
        self.unsubscribed: set[str] = set()
        self.decided_by_hand: set[tuple[str, int]] = set()
        self.contents: dict[Named, set[bytes]] = defaultdict(set)
        self.branches: dict[int, str] = {}

    @property
    def email(self) -> Witness:
        assert isinstance(self.world.email, Witness)
        return self.world.email

    # --- what may happen ---

    @initialize(quiet=st.sampled_from([None, "10:00-10:30", "11:30-13:00", "21:00-08:00"]), has_zones=st.booleans())
    def begin(self, quiet: str | None, has_zones: bool) -> None:
        self.quiet, self.has_zones = quiet, has_zones
        project = PROJECT.replace("email: email", "email: email, timezone: zone" if has_zones else "email: email")
        self.world.write(PROJECT_FILE, project + (f"send: {{quiet_hours: '{quiet}'}}\n" if quiet else ""))
        with self.world.store.database.writing() as connection:
            watch(connection.connection.driver_connection)
        self.daemon = self.started()
        self.people = 0
        self.world.at("2026-11-30 09:00")
        self.import_contacts(PEOPLE)
        self.publish("sale")

    def started(self) -> Daemon:
        return self.world.daemon(may_repeat=self.may_repeat)

    @rule(count=st.integers(1, 3))
    def import_contacts(self, count: int) -> None:
        self.people += count
        rows = "".join(
            f"c-{number},u{number}@example.org,N{number},{self.zone_of(number)}\n" for number in range(self.people)
        )
        self.world.contacts("id,email,name,zone\n" + rows)

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

    @rule(name=st.sampled_from(NAMES), number=st.integers(0, PEOPLE - 1), word=st.sampled_from(Resolution))
    def decide(self, name: str, number: int, word: Resolution) -> None:
        """A person says what became of a message; and may be wrong."""

        def decided() -> None:
            done = resolve(self.world.store, name, word, contact=f"c-{number}", actor="ada", now=self.now)
            if word is Resolution.RETRY:
                self.retried += done.resolved
            else:
                self.decided_by_hand.add((name, number))

        self.allowed_or_refused(decided)

    @precondition(lambda self: self.email.sent)
    @rule(data=st.data(), is_bounce=st.booleans())
    def hear_of_a_message(self, data: st.DataObject, is_bounce: bool) -> None:
        """Somebody opens what arrived, or it comes back."""
        name, step, number = data.draw(st.sampled_from(sorted(self.accepted())))
        if is_bounce:
            self.unsubscribed.add(f"u{number}@example.org")
            self.world.event(step, f"c-{number}", "bounce", name, hard=True)
        else:
            self.world.event(step, f"c-{number}", "open", name)

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
        name, step_name, number = named(message)
        campaign = self.campaign(name)
        assert campaign is not None
        step = campaign.step(step_name)
        # 10: pause and stop came back before this message was claimed
        assert campaign.state in (CampaignState.ACTIVE, CampaignState.COMPLETED)
        assert step.state in (StepState.RUNNING, StepState.DONE)
        # 13
        assert step.effective_at is not None
        assert step.effective_at <= self.now
        assert not self.is_quiet_for(number)
        # 8
        assert message.recipient not in self.unsubscribed
        # 4: the intent is in the ledger
        found = self.rows(step.id)[number + 1]
        assert found[0] == "sending"
        # 12
        self.contents[name, step_name, number].add(message.content)
        assert len(self.contents[name, step_name, number]) == 1

    def zone_of(self, number: int) -> str:
        return "America/New_York" if self.has_zones and number % 2 else "Europe/Paris"

    def is_quiet_for(self, number: int) -> bool:
        if self.quiet is None:
            return False
        start, _, end = self.quiet.partition("-")
        clock = f"{self.now.astimezone(ZoneInfo(self.zone_of(number))):%H:%M}"
        return start <= clock < end if start < end else not end <= clock < start

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
        """Invariant 3, first part; a trigger sees what happens in between."""
        for _, step_id, _ in self.sending_steps():
            for contact, (state, _attempts) in self.rows(step_id).items():
                before = self.final.get((step_id, contact))
                assert before in (None, state)
                if DeliveryState(state).is_final:
                    self.final[step_id, contact] = state

    @invariant()
    def what_leaves_uncertain_is_in_the_journal(self) -> None:
        """Invariant 3, second part."""
        with self.world.store.reading() as ledger:
            assert list(not_in_the_journal(ledger.connection.connection.driver_connection)) == []

    @invariant()
    def no_more_are_doubled_than_were_without_a_verdict(self) -> None:
        """Invariants 6 and 7."""
        accepts = Counter(message.key for message in self.email.sent)
        doubled = accepts.total() - len(accepts)
        without_verdict = self.crashes * self.email.capacity + self.without_answer if self.may_repeat else 0
        assert doubled <= without_verdict + self.retried

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
            for name in NAMES:
                self.ended_well(name)
        finally:
            self.world.store.close()
            self.folder.cleanup()

    def ended_well(self, name: str) -> None:
        campaign = self.campaign(name)
        if campaign is None:
            return
        with self.world.store.reading() as ledger:
            left = set(ledger.connection.exec_driver_sql("SELECT step_id, contact_id FROM left_uncertain").fetchall())
        accepted = {each for each in self.accepted() if each[0] == name}
        sent: set[Named] = set()
        had_no_verdict: set[Named] = set()
        for step in campaign.steps:
            for contact, (state, _) in self.rows(step.id).items():
                this = (name, step.name, contact - 1)
                if state == "sent":
                    sent.add(this)
                if state == "uncertain" or (step.id, contact) in left:
                    had_no_verdict.add(this)
                if not DeliveryState(state).is_final:
                    assert state == "uncertain", (this, state)
                    assert not self.may_repeat or campaign.state is CampaignState.STOPPED, this
        assert {each for each in sent - accepted if (name, each[2]) not in self.decided_by_hand} == set()
        assert accepted - sent <= had_no_verdict

    def accepted(self) -> set[Named]:
        return {named(message) for message in self.email.sent}

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
    # So few acts can be read; to find fewer that fail would take minutes.
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = _BOUNDS
TestAnyHistoryAtMostOnce = AnyHistoryAtMostOnce.TestCase
TestAnyHistoryAtMostOnce.settings = _BOUNDS
