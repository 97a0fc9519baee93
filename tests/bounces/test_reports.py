"""Reports: what each server means, and for which message."""

from __future__ import annotations

import pytest
from bounces.returned_mail import KINDS, MAILBOX, OURS, PATHS, REPORTS, delivery_status, report

from campaignctl.bounces.parts import UnreadableError
from campaignctl.bounces.report import IGNORED, ReportKind, report_in
from campaignctl.channels.smtp.reply import Reply
from campaignctl.channels.smtp.verdicts import Stage, verdict_on
from campaignctl.message.return_path import ReturnPath


def test_every_report_of_the_corpus_is_told_what_it_is() -> None:
    assert set(KINDS) == {path.stem for path in REPORTS.glob("*.eml")}


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_each_server_is_understood(name: str, kind: str, line_end: bytes) -> None:
    found = report_in(report(name).replace(b"\n", line_end), PATHS)
    assert found.kind == kind
    if found.kind not in IGNORED:
        assert found.delivery == (3, 17)
        assert found.written_at is not None
        assert found.written_at.date().isoformat() == "2026-12-01"


@pytest.mark.parametrize(
    "name", [name for name, kind in KINDS.items() if kind in ("hard", "soft", "policy", "complaint")]
)
def test_a_report_about_a_message_that_is_not_ours_says_of_which_it_is_not(name: str) -> None:
    other = MAILBOX.replace("@", "+ada=reader.example@")
    assert report_in(report(name, other), PATHS).delivery is None


@pytest.mark.parametrize("subject", range(8))
@pytest.mark.parametrize("detail", range(12))
def test_a_bounce_suppresses_exactly_where_a_refusal_would(subject: int, detail: int) -> None:
    code = f"5.{subject}.{detail}"
    refused = verdict_on("key", Stage.RCPT, Reply(550, (f"{code} no",)))
    found = report_in(delivery_status(status=code), PATHS)
    assert (found.kind is ReportKind.HARD) == refused.is_hard_bounce
    assert (found.kind is ReportKind.POLICY) == (refused.reason == "policy")


@pytest.mark.parametrize(
    ("status", "diagnostic", "kind"),
    [
        ("5.0.0", "550 5.1.1 no such user", "hard"),
        ("5.0.0", "550-5.1.1 no such\n 550 5.1.1 user", "hard"),
        ("5.0.0", "550 #5.1.1 no such user", "hard"),
        ("5.0.0", "550 no such user", "soft"),
        ("5.1.1", "550 5.7.1 we do not like you", "policy"),
        ("5.7.1", "550 5.1.1 no such user", "policy"),
        ("5.1.1", "550 5.2.2 mailbox full", "soft"),
        ("5.1.1", "550 5.0.0 something", "hard"),
        ("4.1.1", "", "soft"),
        ("5.1.1 (no such user)", "", "hard"),
        ("5.1.15", "", "soft"),
        ("5.1.100", "", "soft"),
        ("nonsense", "", "soft"),
    ],
)
def test_a_suppression_lasts_so_doubt_speaks_for_the_address(status: str, diagnostic: str, kind: str) -> None:
    assert report_in(delivery_status(status=status, diagnostic=diagnostic), PATHS).kind == kind


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("Failed", "hard"),
        ("failed (no such user)", "hard"),
        ("delayed", "delayed"),
        ("delivered", "delivered"),
        ("relayed", "delivered"),
        ("expanded", "delivered"),
        ("exploded", "other"),
    ],
)
def test_only_what_failed_is_a_bounce(action: str, kind: str) -> None:
    assert report_in(delivery_status(action), PATHS).kind == kind


@pytest.mark.parametrize(
    ("others", "kind"),
    [
        ("Action: failed\nStatus: 5.1.2\n", "hard"),
        ("Action: failed\nStatus: 5.2.2\n", "soft"),
        ("Action: delivered\nStatus: 2.0.0\n", "soft"),
        ("Action: delayed\nStatus: 4.0.0\n", "soft"),
    ],
)
def test_where_a_message_was_passed_on_to_several_addresses_all_have_to_be_gone(others: str, kind: str) -> None:
    assert report_in(delivery_status(diagnostic=f"550 5.1.1 no\n\n{others}"), PATHS).kind == kind


def test_a_report_that_names_nobody_cannot_be_read() -> None:
    with pytest.raises(UnreadableError, match="says nothing of an address"):
        report_in(report("postfix-unknown-user").replace(b"Action:", b"Reaction:"), PATHS)


def test_capitals_change_nothing_but_another_letter_does() -> None:
    path = ReturnPath(MAILBOX, OURS).of(3, 17)
    assert report_in(report("qmail-unknown-user", path.upper()), PATHS).delivery == (3, 17)
    changed = path.replace(path[20], "a" if path[20] != "a" else "b", 1)
    assert report_in(report("qmail-unknown-user", changed), PATHS).delivery is None


def test_a_delivery_status_in_base64_is_read() -> None:
    from base64 import encodebytes

    plain = report("amazon-ses-unknown-user")
    marks = b"Content-Transfer-Encoding: 7bit\nContent-Description: Delivery Status Notification\n\n"
    before, _, rest = plain.partition(marks)
    fields, _, after = rest.partition(b"\n------=")
    coded = before + marks.replace(b"7bit", b"base64") + encodebytes(fields) + b"\n------=" + after
    assert report_in(coded, PATHS).kind is ReportKind.HARD
    with pytest.raises(UnreadableError, match="base64"):
        report_in(before + marks.replace(b"7bit", b"base64") + b"abcde=fg=" + b"\n------=" + after, PATHS)


def test_a_report_whose_end_was_cut_off_still_says_what_it_says() -> None:
    whole = report("postfix-unknown-user")
    assert report_in(whole[: whole.index(b"Remote-MTA")], PATHS).kind is ReportKind.HARD


@pytest.mark.parametrize(
    "date", ["", "yesterday", "Tue, 1 Dec 99999 08:00:00 +0000", "Tue, 31 Feb 2026 08:00:00 +0000"]
)
def test_a_report_without_a_date_has_none(date: str) -> None:
    lines = report("qmail-unknown-user").replace(b"1 Dec 2026 08:00:10 -0000\nFrom", date.encode() + b"\nFrom")
    assert report_in(lines, PATHS).written_at is None
