"""Whatever arrives at the bounce mailbox: it is read, or said to be unreadable, and suppresses nobody else."""

from __future__ import annotations

import pytest
from bounces.returned_mail import KINDS, PATHS, report
from hypothesis import example, given, settings
from hypothesis import strategies as st

from campaignctl.bounces.parts import UnreadableError
from campaignctl.bounces.report import Report, ReportKind, report_in


def read(content: bytes) -> Report | None:
    try:
        return report_in(content, PATHS)
    except UnreadableError:
        return None


words = st.sampled_from(
    [
        b"\n", b"\r\n", b"\n\n", b"\r", b"\0", b"--x", b"--x--", b"\n--x\n", b" ", b"\t", b":", b";", b'"', b"=",
        b"\xff",
        b"Content-Type: multipart/report; boundary=x\n", b"Content-Type: message/delivery-status\n",
        b"Content-Type: message/feedback-report\n", b"Content-Type: message/rfc822\n",
        b"Content-Transfer-Encoding: base64\n", b"Content-Transfer-Encoding: quoted-printable\n", b"Action: failed\n",
        b"Status: 5.1.1\n", b"From: MAILER-DAEMON\n", b"Feedback-Type: abuse\n", b"Date: ", b"boundary*9=", b"=?x?q?=",
    ]
)  # fmt: skip


@given(st.one_of(st.binary(max_size=400), st.lists(st.one_of(words, st.binary(max_size=8)), max_size=40).map(b"".join)))
@example(b"Date: Tue, 1 Dec 0000 08:00:00 +9999\n\n")
@example(b"From:\n")
@example(b"Content-Type: multipart/report; boundary=x\n\n--x")
@example(b"Content-Type: multipart/x; boundary=x\n\n--x\n\n\n--x\nContent-Type: message/feedback-report\n\n--x--")
@settings(deadline=None)
def test_no_bytes_are_too_strange(content: bytes) -> None:
    found = read(content)
    assert found is None or found.delivery is None


@given(
    st.sampled_from(sorted(KINDS)),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), st.binary(max_size=6)), min_size=1, max_size=4),
)
@settings(deadline=None)
def test_a_report_that_was_damaged_is_about_the_same_message_or_about_none(
    name: str, changes: list[tuple[float, int, bytes]]
) -> None:
    content = report(name)
    for where, length, put in changes:
        start = int(where * len(content))
        content = content[:start] + put + content[start + length :]
    found = read(content)
    assert found is None or found.delivery in (None, (3, 17))


NESTED = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(20_000))


@pytest.mark.parametrize(
    "body",
    [
        NESTED,
        b"Content-Type: message/rfc822\n\n" * 50_000,
        b"From: MAILER-DAEMON\n\n" + b"-" * 2_000_000,
        b"From: MAILER-DAEMON\n\n" + b"#5." * 700_000,
        b"From: MAILER-DAEMON\n\n" + b"\n \t" * 700_000,
        b'Content-Type: multipart/x; boundary="' + b'\\";' * 15_000 + b"\n\n",
        b"Content-Type: multipart/x; " + b"boundary " * 7_000 + b"\n\n",
        b"Content-Type: multipart/x; boundary=x\n\n" + b"--x\t\t\t" * 1_000_000,
        b"To: " + b"bounces+" * 8_000 + b"\n\n",
        b"Date: " + b"1 " * 30_000 + b"\n\n",
    ],
    ids=["nested", "messages", "dashes", "codes", "blanks", "quotes", "boundaries", "edges", "addresses", "date"],
)
def test_what_was_written_to_keep_us_busy_is_read_as_well(body: bytes) -> None:
    """A parser that goes as deep as a message says gives up on some of these; here they are mail like any other."""
    found = read(body)
    assert found is None or found.kind in (ReportKind.OTHER, ReportKind.SOFT)
