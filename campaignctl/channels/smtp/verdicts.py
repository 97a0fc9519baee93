"""What each answer, or the lack of one, says about a message: the table of stage and answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from campaignctl.channels.smtp.reply import Reply
from campaignctl.ports import Outcome, Verdict


class Stage(StrEnum):
    """How far the conversation has come: what the next answer will be about."""

    CONNECT = "connect"
    BANNER = "banner"
    EHLO = "ehlo"
    STARTTLS = "starttls"  # opportunistic: tried because it was offered
    TLS = "tls"  # required: nothing goes on in the clear
    AUTH = "auth"
    RESET = "reset"  # forgets the refused message before this one
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"  # the bytes before those with the terminator
    ANSWER = "answer"  # from the write with the terminator on


class FaultKind(StrEnum):
    """Why there is no answer to judge by."""

    REFUSED = "refused"  # no connection came about
    CLOSED = "closed"  # ended or reset by the other side
    TIMEOUT = "timeout"
    GARBAGE = "garbage"  # not SMTP, or not an answer to what was asked
    TLS = "tls"  # handshake or certificate
    MISSING = "missing"  # the server does not offer what we need
    UNFIT = "unfit"  # the server said beforehand that it cannot take this message
    ABANDONED = "abandoned"  # we stopped waiting, because we are to end


@dataclass(frozen=True)
class Fault:
    """The place of an answer when none came; `detail` is for people."""

    kind: FaultKind
    detail: str


Answer = Reply | Fault

_HARD = frozenset({(1, 1), (1, 2), (1, 3), (1, 6), (1, 10), (2, 1)})
_HARD_WITHOUT_ENHANCED = frozenset({550, 551, 553})
_AUTHENTICATION_NEEDED = 530


def bad_address(key: str, which: str, *, blames_sender: bool) -> Outcome:
    """The outcome for an address that cannot stand in an SMTP command."""
    detail = f"the {which} address cannot be written in SMTP"
    return Outcome(key, Verdict.FAILED, "bad_address", detail, blames_sender=blames_sender)


def verdict_on(key: str, stage: Stage, answer: Answer) -> Outcome:
    """The outcome for the message with this *key* when *answer* came at *stage*."""
    if isinstance(answer, Fault):
        return _without_reply(key, stage, answer)
    if stage is Stage.ANSWER and answer.is_positive:
        return Outcome(key, Verdict.SENT, "", answer.detail)
    match stage:
        case Stage.CONNECT | Stage.BANNER | Stage.EHLO | Stage.STARTTLS | Stage.TLS | Stage.AUTH:
            return _while_opening(key, stage, answer)
        case Stage.RESET | Stage.MAIL:
            return _on_sender(key, answer)
        case Stage.RCPT | Stage.DATA | Stage.CONTENT | Stage.ANSWER:
            return _on_message(key, stage, answer)


def _without_reply(key: str, stage: Stage, fault: Fault) -> Outcome:
    if fault.kind is FaultKind.ABANDONED and stage is not Stage.ANSWER:
        return Outcome(key, Verdict.NOT_SENT, "abandoned", fault.detail)
    match stage:
        case Stage.CONNECT | Stage.BANNER | Stage.EHLO | Stage.STARTTLS:
            return Outcome(key, Verdict.NOT_SENT, "relay_down", fault.detail)
        case Stage.TLS:
            return Outcome(key, Verdict.NOT_SENT, "tls_required", fault.detail)
        case Stage.AUTH if fault.kind is FaultKind.MISSING:
            return Outcome(key, Verdict.NOT_SENT, "auth_refused", fault.detail, blames_sender=True)
        case Stage.AUTH:
            return Outcome(key, Verdict.NOT_SENT, "relay_down", fault.detail)
        case _ if fault.kind is FaultKind.UNFIT:
            return Outcome(key, Verdict.NOT_SENT, "message_refused", fault.detail, blames_sender=True)
        case Stage.RESET | Stage.MAIL | Stage.RCPT | Stage.DATA | Stage.CONTENT:
            return Outcome(key, Verdict.DEFERRED, "line_lost", fault.detail)
        case Stage.ANSWER:
            return Outcome(key, Verdict.UNCERTAIN, "no_answer", fault.detail)


def _while_opening(key: str, stage: Stage, reply: Reply) -> Outcome:
    """No message was named yet, so none has used an attempt."""
    if stage is Stage.AUTH and reply.code >= 500:
        return Outcome(key, Verdict.NOT_SENT, "auth_refused", reply.detail, blames_sender=True)
    reason = "tls_required" if stage is Stage.TLS else "relay_down"
    return Outcome(key, Verdict.NOT_SENT, reason, reply.detail)


def _on_sender(key: str, reply: Reply) -> Outcome:
    """MAIL FROM: a lasting refusal is never the contact's fault."""
    if reply.code < 500:
        return Outcome(key, Verdict.DEFERRED, "refused_for_now", reply.detail)
    if reply.code == _AUTHENTICATION_NEEDED:
        reason = "auth_refused"
    elif _blames_message(reply):
        reason = "message_refused"
    else:
        reason = "sender_refused"
    return Outcome(key, Verdict.NOT_SENT, reason, reply.detail, blames_sender=True)


def _on_message(key: str, stage: Stage, reply: Reply) -> Outcome:
    """
    RCPT TO, DATA and the final answer go by their codes.

    A refused DATA is deferred or failed like the others, and not "not sent":
    a server that greylists there would otherwise stop the whole relay for the
    sake of one contact.
    """
    is_full = reply.enhanced is not None and reply.enhanced[1:] == (2, 2)
    if reply.code < 500:
        reason = "mailbox_full" if is_full else "refused_for_now"
        return Outcome(key, Verdict.DEFERRED, reason, reply.detail)
    if reply.code == _AUTHENTICATION_NEEDED:
        # RFC 4954 lets a server say this to any command. It means us, not the contact.
        return Outcome(key, Verdict.NOT_SENT, "auth_refused", reply.detail, blames_sender=True)
    if is_full:
        return Outcome(key, Verdict.FAILED, "mailbox_full", reply.detail)
    if reply.enhanced is not None and reply.enhanced[1] == 7:
        return Outcome(key, Verdict.FAILED, "policy", reply.detail)
    if _blames_message(reply):
        return Outcome(key, Verdict.FAILED, "message_refused", reply.detail, blames_sender=True)
    if _is_hard(stage, reply):
        return Outcome(key, Verdict.FAILED, "hard_bounce", reply.detail, is_hard_bounce=True)
    return Outcome(key, Verdict.FAILED, "refused", reply.detail)


def _blames_message(reply: Reply) -> bool:
    if reply.enhanced is None:
        return False
    return reply.enhanced[1:] == (3, 4) or reply.enhanced[1] == 6


def _is_hard(stage: Stage, reply: Reply) -> bool:
    # `550 4.1.1` contradicts itself. A suppression lasts, so doubt speaks for the address.
    if reply.enhanced is not None:
        return reply.enhanced[0] == 5 and reply.enhanced[1:] in _HARD
    return stage is Stage.RCPT and reply.code in _HARD_WITHOUT_ENHANCED
