"""Another time for a step, written into its file: nothing else of the file changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import World

from campaignctl.campaign.load import CampaignFile, load_campaign
from campaignctl.campaign.rewriting import with_time
from campaignctl.cli.start import run
from campaignctl.errors import WorkFailedError
from campaignctl.rescheduling import write

CAMPAIGN = """\
# The sale of the year.
campaign: sale
list: customers

starter: {segment: french}   # only those who read French
steps:
  - id: first                # at nine
    at: '2026-12-01 09:00'   # after the shop opens
    email: {subject: "Été ☀", body: hello.md}
  - id: half
    at: 2026-12-02 09:00
    split:
      by: random
      branches:
        - {name: a, share: 100%, steps: [{id: inner, at: 2026-12-02 10:00, exit: {}}]}
"""
SHORT = "campaign: sale\nlist: customers\nsegment: french\nat: 2026-12-01 09:00\nemail: {subject: Hi, body: hello.md}\n"


def loaded(text: str) -> CampaignFile:
    file = load_campaign("sale.yaml", text.encode())
    assert isinstance(file, CampaignFile), file
    return file


@pytest.mark.parametrize(
    ("step", "before", "after"),
    [
        ("first", "at: '2026-12-01 09:00'   #", "at: 2026-12-01 08:30   #"),
        ("half", "at: 2026-12-02 09:00\n", "at: 2026-12-01 08:30\n"),
        ("inner", "at: 2026-12-02 10:00,", "at: 2026-12-01 08:30,"),
    ],
)
def test_only_the_time_changes(step: str, before: str, after: str) -> None:
    assert CAMPAIGN.count(before) == 1
    changed = with_time(loaded(CAMPAIGN), step, "2026-12-01 08:30")
    assert changed is not None
    assert changed[0] == CAMPAIGN.replace(before, after)


def test_the_short_form_has_its_time_at_the_top() -> None:
    changed = with_time(loaded(SHORT), "sale", "2026-12-01T08:30+01:00")
    assert changed == (SHORT.replace("2026-12-01 09:00", "2026-12-01T08:30+01:00"), "2026-12-01 09:00")


@given(st.lists(st.sampled_from(["\n", "\r\n", "# é☀\n", "# \U0001f600\r\n", "#\x85", "# x\r"]), max_size=8))
def test_the_place_is_found_whatever_ends_the_lines_before(lines: list[str]) -> None:
    before = "".join(lines)
    changed = with_time(loaded(before + SHORT), "sale", "2027-01-01 10:00")
    assert changed == (before + SHORT.replace("2026-12-01 09:00", "2027-01-01 10:00"), "2026-12-01 09:00")


def rescheduled(world: World, step: str, time: str) -> int:
    return run(["reschedule", str(world.folder / "sale.yaml"), step, time])


def test_a_file_is_changed_as_a_whole_and_keeps_its_mark_and_permissions(world: World) -> None:
    file = world.write("sale.yaml", "\ufeff" + CAMPAIGN)
    file.chmod(0o640)
    assert rescheduled(world, "first", "2026-12-01 08:30") == 0
    assert file.read_text("utf-8") == "\ufeff" + CAMPAIGN.replace("'2026-12-01 09:00'", "2026-12-01 08:30")
    assert file.stat().st_mode & 0o777 == 0o640
    assert sorted(each.name for each in world.folder.glob("*sale*")) == ["sale.yaml"]


@pytest.mark.parametrize("time", ["2026-12-05 09:00", "2026-13-01 09:00", "tomorrow"])
def test_a_time_that_would_not_be_sound_changes_nothing(
    world: World, time: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = world.write("sale.yaml", CAMPAIGN)
    assert rescheduled(world, "half", time) in (1, 2)
    assert file.read_text("utf-8") == CAMPAIGN
    assert "error[" in capsys.readouterr().err


def test_a_time_that_is_wrong_can_be_mended(world: World) -> None:
    file = world.write("sale.yaml", CAMPAIGN.replace("'2026-12-01 09:00'", "2026-12-05 09:00"))
    assert rescheduled(world, "first", "2026-12-01 09:00") == 0
    assert file.read_text("utf-8") == CAMPAIGN.replace("'", "")


def test_a_file_that_cannot_be_written_stays(tmp_path: Path) -> None:
    limit = os.pathconf(tmp_path, "PC_NAME_MAX")
    long = tmp_path / ("n" * (limit - 4) + ".yml")
    long.write_text(CAMPAIGN)
    with pytest.raises(WorkFailedError, match="cannot be written"):
        write(long, SHORT)  # no room for the name of the unfinished one beside it
    assert long.read_text() == CAMPAIGN
