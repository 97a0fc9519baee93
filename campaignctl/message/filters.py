"""What templates may do with values: the filters and tests that are allowed, and what each of them costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final

from jinja2.exceptions import SecurityError
from jinja2.filters import do_round
from jinja2.runtime import Undefined

LARGEST_OUTPUT: Final = 1024 * 1024
LARGEST_VALUE: Final = LARGEST_OUTPUT // 64  # of a text or list that a template makes on the way

FILTERS: Final = (
    "abs", "capitalize", "default", "d", "e", "escape", "first", "float", "forceescape", "int", "join", "last",
    "length", "count", "list", "lower", "max", "min", "replace", "reverse", "round", "select", "reject", "sort",
    "string", "striptags", "sum", "title", "trim", "truncate", "unique", "upper", "urlencode", "wordcount",
)  # fmt: skip
TESTS: Final = (
    "boolean", "defined", "divisibleby", "eq", "equalto", "even", "false", "float", "ge", "gt", "in", "integer",
    "le", "lower", "lt", "mapping", "ne", "none", "number", "odd", "sequence", "string", "true", "undefined", "upper",
)  # fmt: skip
# These look at each character of a text, and keep what they make of it.
_EACH_ITEM: Final = frozenset({"list", "sort", "unique", "select", "reject", "sum", "min", "max", "join"})


class LimitError(SecurityError):
    """A template asks for more than a message can need."""


def weight(value: object, limit: int = LARGEST_VALUE + 1) -> int:
    """
    How much *value* holds: items, theirs too, and one for every 64 characters; counting ends at *limit*.

    A list that is inside another one many times counts each time, as it would
    be written each time.

    >>> weight("Ada"), weight([1, 2, ["a" * 640]])
    (0, 14)
    """
    if isinstance(value, str):
        return len(value) // 64
    if isinstance(value, dict):
        value = list(value.values())
    elif not isinstance(value, list | tuple):
        return 0
    total = len(value)
    for item in value:
        if total >= limit:
            break
        if not isinstance(item, int | float):
            total += weight(item, limit - total)
    return total


def bounded(value: Any) -> Any:
    """*value*, unless it is larger than anything a message needs on the way."""
    if isinstance(value, str):
        if len(value) > LARGEST_VALUE:
            raise LimitError("a text is too long")
    elif weight(value) > LARGEST_VALUE:
        raise LimitError("a list is too long")
    return value


def cost_of(name: str, value: object) -> int:
    """The steps that the filter or test *name* takes with *value*."""
    if name == "striptags":
        text = str(value)
        return 1 + len(text) // 64 + text.count("<") * len(text) // 4096
    if name in _EACH_ITEM and isinstance(value, str):
        return 1 + len(value)
    return 1 + weight(value)


def _default(value: Any, otherwise: Any = "", also_empty: bool = False) -> Any:
    """What is missing, or has no value, becomes *otherwise*."""
    is_missing = isinstance(value, Undefined) or value is None
    return otherwise if is_missing or (also_empty and not value) else value


def _date(value: Any, form: str = "%Y-%m-%d") -> str:
    """A date or instant, written as strftime says."""
    if not isinstance(value, date):
        raise LimitError("`date` formats dates and instants only")
    return str(value.strftime(str(form)[:100]))


def _replace(text: Any, old: str, new: str) -> str:
    text = str(text)
    if old and text.count(str(old)) * len(str(new)) > LARGEST_VALUE:
        raise LimitError("a text is too long")
    replaced: str = text.replace(str(old), str(new))
    return replaced


def _join(items: Iterable[Any], between: str = "") -> str:
    between, size, pieces = str(bounded(between)), 0, []
    for item in items:
        piece = str(bounded(item))
        size += len(piece) + len(between)
        if size > LARGEST_VALUE + len(between):
            raise LimitError("a text is too long")
        pieces.append(piece)
    return between.join(pieces)


def _round(value: Any, precision: int = 0, method: Any = "common") -> Any:
    # The library raises ten to this power.
    if not isinstance(precision, int) or abs(precision) > 15:
        raise LimitError("`round` takes at most 15 places")
    return do_round(value, precision, method)


def _sum(items: Iterable[Any], attribute: str | None = None) -> Any:
    total: int | float = 0
    for item in items:
        if attribute is not None:
            item = item[attribute]
        if not isinstance(item, int | float):
            raise LimitError("`sum` adds numbers only")
        total += item
    return total


OURS: Final[Mapping[str, Any]] = {
    "default": _default, "d": _default, "date": _date, "replace": _replace, "join": _join, "round": _round,
    "sum": _sum,
}  # fmt: skip
