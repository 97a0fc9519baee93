"""Templates that only put values into a text: found by their syntax tree, and filled in without rendering."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from jinja2 import TemplateError, nodes

from campaignctl.message.sandbox import FAILURES, CompiledTemplate, Sandbox

# What is written as text in the same way by both, and for which the limits of
# the sandbox can be left alone: so few and small values never reach them.
_ORDINARY: Final = frozenset({float, bool, date, datetime})
_LARGEST_NUMBER: Final = 10**18
_LONGEST: Final = 1000
_LONGEST_TEXTS: Final = 128 * 1024
_MOST_SLOTS: Final = 64
_MOST_CONSTANTS: Final = 100  # each is compiled by itself
_MOST_FILTERS: Final = 4
_FILTERS: Final = frozenset(
    {"capitalize", "d", "date", "default", "e", "escape", "forceescape", "lower", "round", "string", "title", "trim",
     "upper"}
)  # fmt: skip
_MAPPINGS: Final = frozenset({"contact", "data", "gate"})
_OWN: Final = frozenset({"unsubscribe_url", "view_url"})
TOKENS: Final = ("_click_", "_open")  # of `tracked.py`; no template of an author's knows them

Known = Mapping[str, Any]
Slot = Callable[[Known], Any]


class UnusualError(Exception):
    """A value for which the template has to be rendered."""


@dataclass(frozen=True)
class Skeleton:
    """
    A template as fixed texts and, between each two, a slot for a value: one text more than slots.

    A slot gives what the sandbox would write, before it becomes text; or
    raises `UnusualError`, and then only rendering says what is so.
    """

    texts: tuple[str, ...]
    slots: tuple[Slot, ...]

    def joined(self, values: Sequence[str]) -> str:
        """The texts with these between them."""
        pieces = [self.texts[0]]
        for value, text in zip(values, self.texts[1:], strict=True):
            pieces += (value, text)
        return "".join(pieces)


def skeleton_of(template: CompiledTemplate, constants: Known) -> Skeleton | None:
    """
    What *template* comes to where it has no loops and blocks, and its expressions are of the plain kinds.

    *constants* are the names that are the same for every contact; an
    expression of these alone is filled in here, by the sandbox.
    """
    if template.is_constant:
        return Skeleton((template.source,), ())
    texts: list[str] = [""]
    slots: list[Slot] = []
    constants_left = _MOST_CONSTANTS
    for node in template.sandbox.parse(template.source).body:
        if not isinstance(node, nodes.Output):
            return None
        for part in node.nodes:
            if isinstance(part, nodes.TemplateData):
                texts[-1] += part.data
                continue
            fixed = constant_text(part, template.sandbox, constants)
            if fixed is not None and constants_left:
                texts[-1] += fixed
                constants_left -= 1
                continue
            slot = _slot(part, template.sandbox)
            if slot is None or len(slots) == _MOST_SLOTS:
                return None
            slots.append(slot)
            texts.append("")
    is_small = sum(map(len, texts)) <= _LONGEST_TEXTS and not any("\r" in text for text in texts)
    return Skeleton(tuple(texts), tuple(slots)) if is_small or not slots else None


def constant_text(expression: nodes.Expr, sandbox: Sandbox, constants: Known) -> str | None:
    """The text of an expression that is the same for every contact; None where it is not, or cannot be filled in."""
    alone = nodes.Template([nodes.Output([expression], lineno=1)], lineno=1)
    if any(name.name not in constants for name in alone.find_all(nodes.Name)):
        return None
    alone.set_environment(sandbox)
    sandbox.budgeted()
    try:
        return sandbox.from_string(alone).render(constants)
    except (TemplateError, *FAILURES):
        return None


def _slot(expression: nodes.Expr, sandbox: Sandbox) -> Slot | None:
    """The value of one expression for a contact; None where this is not one of the plain kinds."""
    filters: list[Callable[[Any], Any]] = []
    inner = expression
    while isinstance(inner, nodes.Filter):
        applied = _filter(inner, sandbox)
        if applied is None or inner.node is None or len(filters) == _MOST_FILTERS:
            return None
        filters.insert(0, applied)
        expression, inner = inner, inner.node
    value = _value(inner, may_miss=isinstance(expression, nodes.Filter) and expression.name in ("default", "d"))
    if value is None or not filters:
        return value
    return _filtered(value, filters)


def _filtered(value: Slot, filters: list[Callable[[Any], Any]]) -> Slot:
    def filtered(known: Known) -> Any:
        result = value(known)
        try:
            for each in filters:
                result = each(result)
        except (TemplateError, *FAILURES) as failure:
            raise UnusualError from failure
        return result

    return filtered


def _value(node: nodes.Expr, *, may_miss: bool) -> Slot | None:
    """`contact.name`, `contact['name']`, or a name that each contact has of its own."""
    match node:
        case nodes.Name(name=name) if (name in _OWN or name.startswith(TOKENS)) and not may_miss:
            return _named(name)
        # A name like `items` is also a method of every mapping.
        case nodes.Getattr(node=nodes.Name(name=name), attr=str(key)) if name in _MAPPINGS and not hasattr(dict, key):
            return _item(name, key, may_miss=may_miss)
        case nodes.Getitem(node=nodes.Name(name=name), arg=nodes.Const(value=str(key))) if name in _MAPPINGS:
            return _item(name, key, may_miss=may_miss)
    return None


def _named(name: str) -> Slot:
    def named(known: Known) -> Any:
        value = known.get(name)
        if not value:
            raise UnusualError
        return value

    return named


def _item(mapping: str, key: str, *, may_miss: bool) -> Slot:
    def item(known: Known) -> Any:
        value = known[mapping].get(key)
        kind = type(value)
        if kind is str:
            is_ordinary = len(value) <= _LONGEST
        elif kind is int:
            is_ordinary = abs(value) <= _LARGEST_NUMBER
        else:
            is_ordinary = kind in _ORDINARY or (may_miss and value is None)
        if is_ordinary:
            return value
        raise UnusualError

    return item


def _filter(used: nodes.Filter, sandbox: Sandbox) -> Callable[[Any], Any] | None:
    """A filter with its arguments, where they are written out: the very function that the sandbox would call."""
    arguments = [*used.args, *(pair.value for pair in used.kwargs)]
    if used.name not in _FILTERS or used.dyn_args is not None or used.dyn_kwargs is not None:
        return None
    if not all(isinstance(each, nodes.Const) and len(str(each.value)) <= _LONGEST for each in arguments):
        return None
    function = sandbox.plain_filters[used.name]
    args = [each.value for each in used.args]  # type: ignore[attr-defined] # all are nodes.Const
    kwargs = {str(pair.key): pair.value.value for pair in used.kwargs}  # type: ignore[attr-defined] # as above

    def applied(value: Any) -> Any:
        return function(value, *args, **kwargs)

    return applied
