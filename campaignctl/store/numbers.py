"""Suppressed phone numbers, looked up by SQL: a list has numbers in any form, and suppressions in one."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, func, select
from sqlalchemy.sql import FromClause

from campaignctl.message.phone import normal_phone
from campaignctl.store.suppressions import SMS
from campaignctl.store.tables import suppressions

_FEW_SIGNS: Final = re.compile(r"[0-9 +()./-]*")
_NO_DIGIT: Final = re.compile(r"[^0-9]")
_END: Final = 6


def suppressed_numbers(connection: Connection) -> frozenset[str]:
    """The phone numbers that must not be written to, in E.164."""
    return frozenset(connection.scalars(select(suppressions.c.address).where(suppressions.c.channel == SMS)))


def is_suppressed_number(
    connection: Connection, table: FromClause, written: ColumnElement[Any], country: str | None
) -> ColumnElement[bool] | None:
    """
    What joins *table*, which has the columns of `suppressions`, to a number in any form; None where none is suppressed.

    A number without a country code is one of *country*. It holds for statements
    of this connection, until it is asked for again.
    """
    numbers = suppressed_numbers(connection)
    if not numbers:
        return None
    driver: Any = connection.connection.driver_connection
    driver.create_function("suppressed_number", 1, _Lookup(numbers, country), deterministic=True)
    return and_(table.c.channel == SMS, table.c.address == func.suppressed_number(written))


class _Lookup:
    """
    The number in a text where it is one of *numbers*, in their form.

    Reading a number takes as long as fifty looks at its last digits, and these
    are the same in every form.
    """

    def __init__(self, numbers: Collection[str], country: str | None) -> None:
        self._numbers = frozenset(numbers)
        self._ends = frozenset(number[-_END:] for number in numbers)
        self._country = country

    def __call__(self, written: object) -> str | None:
        text = "" if written is None else str(written)
        if _FEW_SIGNS.fullmatch(text) and _NO_DIGIT.sub("", text)[-_END:] not in self._ends:
            return None
        number = normal_phone(text, self._country)
        return number if number in self._numbers else None
