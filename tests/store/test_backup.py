"""`store backup`: a copy of a store at work, which is good or is not there."""

from __future__ import annotations

import errno
import os
import resource
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import pytest
from sqlalchemy import text
from world import World

from campaignctl.backing_up import back_up
from campaignctl.errors import CampaignctlError, RefusedError, StoreError, WorkFailedError
from campaignctl.store.checks.check import check_store
from campaignctl.store.database import open_to_look, sqlite_module
from campaignctl.store.ledger import SqlStore

ONE = """
campaign: sale
list: customers
segment: {attribute: email, exists: true}
at: 2026-12-01 10:05
email: {subject: Hi, body: hello.md}
"""
CAMPAIGNCTL = Path(sys.executable).parent / "campaignctl"


@pytest.fixture
def full(world: World) -> World:
    world.contacts()
    world.publish(ONE)
    world.run_until("2026-12-01 12:00")
    return world


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_copy_holds_what_the_store_holds_and_is_for_its_owner_alone(full: World, tmp_path: Path) -> None:
    copy = back_up(full.store.database, tmp_path / "copies.db")
    assert stat.S_IMODE(copy.path.stat().st_mode) == 0o600
    assert copy.size == copy.path.stat().st_size
    with closing(SqlStore(open_to_look(copy.path))) as store, store.reading() as ledger:
        campaign = ledger.known_campaign("sale")
        assert ledger.deliveries_by_state([campaign.steps[0].id]) == {campaign.steps[0].id: {"sent": 3}}
    assert not {name for name in names(tmp_path) if "unfinished" in name}


def test_a_copy_made_while_somebody_writes_is_one_state_of_the_store(full: World, tmp_path: Path) -> None:
    """Each transaction adds to two tables; a copy that tore one apart would not have the same sum in both."""
    ends, has_begun = Event(), Event()

    def write() -> None:
        number = 100
        while not ends.is_set():
            number += 1
            with full.store.database.writing() as connection:
                connection.execute(text(f"INSERT INTO daemons VALUES ({number}, 'h', 1, 0, 0)"))
                connection.execute(text(f"INSERT INTO rate_marks VALUES ('{number}', 0)"))
            has_begun.set()

    writer = Thread(target=write)
    writer.start()
    try:
        assert has_begun.wait(30)
        for number in range(5):
            copy = back_up(full.store.database, tmp_path / f"{number}.db")
            with closing(open_to_look(copy.path)) as database, database.reading() as connection:
                counts = [
                    connection.execute(text(f"SELECT COUNT(*) FROM {table}")).scalar_one()
                    for table in ("daemons WHERE epoch > 100", "rate_marks")
                ]
                assert counts[0] == counts[1] > 0
    finally:
        ends.set()
        writer.join()


def test_a_file_that_is_there_is_replaced_only_when_asked_and_the_store_never(full: World, tmp_path: Path) -> None:
    file = tmp_path / "copy.db"
    file.write_text("precious")
    with pytest.raises(RefusedError, match="is there already"):
        back_up(full.store.database, file)
    assert file.read_text() == "precious"
    back_up(full.store.database, file, may_replace=True)
    assert file.read_bytes().startswith(b"SQLite format 3")
    own = tmp_path / "campaignctl.db"
    (tmp_path / "link.db").symlink_to(own)
    for name in (own, tmp_path / "link.db"):
        with pytest.raises(RefusedError, match="is the store itself"):
            back_up(full.store.database, name, may_replace=True)
    with pytest.raises(RefusedError, match="no file"):
        back_up(full.store.database, tmp_path, may_replace=True)


def test_a_store_that_is_not_whole_gives_no_copy(full: World, tmp_path: Path) -> None:
    with full.store.database.writing() as connection:
        connection.execute(text("DELETE FROM members WHERE contact_id = 1"))
    before = names(tmp_path)
    with pytest.raises(WorkFailedError) as bad:
        back_up(full.store.database, tmp_path / "copy.db")
    assert (bad.value.code, "works on 3 members, and 2 came" in bad.value.message) == ("S112", True)
    assert names(tmp_path) == before


def test_a_store_whose_pages_are_damaged_gives_no_copy(full: World, tmp_path: Path) -> None:
    path = tmp_path / "campaignctl.db"
    full.store.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 8192))
    before = names(tmp_path)
    with pytest.raises(CampaignctlError) as bad, closing(open_to_look(path)) as damaged:
        back_up(damaged, tmp_path / "copy.db")
    assert bad.value.code in ("S103", "S112")
    assert names(tmp_path) == before


def test_a_folder_that_is_not_there_is_said(full: World, tmp_path: Path) -> None:
    with pytest.raises(WorkFailedError) as failed:
        back_up(full.store.database, tmp_path / "nowhere" / "copy.db")
    assert (failed.value.code, failed.value.exit_code) == ("S110", 1)


def test_a_locked_store_is_not_waited_for_for_ever(full: World, tmp_path: Path) -> None:
    """The driver alone would ask again and again."""
    full.store.close()
    path = tmp_path / "campaignctl.db"
    with closing(sqlite_module().connect(path, isolation_level=None)) as holder:
        holder.execute("PRAGMA journal_mode = DELETE").close()
        with closing(open_to_look(path)) as store:
            with store.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA busy_timeout = 1")
            holder.execute("BEGIN EXCLUSIVE")
            with pytest.raises(StoreError) as locked:
                back_up(store, tmp_path / "copy.db")
            holder.execute("ROLLBACK")
    assert locked.value.code == "S105"
    assert "copy.db" not in names(tmp_path)


def test_a_disk_that_is_full_leaves_nothing_behind(full: World, tmp_path: Path) -> None:
    """No file of this process may grow beyond half a store: what a full disk is like, as far as SQLite can tell."""
    full.store.close()
    (tmp_path / "copies").mkdir()
    half = (tmp_path / "campaignctl.db").stat().st_size // 2
    done = subprocess.run(
        [CAMPAIGNCTL, "store", "backup", "copies/copy.db"],
        cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (half, half)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, "error[S110]" in done.stderr) == (1, True), done.stderr
    assert "Traceback" not in done.stderr
    assert names(tmp_path / "copies") == set()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_only_be_read_is_said(full: World, tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    with pytest.raises(WorkFailedError, match=os.strerror(errno.EACCES)):
        back_up(full.store.database, folder / "copy.db")


def test_a_copy_is_a_store_that_can_be_worked_on(full: World, tmp_path: Path) -> None:
    copy = back_up(full.store.database, tmp_path / "copy.db")
    with closing(SqlStore(open_to_look(copy.path))) as store, store.reading() as ledger:
        assert all(check.ok for check in check_store(ledger))
        journal = ledger.connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
    assert journal == "delete", "the copy is one file, wherever it is taken"
