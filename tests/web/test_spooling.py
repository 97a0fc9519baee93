"""Bodies that are larger than memory wait on the disk, which may be full."""

from __future__ import annotations

from pathlib import Path

import pytest
from world import World

from campaignctl.errors import StoreError
from campaignctl.web.spooling import disk_told, spool


def test_a_disk_that_is_full_is_told_as_that() -> None:
    with pytest.raises(StoreError) as failure, disk_told(), Path("/dev/full").open("wb", buffering=0) as file:
        file.write(b"contacts")
    assert failure.value.code == "S106"


def test_a_folder_that_is_gone_is_told(world: World) -> None:
    world.store.close()
    for path in world.folder.iterdir():
        path.unlink()
    world.folder.rmdir()
    with pytest.raises(StoreError) as failure, spool(world.store):
        pytest.fail("there is no room")
    assert failure.value.code == "S101"
