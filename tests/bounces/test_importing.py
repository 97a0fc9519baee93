"""A mailbox of reports: what becomes of the contacts that they are about."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from email import message_from_bytes
from pathlib import Path

import pytest
from bounces.returned_mail import KINDS, MAILBOX, report
from sqlalchemy import select
from world import PROJECT, World

from campaignctl.bounces.importing import BounceReport, import_bounces
from campaignctl.bounces.report import ReportKind
from campaignctl.errors import WorkFailedError
from campaignctl.message.links import Purpose, Signer
from campaignctl.message.return_path import ReturnPath
from campaignctl.ports import Verdict
from campaignctl.project import PROJECT_FILE
from campaignctl.store.events import EventKind
from campaignctl.store.instants import instant
from campaignctl.store.suppressions import all_suppressions
from campaignctl.store.tables import events
from campaignctl.wiring import return_path_of, return_paths_of, signer_of

CAMPAIGN = """
campaign: sale
list: customers
segment: {attribute: country, eq: FR}
at: 2026-12-01 09:00
email: {subject: "Hi {{ contact.name }}", body: hello.md}
"""


@pytest.fixture
def sent(world: World) -> World:
    """A world in which `sale` has gone to ada and alan, and in whose mailbox is nothing."""
    world.write(PROJECT_FILE, f"{PROJECT}bounces: {MAILBOX}\n")
    world.contacts()
    world.publish(CAMPAIGN)
    world.run_until("2026-12-01 12:00")
    assert world.addresses == ["ada@example.org", "alan@example.org"]
    (world.folder / "mailbox").mkdir()
    return world


def to_ada(world: World) -> str:
    """The return path of the message to ada."""
    return world.email.sent[0].sender


def put(world: World, name: str, content: bytes) -> Path:
    path = world.folder / "mailbox" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def bring(world: World, mailbox: Path | None = None, *, is_trial: bool = False) -> BounceReport:
    paths = return_paths_of(world.project, world.store)
    return import_bounces(world.store, mailbox or world.folder / "mailbox", paths, world.clock.now(), is_trial=is_trial)


def suppressed(world: World) -> dict[str, str]:
    with world.store.reading() as ledger:
        return {each.address: each.reason for each in all_suppressions(ledger.connection)}


def kept(world: World) -> list[tuple[str, datetime]]:
    with world.store.reading() as ledger:
        rows = ledger.connection.execute(select(events.c.kind, events.c.at).order_by(events.c.at))
        return [(row.kind, instant(row.at)) for row in rows]


def test_reports_come_back_to_the_bounce_mailbox_with_the_name_of_the_message(sent: World) -> None:
    senders = [message.sender for message in sent.email.sent]
    assert len(set(senders)) == 2
    for message in sent.email.sent:
        local, _, domain = message.sender.rpartition("@")
        assert local.startswith("bounces+")
        assert (local, domain) == (local.lower(), "shop.example")
        assert len(local) <= 64
        assert message_from_bytes(message.content)["From"] == "Shop <news@shop.example>"


def test_a_mailbox_whose_name_is_as_long_as_may_be_still_makes_addresses(world: World) -> None:
    world.write(PROJECT_FILE, f"{PROJECT}bounces: {'b' * 19}@shop.example\n")
    world.contacts()
    world.publish(CAMPAIGN)
    world.run_until("2026-12-01 12:00")
    assert {len(message.sender.rpartition("@")[0]) for message in world.email.sent} == {64}


def test_without_a_bounce_mailbox_reports_go_to_the_sender(world: World) -> None:
    world.contacts()
    world.publish(CAMPAIGN)
    world.run_until("2026-12-01 12:00")
    assert {message.sender for message in world.email.sent} == {"news@shop.example"}
    with pytest.raises(WorkFailedError) as refused:
        bring(world)
    assert refused.value.code == "S231"


def test_a_message_that_is_tried_again_by_another_daemon_has_the_same_return_path(world: World) -> None:
    world.write(PROJECT_FILE, f"{PROJECT}bounces: {MAILBOX}\n")
    world.contacts()
    world.publish(CAMPAIGN)
    world.email.answer("ada@example.org", Verdict.DEFERRED)
    world.run_until("2026-12-01 09:01")
    expected = return_path_of(world.project, signer_of(world.store, world.clock))
    assert expected is not None
    assert world.addresses == ["alan@example.org"]
    world.run_until("2026-12-01 12:00")
    assert [message.sender for message in world.email.sent] == [expected.of(1, 3), expected.of(1, 1)]


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_who_has_no_address_any_more_or_complained_is_suppressed_and_nobody_else(
    sent: World, name: str, kind: str
) -> None:
    put(sent, "report.eml", report(name, to_ada(sent)))
    found = bring(sent)
    reason = {"hard": "hard_bounce", "complaint": "complaint"}.get(kind)
    assert found.kinds == {ReportKind(kind): 1}
    assert suppressed(sent) == ({} if reason is None else {"ada@example.org": reason})
    is_event = kind in ("hard", "soft", "policy", "complaint")
    assert (found.added, found.newly_suppressed) == (int(is_event), len(suppressed(sent)))
    expected = "complaint" if kind == "complaint" else "bounce"
    assert [event for event, _ in kept(sent)] == ([expected] if is_event else [])


def test_each_report_counts_once_however_often_the_mailbox_is_read_and_the_files_stay(sent: World) -> None:
    for name in KINDS:
        put(sent, f"{name}.eml", report(name, to_ada(sent)))
    before = {path.name: path.read_bytes() for path in (sent.folder / "mailbox").iterdir()}
    first = bring(sent)
    events_then, suppressed_then = kept(sent), suppressed(sent)
    sent.run_until("2027-06-01 12:00")
    second = bring(sent)
    assert first.read == second.read == len(KINDS)
    assert second.kinds == first.kinds
    assert (second.added, second.newly_suppressed) == (0, 0)
    assert (kept(sent), suppressed(sent)) == (events_then, suppressed_then)
    assert {path.name: path.read_bytes() for path in (sent.folder / "mailbox").iterdir()} == before


def test_a_trial_says_what_would_happen_and_changes_nothing(sent: World) -> None:
    put(sent, "report.eml", report("postfix-unknown-user", to_ada(sent)))
    trial = bring(sent, is_trial=True)
    assert (kept(sent), suppressed(sent)) == ([], {})
    assert bring(sent) == trial
    assert trial.newly_suppressed == 1


def test_nobody_is_suppressed_by_a_report_that_was_forged(sent: World) -> None:
    """Each of these is a hard bounce or a complaint, with a return path that this store did not sign for it."""
    with sent.store.reading() as ledger:
        ((number, secret),) = ledger.signing_keys()
    ours, theirs = Signer(number, secret), Signer(number, b"the secret of another store")
    step, contact = 1, 1
    assert ReturnPath(MAILBOX, ours).of(step, contact) == to_ada(sent)

    class Misused:
        """Our key, for links."""

        def token(self, purpose: Purpose, step_id: int, contact_id: int) -> str:
            return ours.token(Purpose.UNSUBSCRIBE, step_id, contact_id)

    local, _, domain = to_ada(sent).rpartition("@")
    letters = "abcdefghijklmnopqrstuvwxyz234567"
    start = len("bounces+")
    forged = [ReturnPath(MAILBOX, theirs).of(step, contact), ReturnPath(MAILBOX, Misused()).of(step, contact)]
    for place in range(start, len(local)):
        for bit in range(5):
            other = letters[letters.index(local[place]) ^ (1 << bit)]
            forged.append(f"{local[:place]}{other}{local[place + 1 :]}@{domain}")
    forged += [
        f"{local[:-1]}@{domain}", f"{local}a@{domain}", f"{local}@elsewhere.example", f"{local}@{domain}.example",
        "bounces+c-1@shop.example", "news@shop.example", MAILBOX,
    ]  # fmt: skip
    hard = report("qmail-unknown-user").split(b"\n--- Below")[0]
    for number, path in enumerate(forged):
        put(sent, f"bounce-{number}.eml", report("yahoo-complaint", path))
        put(
            sent,
            f"complaint-{number}.eml",
            hard.replace(hard.split(b"Delivered-To: ")[1].split(b"\n")[0], path.encode()),
        )
    found = bring(sent)
    assert found.unmatched == found.read == 2 * len(forged)
    assert (kept(sent), suppressed(sent)) == ([], {})


def test_a_report_about_a_delivery_that_there_is_not_is_about_none(sent: World) -> None:
    with sent.store.reading() as ledger:
        ((number, secret),) = ledger.signing_keys()
    ours = ReturnPath(MAILBOX, Signer(number, secret))
    put(sent, "no-step.eml", report("postfix-unknown-user", ours.of(99, 1)))
    put(sent, "no-delivery.eml", report("postfix-unknown-user", ours.of(1, 2)))
    assert bring(sent).unmatched == 2
    assert suppressed(sent) == {}


@pytest.mark.parametrize(
    ("written", "at"),
    [
        (b"1 Dec 2026 08:00:10 -0000", "2026-12-01 09:00:10"),
        (b"1 Dec 2026 10:00:10 +0200", "2026-12-01 09:00:10"),
        (b"1 Dec 2025 08:00:10 -0000", "2026-12-01 09:00"),
        (b"1 Dec 2036 08:00:10 -0000", "2026-12-01 09:00"),
        (b"nonsense", "2026-12-01 09:00"),
    ],
)
def test_a_wrong_clock_at_the_other_end_moves_no_event_out_of_its_time(sent: World, written: bytes, at: str) -> None:
    content = report("qmail-unknown-user", to_ada(sent)).replace(
        b"Date: 1 Dec 2026 08:00:10 -0000", b"Date: " + written
    )
    put(sent, "report.eml", content)
    bring(sent)
    ((kind, happened_at),) = kept(sent)
    assert kind == EventKind.BOUNCE
    assert abs(happened_at - sent.instant(at)) < timedelta(seconds=1)


def test_a_maildir_is_read_but_for_what_is_still_being_written(sent: World) -> None:
    for folder in ("cur", "new", "tmp"):
        (sent.folder / "mailbox" / folder).mkdir()
    put(sent, "new/1796112000.M1P1.mail", report("postfix-unknown-user", to_ada(sent)))
    put(sent, "cur/1796112000.M1P2.mail:2,S", report("out-of-office", to_ada(sent)))
    put(sent, "tmp/1796112000.M1P3.mail", report("yahoo-complaint", to_ada(sent)))
    put(sent, "new/.hidden", b"")
    assert bring(sent).kinds == {ReportKind.HARD: 1, ReportKind.AUTO_REPLY: 1}


def test_a_folder_is_read_file_by_file_and_other_files_are_left_out(sent: World) -> None:
    put(sent, "a.eml", report("postfix-unknown-user", to_ada(sent)))
    put(sent, "B.EML", report("postfix-delayed", to_ada(sent)))
    put(sent, "notes.txt", b"")
    (sent.folder / "mailbox" / "folder.eml").mkdir()
    assert bring(sent).kinds == {ReportKind.HARD: 1, ReportKind.DELAYED: 1}


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_an_mbox_is_read_message_by_message(sent: World, line_end: bytes) -> None:
    letters = [
        report("postfix-unknown-user", to_ada(sent)),
        report("letter-from-a-person") + b"No empty line\nFrom here on: still the letter\n",
        report("letter-from-a-person") + b"x" * 200_000 + b"From " + b"x" * 200_000 + b"\n",
        report("yahoo-complaint", sent.email.sent[1].sender),
    ]
    mbox = b"".join(b"From MAILER-DAEMON Tue Dec  1 08:00:00 2026\n" + each + b"\n" for each in letters)
    found = bring(sent, put(sent, "mbox", mbox.replace(b"\n", line_end)))
    assert found.kinds == {ReportKind.HARD: 1, ReportKind.OTHER: 2, ReportKind.COMPLAINT: 1}
    assert suppressed(sent) == {"ada@example.org": "hard_bounce", "alan@example.org": "complaint"}


def test_one_message_is_a_mailbox_too(sent: World) -> None:
    assert bring(sent, put(sent, "message", report("postfix-unknown-user", to_ada(sent)))).kinds == {ReportKind.HARD: 1}


def test_what_cannot_be_read_is_counted_with_its_name_and_the_rest_is_taken(sent: World) -> None:
    good = report("postfix-unknown-user", to_ada(sent))
    multipart = b"Content-Type: multipart/report; boundary=x\n\n"
    put(sent, "0-good.eml", good)
    put(sent, "1-huge.eml", good + b"x" * (10 * 2**20))
    put(sent, "2-header.eml", b"Subject: x\n" * 10_000 + b"\n")
    put(sent, "3-edge.eml", b"Content-Type: multipart/report\n\n--x\n")
    put(sent, "4-parts.eml", multipart + b"--x\n\n" * 30)
    put(sent, "5-silent.eml", good.replace(b"Action:", b"Reaction:"))
    found = bring(sent)
    assert found.kinds == {ReportKind.HARD: 1}
    assert found.troubles == [
        ("1-huge.eml", "it is larger than 10 MiB"),
        ("2-header.eml", "a header is longer than 64 KiB"),
        ("3-edge.eml", "it says that it has parts, and not where they begin"),
        ("4-parts.eml", "it has more than 20 parts"),
        ("5-silent.eml", "it is a delivery status that says nothing of an address"),
    ]
    assert found.unreadable == 5


def test_a_message_too_large_in_an_mbox_does_not_hide_the_next(sent: World) -> None:
    mark = b"From MAILER-DAEMON Tue Dec  1 08:00:00 2026\n"
    huge = b"Subject: x\n\n" + b"x" * (11 * 2**20) + b"\n\n"
    found = bring(sent, put(sent, "mbox", mark + huge + mark + report("postfix-unknown-user", to_ada(sent))))
    assert found.troubles == [("mbox:1", "it is larger than 10 MiB")]
    assert found.kinds == {ReportKind.HARD: 1}


@pytest.mark.parametrize("name", ["nothing", "with\0nul"])
def test_a_mailbox_that_is_not_there_is_named(sent: World, name: str) -> None:
    with pytest.raises(WorkFailedError) as refused:
        bring(sent, sent.folder / name)
    assert refused.value.code == "S230"


def test_an_empty_mailbox_holds_nothing(sent: World) -> None:
    assert bring(sent) == BounceReport()
    assert bring(sent, put(sent, "empty", b"")).kinds == {ReportKind.OTHER: 1}


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("postfix-unknown-user", "failed"),
        ("postfix-mailbox-full", "sent"),
        ("exchange-online-blocked", "sent"),
        ("yahoo-complaint", "sent"),
        ("postfix-delayed", "uncertain"),
        ("out-of-office", "uncertain"),
    ],
)
def test_a_report_tells_what_became_of_a_message_without_a_verdict(world: World, name: str, state: str) -> None:
    """The line broke after the message had left; that it came back says that the server had taken it."""
    world.write(PROJECT_FILE, f"{PROJECT}bounces: {MAILBOX}\n")
    world.contacts()
    world.publish(CAMPAIGN)
    world.email.answer("ada@example.org", Verdict.UNCERTAIN, "no_answer")
    world.run_until("2026-12-01 12:00", world.daemon(may_repeat=False))
    assert world.deliveries("sale") == {"sent": 1, "uncertain": 1}
    path = return_path_of(world.project, signer_of(world.store, world.clock))
    assert path is not None

    put(world, "report.eml", report(name, path.of(1, 1)))
    bring(world)
    assert Counter(world.deliveries("sale")) == Counter(["sent", state])

    # What is known is not tried again, and so it does not arrive twice
    world.run_until("2026-12-02 12:00", world.daemon())
    assert world.addresses == ["alan@example.org"]
