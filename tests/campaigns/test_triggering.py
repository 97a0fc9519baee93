"""Campaigns that a request starts, with the contacts that it brings."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from world import World

from campaignctl.cli.start import run
from campaignctl.contacts.request import lines_of, rows_of_lines
from campaignctl.errors import RefusedError, WorkFailedError
from campaignctl.flow.states import CampaignState, StepState
from campaignctl.incoming import Identity, Request, RowsRefusedError
from campaignctl.pausing import pause
from campaignctl.store.checks.check import check_store
from campaignctl.tracing import trace
from campaignctl.triggering import OtherBodyError, Started, trigger

THANKS = """
campaign: thanks
list: customers
starter: {api: {}}
steps:
  - {id: first, email: {subject: "Order {{ data.order | default('none') }} of {{ contact.name }}", body: hello.md}}
  - {id: second, set: {orders: "{{ data.order | default('0') }}"}}
  - {id: later, at: 2026-12-01 10:00, email: {subject: Again, body: hello.md}}
"""


def row(key: object, order: object = None, **properties: object) -> bytes:
    said: dict[str, object] = {"id": key, "properties": properties}
    if order is not None:
        said["data"] = {"order": order}
    return json.dumps(said).encode() + b"\n"


ADA = row("a", 7, email="ada@example.org", name="Ada")
BOB = row("b", None, email="bob@example.org", name="Bob")


def asked(world: World, *rows: bytes, key: str | None = None) -> Started:
    known = None if key is None else identity(b"".join(rows), key)
    return trigger(world.store, request(lambda: rows, identity=known), world.clock.now)


def identity(body: bytes, key: str) -> Identity:
    return Identity(key, sha256(body).hexdigest())


def request(body: Callable[[], Iterable[bytes]], campaign: str = "thanks", identity: Identity | None = None) -> Request:
    """What is asked with the lines that come in pieces out of *body*."""
    return Request(campaign, lambda: rows_of_lines(body()), "tester", identity)


def subjects(world: World) -> list[tuple[str, str]]:
    return [
        (message.recipient, next(line for line in message.content.decode().splitlines() if line.startswith("Subject")))
        for message in world.email.sent
    ]


@pytest.fixture
def thanks(world: World) -> World:
    world.at("2026-11-20 10:00")
    world.publish(THANKS)
    return world


def test_nothing_runs_before_the_request_not_even_a_step_whose_time_has_come(thanks: World) -> None:
    thanks.run_until("2026-12-02 10:00")
    assert thanks.email.sent == []
    assert [step.state for step in thanks.campaign("thanks").steps] == [
        StepState.WAITING, StepState.WAITING, StepState.SCHEDULED,
    ]  # fmt: skip


def test_the_leading_steps_run_at_once_and_in_order_and_the_rest_at_its_time(thanks: World) -> None:
    thanks.at("2026-11-25 09:00")
    started = asked(thanks, ADA, BOB)
    assert started.answer["members"] == 2

    # Without another word the first message leaves, with what the request brought
    thanks.run_until("2026-11-25 09:01")
    assert subjects(thanks) == [
        ("ada@example.org", "Subject: Order 7 of Ada"), ("bob@example.org", "Subject: Order none of Bob"),
    ]  # fmt: skip

    # And the step with a time of its own waits for it
    thanks.run_until("2026-12-01 09:59")
    assert len(thanks.email.sent) == 2
    thanks.run_until("2026-12-01 10:01")
    assert len(thanks.email.sent) == 4
    assert thanks.campaign("thanks").state is CampaignState.COMPLETED
    with thanks.store.reading() as ledger:
        assert all(checked.ok for checked in check_store(ledger))


def test_a_campaign_starts_once(thanks: World) -> None:
    asked(thanks, ADA)
    with pytest.raises(RefusedError, match="started already"):
        asked(thanks, BOB)
    assert thanks.campaign("thanks").members == 1


def test_the_same_request_again_gets_the_same_answer_and_another_body_is_a_mistake(thanks: World) -> None:
    first = asked(thanks, ADA, key="k")
    again = asked(thanks, ADA, key="k")
    assert (first.is_new, again.is_new) == (True, False)
    assert again.answer == json.loads(json.dumps(first.answer))
    with pytest.raises(OtherBodyError):
        asked(thanks, BOB, key="k")

    # And its rows are not even looked at again
    def unwanted() -> Iterator[bytes]:
        raise AssertionError
        yield

    again = trigger(thanks.store, request(unwanted, identity=identity(ADA, "k")), thanks.clock.now)
    assert again.answer == first.answer
    with pytest.raises(RefusedError, match="started already"):
        asked(thanks, ADA, key="other")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (b"{", "not JSON"),
        (b"[1]\n", "not an object"),
        (b'{"id": "c", "extra": 1}', "`extra` is not known here"),
        (b'{"id": "c", "data": 3}', "`data` is not an object"),
        (b'{"id": "c", "properties": []}', "`properties` is not an object"),
        (b'{"id": "c", "properties": {"ID": "d"}}', "is the key"),
        (b'{"properties": {"name": "Eve"}}', "missing key"),
        (b'{"id": {"a": 1}}', "holds an object"),
        (b'{"id": "c", "properties": {"name": {"a": 1}}}', "`name` holds an object"),
        (b'{"id": "c", "properties": {"email": "nobody"}}', "bad address"),
        (b'{"id": "c", "data": {"x": NaN}}', "not JSON"),
        (b'{"id": "c", "data": {"x": "' + b"y" * 70_000 + b'"}}', "longer than 65536"),
        (b'{"id": "c", "properties": {"name": "\\u0000"}}', "NUL"),
        (b'{"id": "c", "data": {"x": "\\ud800"}}', "half of a character pair"),
        (b'{"id": "c", "data": {"x": 1e999}}', "too large"),
        (b'{"id": "c", "data": {"x": ' + b"[" * 8 + b"]" * 8 + b"}}", "`data` is nested more than 8 levels deep"),
        (b'{"id": "c", "data": {"x": ' + b"[" * 700 + b"]" * 700 + b"}}", "nested more than 8 levels deep"),
        (b'{"id": "c", "data": ' + b"[" * 100_000, "nested too deep"),
        (b'{"id": "c", "properties": {"x": ' + b"[" * 700 + b"]" * 700 + b"}}", "`x` holds an array"),
        (b'{"id": true}', "neither text nor a number"),
        (ADA, "duplicate key"),
    ],
)
def test_one_row_that_cannot_be_taken_starts_nothing_and_is_named(thanks: World, wrong: bytes, said: str) -> None:
    with pytest.raises(RowsRefusedError) as refused:
        asked(thanks, ADA, wrong)
    assert [bad.line for bad in refused.value.rows] == [2]
    assert said in f"{refused.value.rows[0].reason} {refused.value.rows[0].detail}"
    # And the list has nobody of it
    assert thanks.campaign("thanks").started_at is None
    with thanks.store.reading() as ledger:
        assert ledger.contact_list(thanks.campaign("thanks")).attributes.keys() == {"id"}


def test_data_may_be_nested_a_little(thanks: World) -> None:
    line = b'{"id": "c", "properties": {"email": "c@example.org", "name": "C"}, "data": {"order": '
    asked(thanks, line + b"[" * 7 + b"5" + b"]" * 7 + b"}}")
    thanks.run_until("2026-11-20 10:01")
    assert subjects(thanks) == [("c@example.org", "Subject: Order [[[[[[[5]]]]]]] of C")]


def test_a_request_with_nobody_in_it_starts_nothing(thanks: World) -> None:
    for nobody in ((), (b"\n \n",)):
        with pytest.raises(WorkFailedError, match="nobody"):
            asked(thanks, *nobody)


def test_a_contact_that_is_known_is_changed_and_keeps_what_the_request_does_not_say(world: World) -> None:
    world.contacts()
    world.at("2026-11-20 10:00")
    world.publish(THANKS)
    answer = asked(world, row("c-1", 1, name="Countess"), row("c-9", 2, email="new@example.org", name="New")).answer
    assert (answer["contacts_added"], answer["contacts_changed"]) == (1, 1)
    world.run_until("2026-11-20 10:01")
    assert subjects(world) == [
        ("ada@example.org", "Subject: Order 1 of Countess"), ("new@example.org", "Subject: Order 2 of New"),
    ]  # fmt: skip


def test_who_is_not_in_the_projects_segment_takes_no_part(world: World) -> None:
    project = (world.folder / "campaignctl.yaml").read_text()
    world.write("campaignctl.yaml", project + "segment: {attribute: name, ne: Bob}\n")
    world.contacts()
    world.at("2026-11-20 10:00")
    world.publish(THANKS)
    answer = asked(world, ADA, BOB).answer
    assert (answer["members"], answer["not_in_project_segment"]) == (1, 1)
    world.run_until("2026-11-20 10:01")
    assert [recipient for recipient, _ in subjects(world)] == ["ada@example.org"]


def test_a_campaign_does_not_start_with_nobody(world: World) -> None:
    project = (world.folder / "campaignctl.yaml").read_text()
    world.write("campaignctl.yaml", project + "segment: {attribute: name, ne: Bob}\n")
    world.contacts()
    world.at("2026-11-20 10:00")
    world.publish(THANKS)
    with pytest.raises(WorkFailedError, match="nobody"):
        asked(world, BOB)
    # It may still start, and Bob is not in the list
    assert asked(world, ADA).answer["contacts_added"] == 1


def test_a_campaign_that_is_paused_stopped_or_started_by_its_times_is_not_started(thanks: World) -> None:
    pause(thanks.store, "thanks", actor="tester", now=thanks.clock.now())
    with pytest.raises(RefusedError, match="paused"):
        asked(thanks, ADA)
    thanks.stop("thanks")
    with pytest.raises(RefusedError, match="stopped"):
        asked(thanks, ADA)
    thanks.contacts()
    thanks.publish(
        "campaign: hello\nlist: customers\nsegment: {attribute: id, exists: true}\nat: 2026-12-24 10:00\n"
        "email: {subject: Hi, body: hello.md}\n"
    )
    with pytest.raises(RefusedError, match="by its times"):
        trigger(thanks.store, request(lambda: [ADA], "hello"), thanks.clock.now)


def test_a_request_after_the_time_of_a_step_starts_nothing(thanks: World) -> None:
    thanks.at("2026-12-01 10:01")
    with pytest.raises(RefusedError, match="`later` is past"):
        asked(thanks, ADA)


def test_now_and_simulations_are_for_campaigns_that_start_by_themselves(
    thanks: World, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RefusedError, match="by `--now`"):
        thanks.publish(THANKS.replace("thanks", "other"), starts_now=True)
    file = str(thanks.write("other.yaml", THANKS.replace("thanks", "other")))
    assert run(["simulate", file, "--project", str(thanks.folder)]) == 3
    assert run(["audience", file, "--project", str(thanks.folder)]) == 3
    said = capsys.readouterr().err
    assert "error[P157]" in said
    assert "error[P108]" in said


def test_a_step_without_a_time_cannot_be_added_after_the_request_for_nothing_would_start_it(thanks: World) -> None:
    asked(thanks, ADA)
    added = THANKS.replace("  - {id: later", "  - {id: more, set: {seen: true}}\n  - {id: later")
    with pytest.raises(RefusedError, match="give it a time"):
        thanks.publish(added, is_live=True)


def test_a_version_that_is_published_while_the_request_is_read_is_not_started_with_it(thanks: World) -> None:
    def slow() -> Iterator[bytes]:
        yield ADA
        thanks.publish(THANKS.replace("Order", "Your order"))

    with pytest.raises(RefusedError, match="published anew"):
        trigger(thanks.store, request(slow), thanks.clock.now)
    assert thanks.campaign("thanks").started_at is None


def test_a_list_that_gets_an_attribute_while_the_request_is_read_does_not_lose_it(world: World) -> None:
    world.contacts()
    world.at("2026-11-20 10:00")
    world.publish(THANKS)
    times: list[int] = []

    def slow() -> Iterator[bytes]:
        yield ADA
        if not times:
            world.contacts("id,city\nc-1,Lyon\n")
        times.append(1)

    # It is read again, against the list as it is now
    assert trigger(world.store, request(slow), world.clock.now).answer["members"] == 1
    assert len(times) == 2
    with world.store.reading() as ledger:
        assert "city" in ledger.contact_list(world.campaign("thanks")).attributes


def test_a_list_that_changes_again_and_again_while_the_request_is_read_is_told(world: World) -> None:
    world.contacts()
    world.at("2026-11-20 10:00")
    world.publish(THANKS)
    times: list[int] = []

    def slow() -> Iterator[bytes]:
        yield ADA
        times.append(1)
        world.contacts(f"id,city{len(times)}\nc-1,Lyon\n")

    with pytest.raises(RefusedError, match="attributes of `customers` were changed") as refused:
        trigger(world.store, request(slow), world.clock.now)
    assert (refused.value.code, len(times)) == ("S205", 3)
    assert world.campaign("thanks").started_at is None


def test_trace_says_that_the_request_named_the_contact(thanks: World) -> None:
    thanks.contacts()
    asked(thanks, ADA)
    thanks.run_until("2026-11-20 10:05")
    with thanks.store.reading() as ledger:
        named = trace(ledger, "thanks", "a", thanks.clock.now())
        other = trace(ledger, "thanks", "c-1", thanks.clock.now())
    assert named.explanation == "Is a member: the request that started the campaign named the contact."
    assert other.explanation.startswith("Is not a member: the request did not name the contact")


def test_leading_steps_may_be_changed_before_the_request(thanks: World) -> None:
    thanks.publish(THANKS.replace("Order", "Your order"))
    asked(thanks, ADA)
    thanks.run_until("2026-11-20 10:05")
    assert subjects(thanks) == [("ada@example.org", "Subject: Your order 7 of Ada")]


@given(st.lists(st.binary(max_size=30), max_size=8), st.data())
@settings(max_examples=200, deadline=None)
def test_however_a_body_comes_in_pieces_its_lines_are_the_same(pieces: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(pieces)
    expected = [*whole.split(b"\n")]
    if expected[-1] == b"":
        expected.pop()
    assert list(lines_of(pieces)) == expected


def test_a_line_without_an_end_does_not_fill_the_memory(thanks: World) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(40):
            yield b"x" * 100_000

    with pytest.raises(RowsRefusedError) as refused:
        trigger(thanks.store, request(endless), thanks.clock.now)
    assert "longer than" in refused.value.rows[0].detail


def test_a_request_that_breaks_off_starts_nothing_and_leaves_no_file(thanks: World) -> None:
    def broken() -> Iterator[bytes]:
        yield ADA
        raise OSError

    before = sorted(path.name for path in Path(thanks.folder).iterdir())
    with pytest.raises(OSError):  # noqa: PT011 # it has no text
        trigger(thanks.store, request(broken), thanks.clock.now)
    assert sorted(path.name for path in Path(thanks.folder).iterdir()) == before
    assert thanks.campaign("thanks").started_at is None
