"""Events from any system: lines as `events import` reads them, signed as Standard Webhooks says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from campaignctl.channels.http.signing import verified
from campaignctl.contacts.event_file import event_rows
from campaignctl.contacts.event_line import EventReader, Row
from campaignctl.errors import WorkFailedError
from campaignctl.providers.request import ProviderRequest, UnreadableError, UnverifiedError


def signed_rows(secret: str, request: ProviderRequest, reader: EventReader, now: datetime) -> Iterator[Row]:
    """
    The events of a request, one a line.

    Raises:
        UnverifiedError: its signature is wrong or old.
        UnreadableError: it is not UTF-8, or a line is no event.
    """
    try:
        text = request.content.decode("utf-8")
    except UnicodeDecodeError as failure:
        raise UnreadableError("the body is not UTF-8 text") from failure
    if not verified(secret, request.headers, request.content, now):
        raise UnverifiedError("the signature does not fit, or is too old")
    try:
        return iter(list(event_rows(text.split("\n"), reader)))
    except WorkFailedError as failure:
        raise UnreadableError(failure.message) from failure
