"""Whatever contacts choose and files say, in whatever order: everybody gets what they want, and nothing else."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from web.test_topics import TOPICS
from world import World

from campaignctl.contacts.importing import import_contacts
from campaignctl.contacts.source import Source
from campaignctl.leaving import ReaderLink
from campaignctl.message.address import normal_address

ADDRESSES = {"c-1": "ada@example.org", "c-2": "ada@example.org", "c-3": "grace@example.org"}
CONTACTS = sorted(ADDRESSES)
ATTRIBUTES = {"offers": "pref_offers", "news": "topic_news"}
DAYS = 6
KINDS = ("offers", "news", "")


def kind_of(day: int) -> str:
    """The topic of a day's message; every third has none."""
    return KINDS[day % 3]


def campaign() -> str:
    steps = [
        f"  - {{id: d-{day}, at: 2026-12-{day + 1:02} 10:00, email: {{subject: Hi, body: hello.md"
        + (f", topic: {kind_of(day)}" if kind_of(day) else "")
        + "}}\n"
        for day in range(DAYS)
    ]
    return "campaign: sale\nlist: customers\nstarter: {segment: {attribute: id, exists: true}}\nsteps:\n" + "".join(
        steps
    )


class AnyChoice(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        self.world = World(Path(self.folder.name))
        self.world.write("campaignctl.yaml", (self.world.folder / "campaignctl.yaml").read_text() + TOPICS)
        self.world.contacts("id,email,name\n" + "".join(f"{key},{ADDRESSES[key]},N\n" for key in CONTACTS))
        self.world.at("2026-11-30 10:00")
        self.world.publish(campaign())
        self.day = 0
        # What ought to be so
        self.gone: set[str] = set()  # addresses
        self.left: set[tuple[str, str]] = set()  # addresses, and topics that they left
        self.said: dict[tuple[str, str], bool] = {}  # of contacts and topics, what the attribute says

    def wants(self, key: str, topic: str) -> bool:
        return (ADDRESSES[key], topic) not in self.left and self.said.get((key, topic), True)

    def gets(self, key: str, topic: str) -> bool:
        return ADDRESSES[key] not in self.gone and (not topic or self.wants(key, topic))

    # --- what may happen ---

    @rule()
    def a_day_passes(self) -> None:
        if self.day == DAYS:
            return
        self.world.run_until(f"2026-12-{self.day + 1:02} 10:05")
        got = sorted(each.key.split("/")[2] for each in self.world.email.sent if f"/d-{self.day}/" in each.key)
        assert got == [key for key in CONTACTS if self.gets(key, kind_of(self.day))]
        self.day += 1

    @precondition(lambda self: self.day)
    @rule(key=st.sampled_from(CONTACTS), data=st.data())
    def one_click(self, key: str, data: st.DataObject) -> None:
        day = data.draw(st.integers(0, self.day - 1))
        assert self.link(key, day).leave_topic(self.now) is not None
        if kind_of(day):
            self.leaves(key, kind_of(day))
        else:
            self.gone.add(ADDRESSES[key])

    @precondition(lambda self: self.day)
    @rule(key=st.sampled_from(CONTACTS), wanted=st.sets(st.sampled_from(["offers", "news"])))
    def choose(self, key: str, wanted: set[str]) -> None:
        assert self.link(key, 0).choose(list(ATTRIBUTES), wanted, self.now) is not None
        if not wanted:
            self.gone.add(ADDRESSES[key])
            return
        for topic in ATTRIBUTES:
            if topic not in wanted:
                self.leaves(key, topic)
            elif not self.wants(key, topic):
                self.left.discard((ADDRESSES[key], topic))
                self.said[key, topic] = True

    @precondition(lambda self: self.day)
    @rule(key=st.sampled_from(CONTACTS))
    def come_back(self, key: str) -> None:
        self.link(key, 0).come_back(self.now)
        self.gone.discard(ADDRESSES[key])

    @rule(
        key=st.sampled_from(CONTACTS), topic=st.sampled_from(["offers", "news"]), value=st.booleans(),
        opts_in=st.booleans(),
    )  # fmt: skip
    def bring_in(self, key: str, topic: str, value: bool, opts_in: bool) -> None:
        file = self.world.write("more.ndjson", json.dumps({"id": key, ATTRIBUTES[topic]: value}) + "\n")
        import_contacts(
            self.world.store.database, Source(file), list_name="customers", key="id", email="email", phone=None,
            normal_address=normal_address, now=self.now, topics=ATTRIBUTES, opts_in=opts_in,
        )  # fmt: skip
        has_left = (ADDRESSES[key], topic) in self.left
        if value and has_left and opts_in:
            self.left.discard((ADDRESSES[key], topic))
        self.said[key, topic] = value and (opts_in or not has_left)

    # --- the model ---

    def leaves(self, key: str, topic: str) -> None:
        if self.wants(key, topic) or (ADDRESSES[key], topic) not in self.left:
            self.left.add((ADDRESSES[key], topic))
            self.said[key, topic] = False

    @property
    def now(self) -> datetime:
        """An instant that moves, so that no two things happen at once."""
        self.world.clock.set_to(self.world.clock.now() + timedelta(seconds=1))
        return self.world.clock.now()

    def link(self, key: str, day: int) -> ReaderLink:
        step = self.world.campaign().step(f"d-{day}")
        return ReaderLink(self.world.store, ATTRIBUTES, step.id, CONTACTS.index(key) + 1)

    def teardown(self) -> None:
        try:
            while self.day < DAYS:
                self.a_day_passes()
        finally:
            self.world.store.close()
            self.folder.cleanup()


TestAnyChoice = AnyChoice.TestCase
TestAnyChoice.settings = settings(
    max_examples=15, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)
