"""A store that is damaged, foreign or newer is refused with a sentence, and left as it is."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from faults.shop import STORE, Shop


def garbage(store: Path) -> None:
    store.write_bytes(b"not a database, whatever its name says\n" * 500)


def truncated(store: Path) -> None:
    store.write_bytes(store.read_bytes()[: store.stat().st_size // 3])


def overwritten(store: Path) -> None:
    """Every page but the first is noise: what a failing disk leaves."""
    content = store.read_bytes()
    store.write_bytes(content[:4096] + b"\xa5" * (len(content) - 4096))


def foreign(store: Path) -> None:
    store.unlink()
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("CREATE TABLE recipes (title)")
        connection.commit()


def newer(store: Path) -> None:
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("INSERT INTO migrations VALUES (999, 'to come', 0)")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@pytest.mark.parametrize("harm", [garbage, truncated, overwritten, foreign, newer])
def test_a_daemon_refuses_a_store_it_cannot_use_and_leaves_it_alone(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    shop = Shop.opened(tmp_path / "shop", 1, contacts=300)
    harm(shop.store)
    before = (tmp_path / "shop" / STORE).read_bytes()
    said = shop.command("run", "--once", expected=78)
    assert "error[S10" in said
    assert (tmp_path / "shop" / STORE).read_bytes() == before
