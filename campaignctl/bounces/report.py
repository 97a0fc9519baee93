"""What a message that came back says: that another one bounced, was called spam, or nothing that counts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final

from campaignctl.bounces.parts import Fields, Part, UnreadableError, field, part_of
from campaignctl.message.return_path import ReturnPaths


class ReportKind(StrEnum):
    """What came back."""

    HARD = "hard"  # a bounce: there is no such address
    SOFT = "soft"  # a bounce: the address may work another time
    POLICY = "policy"  # a bounce: the server does not want the message, whoever it is for
    COMPLAINT = "complaint"  # the contact called it spam
    DELAYED = "delayed"  # a server goes on trying
    DELIVERED = "delivered"  # it arrived, or was handed on
    AUTO_REPLY = "auto_reply"  # somebody is out of office
    OTHER = "other"  # no report of this kind at all


BOUNCES: Final = (ReportKind.HARD, ReportKind.SOFT, ReportKind.POLICY)
IGNORED: Final = (ReportKind.DELAYED, ReportKind.DELIVERED, ReportKind.AUTO_REPLY, ReportKind.OTHER)


@dataclass(frozen=True)
class Report:
    """What came back, for which delivery (step and contact; None where nothing says so), and when it was written."""

    kind: ReportKind
    delivery: tuple[int, int] | None = None
    written_at: datetime | None = None


# An enhanced status code (RFC 3463): class, subject, detail.
Code = tuple[int, int, int]

_HARD = frozenset({(5, 1, 1), (5, 1, 2), (5, 1, 3), (5, 1, 6), (5, 1, 10), (5, 2, 1)})
_POLICY: Final = 7
_UNKNOWN = (0, 0)

_CODE = r"([245])\.([0-9]{1,3})\.([0-9]{1,3})(?![0-9.])"
_STATUS = re.compile(rf"\s*{_CODE}")
_IN_REPLY = re.compile(rf"\b[245][0-9]{{2}}[ -]#?{_CODE}", re.ASCII)
_BEHIND_HASH = re.compile(rf"#\s?{_CODE}")  # qmail and Exchange write it so
_COPY = re.compile(r"^---.*(?:copy|original|returned)", re.MULTILINE | re.IGNORECASE)

_DAEMON = re.compile(r"<>|\b(?:mailer-daemon|postmaster|microsoftexchange[0-9a-f]*)\b", re.IGNORECASE)
_DELIVERED_TO: Final = ("X-Original-To", "Delivered-To", "Envelope-To", "To")
_COMPLAINTS: Final = frozenset({"abuse", "fraud", "opt-out", "opt-out-list", "other"})


def report_in(content: bytes, return_paths: ReturnPaths) -> Report:
    """
    What the message with these bytes reports.

    Raises:
        UnreadableError: it cannot be read.
    """
    message = part_of(content)
    parts = message.parts()
    written_at = _instant(field(message.fields, "Date"))
    sent_to = field(message.fields, *_DELIVERED_TO)
    returned = next((part for part in parts if _is_returned(part)), None)
    copy = "" if returned is None else _header_of(returned)
    for part in parts:
        match part.kind:
            case "message/delivery-status" | "message/global-delivery-status":
                return Report(_bounce(part), return_paths.delivery_in(f"{sent_to}\n{copy}"), written_at)
            case "message/feedback-report":
                sender = field(part.groups()[0], "Original-Mail-From")
                return Report(_feedback(part), return_paths.delivery_in(f"{sender}\n{copy}\n{sent_to}"), written_at)
    if "\nx-hmxmroriginalrecipient:" in f"\n{copy}".lower():  # Microsoft's complaints from before they had the form
        return Report(ReportKind.COMPLAINT, return_paths.delivery_in(copy), written_at)
    if _is_from_daemon(message):
        return Report(_bounce_in_words(message, parts), return_paths.delivery_in(sent_to), written_at)
    return Report(ReportKind.AUTO_REPLY if _is_automatic(message) else ReportKind.OTHER)


def kind_of_bounce(codes: Sequence[Code]) -> ReportKind:
    """
    What codes mean for an address that a message did not reach.

    A suppression lasts, so they have to agree; doubt speaks for the address.

    >>> str(kind_of_bounce([(5, 1, 1)])), str(kind_of_bounce([(5, 1, 1), (5, 7, 1)])), str(kind_of_bounce([]))
    ('hard', 'policy', 'soft')
    """
    telling = [code for code in codes if code[1:] != _UNKNOWN]
    if any(code[1] == _POLICY for code in telling):
        return ReportKind.POLICY
    return ReportKind.HARD if telling and _HARD.issuperset(telling) else ReportKind.SOFT


def _bounce(part: Part) -> ReportKind:
    """What a delivery status says; of several addresses, to which a message was passed on, all have to agree."""
    kinds = {_of_recipient(group) for group in part.groups() if "Action" in group}
    if not kinds:
        raise UnreadableError("it is a delivery status that says nothing of an address")
    if len(kinds) == 1:
        return kinds.pop()
    return ReportKind.SOFT if kinds.intersection(BOUNCES) else min(kinds, key=IGNORED.index)


def _of_recipient(group: Fields) -> ReportKind:
    match re.split(r"[^a-z]", field(group, "Action").strip().lower(), maxsplit=1)[0]:
        case "failed":
            found = _STATUS.match(field(group, "Status")), _IN_REPLY.search(field(group, "Diagnostic-Code"))
            return kind_of_bounce([_code(each.groups()) for each in found if each is not None])
        case "delayed":
            return ReportKind.DELAYED
        case "delivered" | "relayed" | "expanded":
            return ReportKind.DELIVERED
        case _:
            return ReportKind.OTHER


def _bounce_in_words(message: Part, parts: Sequence[Part]) -> ReportKind:
    """
    A bounce from before there was a form for it.

    A code counts where servers are known to write it, above the copy of our
    own message, and only when there is no second one.
    """
    text = next((part for part in parts if part.kind == "text/plain"), message).text
    said = _COPY.split(text, 1)[0]
    codes = {_code(found) for found in (*_BEHIND_HASH.findall(said), *_IN_REPLY.findall(said))}
    return kind_of_bounce([*codes]) if len(codes) == 1 else ReportKind.SOFT


def _feedback(part: Part) -> ReportKind:
    kind = field(part.groups()[0], "Feedback-Type").strip().lower()
    return ReportKind.COMPLAINT if kind in _COMPLAINTS else ReportKind.OTHER


def _code(digits: Sequence[str]) -> Code:
    first, second, third = map(int, digits)
    return first, second, third


def _is_returned(part: Part) -> bool:
    return part.kind in ("message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers")


def _header_of(returned: Part) -> str:
    """The header of our own message, as it came back."""
    return returned.text.lstrip("\n").partition("\n\n")[0]


def _is_from_daemon(message: Part) -> bool:
    return "X-Failed-Recipients" in message.fields or bool(_DAEMON.search(field(message.fields, "From")))


def _is_automatic(message: Part) -> bool:
    """Whether nobody wrote it by hand (RFC 3834, and what came before)."""
    fields = message.fields
    said = field(fields, "Auto-Submitted").strip().lower()
    return (
        (said != "" and said != "no")
        or "X-Autoreply" in fields
        or "X-Autorespond" in fields
        or field(fields, "Precedence").strip().lower() == "auto_reply"
    )


def _instant(date: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(date.strip())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
