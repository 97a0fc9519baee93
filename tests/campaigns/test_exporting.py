"""Steps that write the contacts for an ad network."""

from __future__ import annotations

import csv
import fcntl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from world import PROJECT, World

from campaignctl.channels.exports import ExportFolder, PreparedFile
from campaignctl.flow.states import CampaignState, StepState
from campaignctl.pausing import pause
from campaignctl.store.suppressions import suppress

HEAD = "campaign: sale\nlist: customers\nstarter: {segment: {attribute: id, exists: true}}\nsteps:\n"
PEOPLE = """id,email,mobile,firstname,lastname,country,zip,consent
c-1,Ada.Love+x@Gmail.com,06 12 34 56 78, Ada ,O'Brien,FR,75002,true
c-2,grace@example.org,,Grace,Hopper,Belgium,,true
c-3,,+32 470 12 34 56,Alan,,BE,,true
c-4,edsger@example.org,,,,,,false
c-5,,12,,,,,true
c-6,barbara@example.org,,,,,,true
c-7,,+32 470 99 99 99,,,,,true
"""


def of(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def export(format_: str, to: str = "exports/ads.csv") -> str:
    return HEAD + f"  - {{id: ads, at: 2026-12-01 10:00, export: {{format: {format_}, to: {to}}}}}\n"


@pytest.fixture
def shop(world: World) -> World:
    lists = "lists: {customers: {key: id, email: email, phone: mobile}}"
    project = PROJECT.replace("lists: {customers: {key: id, email: email}}", lists)
    sms = "channels: {sms: {endpoint: p, country: FR}}\nendpoints: {p: {url: 'https://sms.example/'}}\n"
    world.write("campaignctl.yaml", project + sms + "segment: {attribute: consent, eq: true}\n")
    world.import_file(world.write("contacts.csv", PEOPLE.replace("false", "true")))
    with world.store.writing() as ledger:
        suppress(ledger.connection, "email", "barbara@example.org", "unsubscribed", world.clock.now())
        suppress(ledger.connection, "sms", "+32470999999", "manual", world.clock.now())
    return world


def written(world: World, text: str) -> list[list[str]]:
    """What the step writes; one contact takes their consent back after the campaign has begun."""
    world.publish(text.replace("steps:\n", "steps:\n  - {id: mark, at: 2026-12-01 09:00, set: {marked: true}}\n"))
    world.run_until("2026-12-01 09:30")
    world.import_file(world.write("contacts.csv", PEOPLE))
    world.run_until("2026-12-01 10:05")
    with (world.folder / "exports" / "ads.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_meta_gets_names_without_signs_and_numbers_without_a_plus(shop: World) -> None:
    assert written(shop, export("meta")) == [
        ["email", "phone", "fn", "ln", "country", "zip"],
        [of("ada.love+x@gmail.com"), of("33612345678"), of("ada"), of("obrien"), of("fr"), of("75002")],
        [of("grace@example.org"), "", of("grace"), of("hopper"), "", ""],
        ["", of("32470123456"), of("alan"), "", of("be"), ""],
    ]


def test_google_gets_its_own_addresses_without_dots_and_the_country_readable(shop: World) -> None:
    assert written(shop, export("google")) == [
        ["Email", "Phone", "First Name", "Last Name", "Country", "Zip"],
        [of("adalove@gmail.com"), of("+33612345678"), of("ada"), of("o'brien"), "FR", "75002"],
        [of("grace@example.org"), "", of("grace"), of("hopper"), "", ""],
        ["", of("+32470123456"), of("alan"), "", "BE", ""],
    ]


def test_tiktok_gets_addresses_and_numbers(shop: World) -> None:
    assert written(shop, export("tiktok"))[1:] == [
        [of("ada.love+x@gmail.com"), of("+33612345678")],
        [of("grace@example.org"), ""],
        ["", of("+32470123456")],
    ]


def test_csv_is_readable_and_no_cell_of_it_is_a_formula(shop: World) -> None:
    assert written(shop, export("csv"))[1:] == [
        ["c-1", "ada.love+x@gmail.com", "'+33612345678"],
        ["c-2", "grace@example.org", ""],
        ["c-3", "", "'+32470123456"],
        ["c-5", "", ""],  # the key is enough for whoever keeps the list
    ]


def test_whoever_is_left_out_is_counted(shop: World) -> None:
    written(shop, export("meta"))
    with shop.store.reading() as ledger:
        entry = next(each for each in ledger.history(shop.campaign()) if each.action == "exported")
    assert entry.detail == {
        "step": "ads",
        "path": "exports/ads.csv",
        "written": 3,
        "left_out": {"not_in_project_segment": 1, "no_address": 1, "unsubscribed": 1, "suppressed": 1},
    }
    assert shop.campaign().state is CampaignState.COMPLETED


def test_a_file_that_was_there_is_replaced_and_nothing_else_stays(shop: World) -> None:
    shop.write("exports/ads.csv", "old")
    written(shop, export("meta"))
    assert [path.name for path in (shop.folder / "exports").iterdir()] == ["ads.csv"]


def test_a_link_in_the_place_of_the_file_is_replaced_and_not_followed(shop: World, tmp_path: Path) -> None:
    precious = shop.write("precious.txt", "mine")
    (shop.folder / "exports").mkdir()
    (shop.folder / "exports" / "ads.csv").symlink_to(precious)
    assert len(written(shop, export("meta"))) == 4
    assert precious.read_text("utf-8") == "mine"


def test_a_folder_that_leads_out_of_the_project_holds_the_step(
    shop: World, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (shop.folder / "exports").symlink_to(outside)
    shop.publish(export("meta"))
    shop.run_until("2026-12-01 10:05")
    assert (shop.campaign().step("ads").state, shop.campaign().step("ads").reason) == (StepState.HELD, "export_failed")
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("to", ["/tmp/ads.csv", "../ads.csv", "a/../../ads.csv", "campaignctl.yaml", "unknown"])
def test_an_export_that_goes_nowhere_is_a_problem(shop: World, to: str) -> None:
    assert "C412" in [problem.code for problem in shop.check(export("meta", to)).problems]


class Interrupted(ExportFolder):
    """Writes files as always; something else happens as soon as one is written."""

    def __init__(self, project: Path, then: Callable[[], object]) -> None:
        super().__init__(project)
        self.then = then

    def prepare(self, path: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> PreparedFile:
        prepared = super().prepare(path, header, rows)
        self.then()
        return prepared


@dataclass
class DiesInPlace:
    """A file that takes its place, and the daemon dies on the same line."""

    file: PreparedFile

    @property
    def written(self) -> int:
        return self.file.written

    def put(self) -> None:
        self.file.put()
        raise KeyboardInterrupt

    def close(self) -> None:
        self.file.close()


@dataclass
class Dying:
    """A folder whose daemon dies with the first file."""

    folder: ExportFolder

    def prepare(self, path: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> DiesInPlace:
        return DiesInPlace(self.folder.prepare(path, header, rows))


def test_others_write_to_the_store_while_a_file_is_written(shop: World) -> None:
    def somebody_leaves() -> None:
        with shop.store.writing() as ledger:
            suppress(ledger.connection, "email", "new@example.org", "unsubscribed", shop.clock.now())

    shop.exports = Interrupted(shop.folder, somebody_leaves)
    assert len(written(shop, export("meta"))) == 4


def test_a_campaign_that_is_paused_while_its_file_is_written_has_no_file(shop: World) -> None:
    shop.exports = Interrupted(shop.folder, lambda: pause(shop.store, "sale", actor="tester", now=shop.clock.now()))
    shop.publish(export("meta"))
    shop.run_until("2026-12-01 10:05")
    assert (shop.campaign().step("ads").state, list((shop.folder / "exports").iterdir())) == (StepState.SCHEDULED, [])


def test_a_daemon_that_dies_with_the_file_in_its_place_leaves_a_whole_one_and_the_next_says_so(shop: World) -> None:
    shop.exports = Dying(ExportFolder(shop.folder))
    with pytest.raises(KeyboardInterrupt):
        written(shop, export("meta"))
    file = shop.folder / "exports" / "ads.csv"
    first = file.read_text("utf-8")
    assert (len(first.splitlines()), shop.campaign().step("ads").state) == (4, StepState.SCHEDULED)

    shop.exports = ExportFolder(shop.folder)
    shop.run_until("2026-12-01 10:10")
    assert (file.read_text("utf-8"), shop.campaign().state) == (first, CampaignState.COMPLETED)
    with shop.store.reading() as ledger:
        assert [each.action for each in ledger.history(shop.campaign())].count("exported") == 1


def test_what_a_dead_daemon_had_begun_is_thrown_away_and_what_another_writes_is_not(shop: World) -> None:
    shop.write("exports/.ads.csv.1.unfinished", "c-1")
    theirs = shop.write("exports/.ads.csv.2.unfinished", "c-1")
    with theirs.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        written(shop, export("meta"))
    assert sorted(path.name for path in (shop.folder / "exports").iterdir()) == [theirs.name, "ads.csv"]


def test_the_first_step_of_a_campaign_may_write_a_file(shop: World) -> None:
    shop.publish(export("csv"))
    shop.run_until("2026-12-01 10:05")
    assert len((shop.folder / "exports" / "ads.csv").read_text("utf-8").splitlines()) == 6
    with shop.store.reading() as ledger:
        actions = [each.action for each in ledger.history(shop.campaign())]
    assert [each for each in actions if each in ("started", "exported", "completed")] == [
        "started",
        "exported",
        "completed",
    ]
