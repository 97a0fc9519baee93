"""What an answer, or the lack of one, says about a delivery: the table of `HTTP verdicts`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from campaignctl.channels.http.exchange import HttpAnswer, HttpFailure
from campaignctl.ports import Outcome, Verdict

_FOR_NOW: Final = frozenset({429, 503})
_NO_VERDICT: Final = frozenset({500, 502, 504})
_NOT_WELCOME: Final = frozenset({401, 403})
_LONGEST_WAIT: Final = timedelta(days=1)
_DETAIL: Final = 200


def verdict_on(key: str, answer: HttpAnswer | HttpFailure, now: datetime) -> Outcome:
    """The outcome for the delivery with this *key*. *now* is when the answer came, for `Retry-After` in seconds."""
    if isinstance(answer, HttpFailure):
        if answer.may_have_arrived:
            return Outcome(key, Verdict.UNCERTAIN, "no_answer", answer.detail)
        reason = "abandoned" if answer.was_broken_off else "endpoint_down"
        return Outcome(key, Verdict.NOT_SENT, reason, answer.detail)
    said = said_by(answer)
    match answer.status:
        case status if 200 <= status < 300:
            return Outcome(key, Verdict.SENT, "", said)
        case status if status in _FOR_NOW:
            return Outcome(key, Verdict.DEFERRED, "refused_for_now", said, retry_at=retry_after(answer.headers, now))
        case status if status in _NO_VERDICT:
            return Outcome(key, Verdict.UNCERTAIN, "no_answer", said)
        case status if status in _NOT_WELCOME:
            return Outcome(key, Verdict.NOT_SENT, "auth_refused", said, blames_sender=True)
        case status if 300 <= status < 400:
            return Outcome(key, Verdict.FAILED, "redirected", said)
        case _:
            return Outcome(key, Verdict.FAILED, "refused", said)


def said_by(answer: HttpAnswer) -> str:
    """
    The status and the beginning of what was said, on one line.

    >>> said_by(HttpAnswer(422, {}, b'{"error":\\n "no such number"}'))
    '422 {"error": "no such number"}'
    """
    text = answer.content[: _DETAIL * 4].decode("utf-8", "replace")
    words = " ".join("".join(each if each.isprintable() else " " for each in text).split())
    return f"{answer.status} {words[:_DETAIL]}".rstrip()


def retry_after(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """
    From when on another try is welcome; None where nothing, or nothing sensible, is said.

    A day is the most that we obey: a wrong number must not stop a campaign.

    >>> at = datetime(2026, 1, 31, 12, tzinfo=UTC)
    >>> retry_after({"retry-after": "90"}, at).time().isoformat()
    '12:01:30'
    >>> retry_after({"retry-after": "Sat, 31 Jan 2026 12:10:00 GMT"}, at).time().isoformat()
    '12:10:00'
    """
    written = headers.get("retry-after", "").strip()
    try:
        if written.isascii() and written.isdigit():
            wanted = now + timedelta(seconds=min(int(written[:9]), 10**6))
        else:
            wanted = parsedate_to_datetime(written)
            wanted = wanted if wanted.tzinfo else wanted.replace(tzinfo=UTC)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    return min(max(wanted, now), now + _LONGEST_WAIT)
