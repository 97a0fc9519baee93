"""`doctor`: what would go wrong, seen before it does."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from channels.scripted_relay import ScriptedRelay
from sqlalchemy import text
from world import PROJECT, World

from campaignctl.doctor import Finding, Result, examine, room, sqlite
from campaignctl.pausing import pause
from campaignctl.ports import Verdict
from campaignctl.project import PROJECT_FILE
from campaignctl.store.overview import PlannedTime
from campaignctl.wiring import alone_on

TWO = """
campaign: sale
list: customers
starter: {segment: {attribute: email, exists: true}}
steps:
  - {id: first, at: 2026-12-01 10:05, email: {subject: Hi, body: hello.md}}
  - {id: second, at: 2026-12-02 09:00, email: {subject: Hi, body: hello.md}}
"""


def found(world: World, environment: dict[str, str] | None = None, now: datetime | None = None) -> list[Finding]:
    return list(examine(world.folder, environment or {}, None, now or world.clock.now(), PROJECT_FILE))


def of(world: World, name: str, **more: object) -> list[tuple[str, str]]:
    """What is said of one thing."""
    return [(each.result.value, each.what) for each in found(world, **more) if each.name == name]  # type: ignore[arg-type] # named by tests


@pytest.fixture
def live(world: World) -> World:
    world.contacts()
    world.publish(TWO)
    return world


def test_a_project_that_works_has_nothing_but_good(world: World) -> None:
    world.contacts()
    assert {each.result for each in found(world) if each.name not in ("sqlite", "room")} == {Result.OK}


def test_doctor_changes_nothing(live: World) -> None:
    def state() -> dict[str, tuple[int, int]]:
        return {path.name: (path.stat().st_size, path.stat().st_mtime_ns) for path in live.folder.iterdir()}

    before = state()
    found(live)
    assert state() == before


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    (tmp_path / PROJECT_FILE).write_text(PROJECT)
    results = list(examine(tmp_path, {}, None, World.instant("2026-12-01 10:00"), PROJECT_FILE))
    assert [(each.name, each.result) for each in results if each.result is not Result.OK][-1] == ("store", Result.WARN)
    assert list(tmp_path.iterdir()) == [tmp_path / PROJECT_FILE]


def test_a_store_that_cannot_be_used_is_said_with_its_code(world: World) -> None:
    world.write("other.db", "no store at all, but long enough to be looked at" * 10)
    world.write(PROJECT_FILE, PROJECT + "store: other.db\n")
    ((result, what),) = of(world, "store")
    assert (result, what.startswith("S103: ")) == ("fail", True)
    world.write(PROJECT_FILE, PROJECT + "store: postgresql://localhost/shop\n")
    assert of(world, "store")[0][1].startswith("S107: ")


def test_a_project_file_with_problems_is_told_and_ends_the_examination(world: World) -> None:
    world.write(PROJECT_FILE, "project: shop\nlist: {}\n")
    assert of(world, "project") == [("fail", "campaignctl.yaml:2: C110: `list` is not a key here")]
    assert of(world, "store") == []


def test_a_problem_beyond_the_shape_is_told_too(world: World) -> None:
    world.write(PROJECT_FILE, PROJECT + "public_url: nonsense\n")
    ((result, what),) = of(world, "project")
    assert (result, "C152" in what) == ("fail", True)


def test_variables_that_are_not_set_are_named(world: World) -> None:
    world.write(
        PROJECT_FILE,
        PROJECT + "channels: {email: {smtp: 'smtp://u:${SECRET}@localhost:1'}}\n"
        "endpoints: {crm: {url: 'https://crm.example', secret: '${CRM}${SECRET}${OTHER:-x}'}}\n",
    )
    assert of(world, "environment") == [("fail", f"the variable `{name}` is not set") for name in ("SECRET", "CRM")]
    set_ = {"SECRET": "canary", "CRM": "canary"}
    assert [result for result, _ in of(world, "environment", environment=set_)] == ["ok"]
    assert "canary" not in str(found(world, set_))


def test_a_mail_server_is_tried(world: World) -> None:
    with ScriptedRelay() as relay:
        world.write(PROJECT_FILE, PROJECT + f"channels: {{email: {{smtp: 'smtp://127.0.0.1:{relay.port}'}}}}\n")
        assert of(world, "channel") == [("ok", f"the mail server 127.0.0.1:{relay.port} is ready for messages")]
    ((result, what),) = of(world, "channel")
    assert (result, "relay_down" in what) == ("fail", True)


def test_an_outbox_that_is_no_folder_is_told(world: World) -> None:
    world.write("outbox", "a file")
    assert [result for result, _ in of(world, "channel")] == ["fail"]


def test_a_store_that_others_may_read_or_delete_is_told(world: World) -> None:
    world.contacts()
    (world.folder / "campaignctl.db").chmod(0o640)
    world.folder.chmod(0o777)
    assert of(world, "permissions")[0][0] == "warn"
    assert of(world, "folder")[0][0] == "warn"
    world.folder.chmod(0o1777)
    assert of(world, "folder")[0][0] == "ok"


GIB = 2**30


@pytest.mark.parametrize(
    ("free", "size", "result"),
    [(GIB, 0, "ok"), (GIB - 1, 0, "warn"), (4 * GIB, 2 * GIB, "ok"), (4 * GIB - 1, 2 * GIB, "warn")],
)
def test_there_is_room_for_a_gibibyte_and_for_a_second_and_third_store(free: int, size: int, result: str) -> None:
    assert room(free, size).result == result


def test_an_old_sqlite_is_told() -> None:
    assert sqlite((3, 40, 1), "sqlite3").result is Result.WARN
    assert sqlite((3, 51, 3), "pysqlite3").result is Result.OK


@pytest.mark.parametrize(("seconds", "result"), [(5, "ok"), (6, "fail")])
def test_a_clock_that_jumped_back_is_told(live: World, seconds: int, result: str) -> None:
    now = live.clock.now() - timedelta(seconds=seconds)
    assert of(live, "clock", now=now)[0][0] == result


def test_a_step_whose_zone_has_new_rules_is_told(live: World) -> None:
    assert [result for result, _ in of(live, "zones")] == ["ok"]
    with live.store.database.writing() as connection:
        connection.execute(text("UPDATE steps SET timezone = 'Europe/Lisbon' WHERE name = 'second'"))
    ((result, what),) = of(live, "zones")
    assert (result, "`sale/second`" in what, "09:00 in Europe/Lisbon" in what) == ("warn", True, True)


def test_a_local_time_that_happens_twice_is_its_first_or_its_second() -> None:
    wall = datetime.fromisoformat("2026-10-25T02:30:00+02:00")
    for offset, is_same in ((2, True), (1, True), (3, False)):
        at = datetime.fromisoformat(f"2026-10-25T02:30:00+0{offset}:00")
        assert PlannedTime("sale", "first", wall, "Europe/Paris", at).means_the_same is is_same


def test_whether_a_daemon_runs_is_told(live: World) -> None:
    assert of(live, "daemon") == [("warn", "no daemon runs, and campaigns are active")]
    with alone_on(live.folder / "campaignctl.db"):
        assert of(live, "daemon") == [("ok", "a daemon runs on the store")]


def test_what_waits_for_a_person_is_told(live: World) -> None:
    assert of(live, "campaigns") == [("ok", "nothing waits for a person")]
    live.at("2026-12-01 10:07")
    assert of(live, "campaigns") == [("warn", "of `sale` `first` should have begun")]
    live.email.answer("ada@example.org", Verdict.UNCERTAIN)
    live.run_until("2026-12-01 12:00", live.daemon(may_repeat=False))
    assert of(live, "campaigns") == [("warn", "1 deliveries of `sale` have no verdict")]
    pause(live.store, "sale", actor="ada", now=live.clock.now())
    assert ("warn", "`sale` is paused") in of(live, "campaigns")


def test_a_step_that_is_held_is_told(live: World) -> None:
    live.at("2026-12-05 10:00")
    live.run_until("2026-12-05 10:01")
    assert of(live, "campaigns") == [("warn", "of `sale` a person has to decide about `first` (too_late)")]


def test_a_folder_that_may_not_be_written_is_told(live: World) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    live.folder.chmod(0o500)
    try:
        assert of(live, "folder")[0][0] == "fail"
    finally:
        live.folder.chmod(0o700)
