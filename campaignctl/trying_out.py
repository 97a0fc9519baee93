"""One message through the real channel, to somebody who wants to see it: marked as a test, and not counted."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Final

from campaignctl.campaign.version import Version
from campaignctl.engine.rules import Signature
from campaignctl.errors import RefusedError, UsageError
from campaignctl.message.address import normal_address
from campaignctl.message.phone import normal_phone
from campaignctl.message.sms_request import TextRequestTemplate
from campaignctl.message.text import SmsRules, as_document
from campaignctl.ports import Channel, Outcome, Outgoing
from campaignctl.rehearsal import previewed, previewed_text, some_member
from campaignctl.store.ledger import SqlLedger
from campaignctl.store.suppressions import EMAIL, SMS, suppression_of

_SUBJECT: Final = b"\r\nSubject: "
_MARK: Final = b"[Test] "
_HEADER: Final = b"X-Campaignctl-Test: yes\r\n"


def trial_message(
    ledger: SqlLedger,
    version: Version,
    step: str,
    to: str,
    contact: str | None,
    now: datetime,
    signature: Signature | None = None,
) -> Outgoing:
    """
    The message of *step* as one contact would get it (any member, unless one is named), addressed to somebody else.

    It has a Message-ID of its own and a marked subject, and its links are
    those of a preview: nobody is unsubscribed by a click. With *signature* it
    is signed as the others are.

    Raises:
        UsageError: *to* is no address.
        RefusedError: there is no such step or contact, or the address is suppressed.
        RenderError: the template cannot be filled in.
    """
    address = normal_address(to)
    if address is None:
        raise UsageError("U107", f"`{to}` is no e-mail address", "write it like `ada@example.org`")
    if found := suppression_of(ledger.connection, EMAIL, address):
        raise RefusedError(
            "P119", f"`{address}` is suppressed ({found.reason}), and is never written to", "name another address"
        )
    key = contact or some_member(ledger, version, now)
    message = previewed(ledger, version, step, key, now, address=address, seed=secrets.token_hex(8))
    before, subject, after = message.content.partition(_SUBJECT)
    content = _HEADER + before + subject + _MARK + after
    if signature is not None:
        content = signature.on(content, now)
    return Outgoing(f"test/{step}/{key}", message.envelope_sender, address, content)


def trial_text(
    ledger: SqlLedger, version: Version, step: str, to: str, contact: str | None, rules: SmsRules, now: datetime
) -> Outgoing:
    """
    The text message of *step* as one contact would get it, to somebody else's number.

    Raises:
        UsageError: *to* is no number.
        RefusedError: there is no such step or contact, or the number is suppressed.
        RenderError: the message cannot be made.
    """
    number = normal_phone(to, rules.country)
    if number is None:
        raise UsageError("U111", f"`{to}` is no phone number", "write it like `+33612345678`")
    if found := suppression_of(ledger.connection, SMS, number):
        raise RefusedError(
            "P119", f"`{number}` is suppressed ({found.reason}), and is never written to", "name another number"
        )
    key = contact or some_member(ledger, version, now)
    message = previewed_text(ledger, version, step, key, rules, now, number=number)
    message = message._replace(text=f"[Test] {message.text}")
    # Each test is a message of its own to the provider.
    request = None if rules.request is None else TextRequestTemplate(*rules.request)
    content = as_document(message, request, campaign=version.name, step=step, contact=key)
    return Outgoing(f"test/{step}/{key}/{secrets.token_hex(8)}", message.sender, number, content)


def sent(channel: Channel, message: Outgoing) -> Outcome:
    """Hand *message* over, and wait until it is known what became of it."""
    outcomes = [*channel.exchange([message])]
    while not outcomes:
        outcomes += channel.exchange([])
    return outcomes[0]
