"""Instants as the store keeps them: microseconds since 1970-01-01, UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import overload

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@overload
def stored(instant: datetime) -> int: ...
@overload
def stored(instant: None) -> None: ...
def stored(instant: datetime | None) -> int | None:
    """
    The integer that stands for *instant*, which has to be aware of its zone.

    >>> stored(datetime(2026, 12, 1, 8, 0, tzinfo=UTC))
    1796112000000000
    """
    return None if instant is None else (instant - _EPOCH) // _MICROSECOND


@overload
def instant(value: int) -> datetime: ...
@overload
def instant(value: None) -> None: ...
def instant(value: int | None) -> datetime | None:
    """
    The instant that an integer of the store stands for, in UTC.

    >>> instant(1796112000000000)
    datetime.datetime(2026, 12, 1, 8, 0, tzinfo=datetime.timezone.utc)
    """
    return None if value is None else _EPOCH + timedelta(microseconds=value)


def stored_length(length: timedelta) -> int:
    """
    How far apart two instants are in the store that are *length* apart.

    >>> stored_length(timedelta(seconds=2))
    2000000
    """
    return length // _MICROSECOND
