"""What answers mean for deliveries, and how requests are signed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from campaignctl.channels.http.exchange import HttpAnswer, HttpFailure
from campaignctl.channels.http.signing import signed, verified
from campaignctl.channels.http.verdicts import verdict_on
from campaignctl.ports import Outcome, Verdict

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
LINKED = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def outcome_of(status: int, **headers: str) -> Outcome:
    return verdict_on("k", HttpAnswer(status, headers, b"because\nof\x00this"), NOW)


@pytest.mark.parametrize(
    ("statuses", "verdict", "reason"),
    [
        ((200, 201, 202, 204, 299), Verdict.SENT, ""),
        ((429, 503), Verdict.DEFERRED, "refused_for_now"),
        ((500, 502, 504), Verdict.UNCERTAIN, "no_answer"),
        ((400, 404, 422, 405, 410, 413, 501), Verdict.FAILED, "refused"),
        ((301, 302, 303, 307, 308), Verdict.FAILED, "redirected"),
        ((401, 403), Verdict.NOT_SENT, "auth_refused"),
    ],
)
def test_each_status_has_its_verdict(statuses: tuple[int, ...], verdict: Verdict, reason: str) -> None:
    for status in statuses:
        outcome = outcome_of(status)
        assert (outcome.verdict, outcome.reason) == (verdict, reason)
        assert outcome.detail == f"{status} because of this"
        assert outcome.blames_sender is (status in (401, 403))
        assert not outcome.is_hard_bounce


def test_without_an_answer_it_counts_whether_a_byte_was_written() -> None:
    assert verdict_on("k", HttpFailure(False, "refused"), NOW) == Outcome(
        "k", Verdict.NOT_SENT, "endpoint_down", "refused"
    )
    assert verdict_on("k", HttpFailure(True, "reset"), NOW) == Outcome("k", Verdict.UNCERTAIN, "no_answer", "reset")


def test_what_we_broke_off_ourselves_does_not_speak_against_the_endpoint() -> None:
    outcome = verdict_on("k", HttpFailure(False, "broken off", was_broken_off=True), NOW)
    assert (outcome.verdict, outcome.reason) == (Verdict.NOT_SENT, "abandoned")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("0", NOW),
        ("120", NOW + timedelta(minutes=2)),
        ("Sat, 31 Jan 2026 12:05:00 GMT", NOW + timedelta(minutes=5)),
        ("Sat, 31 Jan 2026 11:00:00 GMT", NOW),
        ("999999999999", NOW + timedelta(days=1)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", NOW + timedelta(days=1)),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("١٢", None),
    ],
)
def test_the_other_side_says_when_it_wants_to_be_asked_again(written: str, expected: datetime | None) -> None:
    assert outcome_of(429, **{"retry-after": written}).retry_at == expected
    assert outcome_of(503, **{"retry-after": written}).retry_at == expected
    assert outcome_of(200, **{"retry-after": written}).retry_at is None


# --- signatures ---


@pytest.mark.parametrize("secret", [LINKED, "a plain secret, as people write them", "whsec_no base64!", "abcd"])
def test_what_was_signed_is_verified_and_nothing_else(secret: str) -> None:
    headers = dict(signed(secret, "sale/first/c-1", NOW, b'{"n": 1}'))
    assert verified(secret, headers, b'{"n": 1}', NOW)
    assert not verified(secret + "x", headers, b'{"n": 1}', NOW)
    assert not verified(secret, headers, b'{"n": 2}', NOW)
    for name in headers:
        assert not verified(secret, headers | {name: "1" + headers[name]}, b'{"n": 1}', NOW)
        assert not verified(secret, {key: value for key, value in headers.items() if key != name}, b'{"n": 1}', NOW)


def test_a_signature_holds_for_five_minutes() -> None:
    headers = signed(LINKED, "id", NOW, b"{}")
    assert verified(LINKED, headers, b"{}", NOW + timedelta(minutes=5))
    assert verified(LINKED, headers, b"{}", NOW - timedelta(minutes=5))
    assert not verified(LINKED, headers, b"{}", NOW + timedelta(minutes=5, seconds=1))
    assert not verified(LINKED, headers, b"{}", NOW - timedelta(minutes=5, seconds=1))


def test_one_of_several_signatures_is_enough_while_a_secret_is_changed() -> None:
    old, new = signed("old secret", "id", NOW, b"{}"), signed("new secret", "id", NOW, b"{}")
    both = dict(old) | {"webhook-signature": f"{old['webhook-signature']} v1a,x {new['webhook-signature']}"}
    assert verified("old secret", both, b"{}", NOW)
    assert verified("new secret", both, b"{}", NOW)


@pytest.mark.parametrize("stamp", ["", "abc", "1e400", "9" * 30, "-1"])
def test_a_strange_timestamp_is_no_signature(stamp: str) -> None:
    headers = dict(signed(LINKED, "id", NOW, b"{}")) | {"webhook-timestamp": stamp}
    assert not verified(LINKED, headers, b"{}", NOW)


def test_others_who_follow_the_standard_verify_what_we_sign() -> None:
    """The published library has a clock of its own, so it only checks the signature here."""
    headers = signed(LINKED, "msg", NOW, b'{"n": "\xc3\xa9"}')
    assert headers["webhook-signature"] == Webhook(LINKED).sign("msg", NOW, '{"n": "é"}')
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))
