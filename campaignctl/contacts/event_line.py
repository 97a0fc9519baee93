"""One event as others tell it: a JSON object that says what happened, when, and with which message or to whom."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

from campaignctl.campaign.attribute import AttributeType
from campaignctl.contacts.column import harm
from campaignctl.contacts.detection import is_of_type, stored_instant
from campaignctl.conversion_settings import USUAL_WINDOW
from campaignctl.diagnostics import did_you_mean
from campaignctl.message.links import Purpose
from campaignctl.store.conversions import PARTS
from campaignctl.store.events import EventKind
from campaignctl.store.instants import stored_length
from campaignctl.store.returned import NamedDelivery

_EXAMPLE: Final = "write one like in `campaignctl events import --help`"
_LONGEST_ID: Final = 200
_KINDS: Final = frozenset(map(str, EventKind))
_AMOUNT: Final = re.compile(r"\d{1,12}(?:\.\d{1,4})?")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")

# What names a message by itself, and what such a token was made for.
_TOKENS: Final = (("token", Purpose.CONVERSION), ("mark", Purpose.EVENT))

# One event, as the columns of `brought` name what it says.
Row = dict[str, object]
FindsDelivery = Callable[[Purpose, str], NamedDelivery | None]
FindsCalled = Callable[[str], NamedDelivery | None]


class NoEventError(Exception):
    """A line that is no event: what is wrong with it, and what to do."""

    def __init__(self, what: str, hint: str = _EXAMPLE) -> None:
        super().__init__(what)
        self.hint = hint


def _nobody(_purpose: Purpose, _token: str) -> NamedDelivery | None:
    return None


def _nobody_called(_message_id: str) -> NamedDelivery | None:
    return None


@dataclass(frozen=True)
class EventReader:
    """
    Reads events.

    `delivery_of` finds the delivery that a token names, `delivery_called` the one
    whose message a provider calls so. A conversion that names no message may be
    credited to one that was clicked or opened within `window` before; its
    contact is of `only_list` where it does not say. Numbers without a country
    code are of `country`.
    """

    window: timedelta = USUAL_WINDOW
    only_list: str | None = None
    country: str | None = None
    delivery_of: FindsDelivery = _nobody
    delivery_called: FindsCalled = _nobody_called

    def row(self, line: str) -> Row:
        """
        The event that a line tells.

        Raises:
            NoEventError: it is none.
        """
        try:
            given = json.loads(line)
        except (ValueError, RecursionError) as failure:
            raise NoEventError("it is not JSON") from failure
        if not isinstance(given, dict):
            raise NoEventError("it is not an object")
        kind = _kind(_text(given, "event")) if "event" in given else None
        names = self._names(given, kind)
        if kind is None:
            raise NoEventError("it has no `event`")
        return {
            **names,
            "kind": kind,
            "at": _instant(_text(given, "at")),
            "url": _text(given, "url") if given.get("url") else "",
            "is_machine": _yes_or_no(given, "machine"),
            "is_hard": _yes_or_no(given, "hard"),
            **self._of_conversion(given, kind),
        }

    def _names(self, given: Mapping[str, object], kind: str | None) -> Row:
        """What the event belongs to: a message, or else a contact."""
        names: Row = {"campaign": "", "step": "", "contact_key": "", "list": None, "is_proof": False}
        is_named = False
        for name, purpose in _TOKENS:
            if name in given:
                is_named = True
                found = self.delivery_of(purpose, _text(given, name))
                if found is not None:
                    return names | _of(found) | {"is_proof": True}
        if is_named and "contact" not in given:
            return names  # a token of nobody names nothing
        if "message_id" in given and "campaign" not in given:
            called = self.delivery_called(_text(given, "message_id"))
            return names if called is None else names | _of(called)
        if kind == EventKind.CONVERSION and "campaign" not in given and "step" not in given:
            list_name = _text(given, "list") if "list" in given else self.only_list
            if list_name is None and "contact" in given:
                raise NoEventError("it has no `list`, and the project has several", "add `list`")
            return names | {"contact_key": _text(given, "contact"), "list": list_name}
        return names | {
            "campaign": _text(given, "campaign"), "step": _text(given, "step"), "contact_key": _text(given, "contact"),
        }  # fmt: skip

    def _of_conversion(self, given: Mapping[str, object], kind: str) -> Row:
        if kind != EventKind.CONVERSION:
            return dict.fromkeys(("order_id", "value", "currency", "within"))
        order = _text(given, "id")
        if len(order) > _LONGEST_ID:
            raise NoEventError(f"`id` is longer than {_LONGEST_ID} characters")
        value = given.get("value")
        currency = None if given.get("currency") is None else _text(given, "currency").upper()
        if (value is None) != (currency is None):
            raise NoEventError("`value` and `currency` stand together or not at all")
        if currency is not None and not _CURRENCY.fullmatch(currency):
            raise NoEventError(f"`{currency[:40]}` is not a currency of three letters")
        return {
            "order_id": order,
            "value": None if value is None else _parts(value),
            "currency": currency,
            "within": stored_length(self.window),
        }


def _of(message: NamedDelivery) -> Row:
    return {"campaign": message.campaign, "step": message.step, "contact_key": message.contact_key}


def _text(given: Mapping[str, object], name: str) -> str:
    """A text, or an integer as text, because keys of contacts are often written so."""
    if name not in given:
        raise NoEventError(f"it has no `{name}`")
    value = given[name]
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value:
        raise NoEventError(f"`{name}` is not text")
    if (found := harm(value)) is not None:
        raise NoEventError(f"`{name}`: {found}")
    return value


def _kind(word: str) -> str:
    if word not in _KINDS:
        hint = did_you_mean(word[:40], _KINDS, f"write one of {', '.join(EventKind)}")
        raise NoEventError(f"`{word[:40]}` is not something that happens with a message", hint)
    return word


def _instant(text: str) -> int:
    found = stored_instant(text) if is_of_type(text, AttributeType.INSTANT) else None
    if found is None:
        hint = "write it with its offset from UTC, like `2026-12-01T09:30Z`"
        raise NoEventError(f"`{text[:40]}` is not an instant", hint)
    return found


def _yes_or_no(given: Mapping[str, object], name: str) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise NoEventError(f"`{name}` is neither true nor false")
    return value


def _parts(value: object) -> int:
    """
    An amount of money in ten-thousandths. A number may carry the dust of somebody's sums; a text may not.

    >>> _parts(49.9), _parts("49.90"), _parts(0.1 + 0.2)
    (499000, 499000, 3000)
    """
    text = value
    if isinstance(value, int | float) and not isinstance(value, bool):
        # Neither infinity nor what is much too large fits the pattern.
        text = f"{value:.4f}" if isinstance(value, float) else str(value)
    if not isinstance(text, str) or not _AMOUNT.fullmatch(text):
        raise NoEventError("`value` is not an amount like `49.90`")
    return int(Decimal(text) * PARTS)
