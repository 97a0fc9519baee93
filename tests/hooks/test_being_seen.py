"""What people and programs see of hooks, and where nobody is told."""

from __future__ import annotations

import contextlib
import io
import json

import pytest
from hooks.receiver import SECRET, Answer
from hooks.told import SALE, ToldWorld
from sqlalchemy import select
from web.serving import served, token_for

from campaignctl.cli.start import run
from campaignctl.doctor import examine
from campaignctl.leaving import ReaderLink
from campaignctl.project import PROJECT_FILE
from campaignctl.publishing import frozen
from campaignctl.simulation.run import Settings, copied, simulate
from campaignctl.store.tables import hook_events
from campaignctl.validation import check_file


def status(told: ToldWorld, *options: str) -> str:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        assert run(["status", "sale", "--project", str(told.world.folder), *options]) == 0
    return said.getvalue()


def examined(told: ToldWorld) -> list[tuple[str, str]]:
    found = examine(told.world.folder, {}, None, told.world.clock.now(), PROJECT_FILE)
    return [(each.result.value, each.what) for each in found if each.name == "hooks"]


def sold(told: ToldWorld, *statuses: int) -> None:
    """A campaign was sent, and its hook answers with these, and takes everything after them."""
    told.hooked("message.sent")
    told.publish()
    told.world.run_until("2026-12-01 10:10")
    left = list(statuses)
    told.receiver.answering = lambda _: Answer(left.pop(0)) if left else Answer()
    told.tell()


SEEN = {
    "told": ((), "", "ok", "the hook `crm` is told of everything (0 events wait)"),
    "dead": (
        (422,),
        "hook crm: 1 could not be told: campaignctl hooks dead crm",
        "warn",
        "the hook `crm` could not be told of 1 events",
    ),
    "stuck": (
        (503,),
        "hook crm: 3 events wait; it answered 503, and is told again at 2026-12-01T09:10:05Z",
        "warn",
        "the hook `crm` does not take what it is told: 503 (3 events wait)",
    ),
    "off": (
        (200, 200, 410),
        "hook crm: 1 event waits; it is off, because it answered 410: campaignctl hooks enable crm",
        "warn",
        "the hook `crm` is off since 2026-12-01T09:10:00Z: it answered 410",
    ),
}


@pytest.mark.parametrize("state", SEEN)
def test_status_and_doctor_say_how_a_hook_stands(told: ToldWorld, state: str) -> None:
    statuses, words, result, what = SEEN[state]
    sold(told, *statuses)
    assert [line for line in status(told).splitlines() if line.startswith("hook ")] == ([words] if words else [])
    assert examined(told) == [(result, what)]


def test_status_shows_programs_what_waits_and_what_could_not_be_told_of_this_campaign(told: ToldWorld) -> None:
    sold(told, 422, 503)
    told.world.publish_file(
        told.world.write("other.yaml", SALE.replace("campaign: sale", "campaign: other").replace("10:05", "10:20"))
    )
    told.world.run_until("2026-12-01 10:30")
    (hook,) = json.loads(status(told, "--format", "json"))["hooks"]
    assert hook == {
        "hook": "crm", "off_since": None, "waiting": 2, "waiting_since": "2026-12-01T09:05:00Z",
        "next_attempt_at": "2026-12-01T09:10:05Z", "dead": 1, "said": "503",
    }  # fmt: skip


def test_prometheus_sees_what_waits_and_what_could_not_be_told(told: ToldWorld) -> None:
    sold(told, 422, 503)
    with served(told.world) as client:
        lines = client.get("/metrics", headers=token_for(told.world, "read")).text.splitlines()
    assert 'campaignctl_hook_waiting{hook="crm"} 2' in lines
    assert 'campaignctl_hook_dead{hook="crm"} 1' in lines


def test_a_store_without_hooks_says_nothing_of_them(told: ToldWorld) -> None:
    told.publish()
    assert examined(told) == []
    assert json.loads(status(told, "--format", "json"))["hooks"] == []


def test_who_unsubscribes_on_the_page_is_told_of(told: ToldWorld) -> None:
    """The service is another process, which knows nothing of hooks."""
    told.hooked("contact.unsubscribed")
    told.publish()
    told.world.run_until("2026-12-01 10:10")
    step = told.world.campaign().step("first")
    ReaderLink(told.world.store, {}, step.id, 2).leave(told.world.clock.now())
    told.tell()
    assert told.taken == [("contact.unsubscribed", "c-2")]


def test_nobody_is_told_of_a_simulation_or_of_a_plan(told: ToldWorld) -> None:
    told.hooked()
    told.world.at("2026-12-01 09:00")
    told.world.contacts()
    told.start_daemon()
    project = told.world.project
    checked = check_file(told.world.write("campaign.yaml", SALE), project, {})
    assert checked.file is not None
    version = frozen(checked.file, project.project, checked.files)
    with copied(told.world.store) as copy:
        simulate(copy, version, project.project, Settings(now=told.world.clock.now()))
        with copy.reading() as ledger:
            queued = ledger.connection.scalars(select(hook_events.c.type)).all()
    assert queued == ["campaign.published"], "in the copy, which is thrown away"
    told.tell()
    assert told.receiver.heard == []


def test_secrets_of_hooks_are_not_in_the_store(told: ToldWorld) -> None:
    sold(told, 503)
    told.world.store.close()
    content = b"".join(path.read_bytes() for path in told.world.folder.glob("campaignctl.db*"))
    assert SECRET.encode() not in content
    assert told.receiver.url.encode() not in content
