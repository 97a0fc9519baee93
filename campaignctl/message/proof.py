"""What can be said of a template before it is filled in: for which contacts it cannot fail, and for which it must."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from jinja2 import nodes

from campaignctl.campaign.attribute import AttributeType
from campaignctl.message.sandbox import CompiledTemplate, Sandbox
from campaignctl.message.skeleton import TOKENS, Known, constant_text

# Values within these limits, put into a template within those, never reach the limits of the sandbox.
LONGEST_TEXT: Final = 1000
LARGEST_NUMBER: Final = 10**18
_MOST_EXPRESSIONS: Final = 64
_LONGEST_SOURCE: Final = 128 * 1024

# These take every value that an attribute can have.
_TOTAL: Final = frozenset({"capitalize", "e", "escape", "forceescape", "lower", "string", "title", "trim", "upper"})
_DEFAULTS: Final = frozenset({"d", "default"})
_NUMERIC: Final = frozenset({AttributeType.INTEGER, AttributeType.NUMBER})
_DATED: Final = frozenset({AttributeType.DATE, AttributeType.INSTANT})

Types = Mapping[str, AttributeType]


class _UnprovableError(Exception):
    """Something of which nothing is known without a contact."""


@dataclass(frozen=True)
class Proof:
    """
    For whom templates can be filled in.

    Whoever has all attributes of `needed`, none of them of unusual size, gets
    the message for sure; whoever lacks one of `required` cannot. Of the others
    only rendering tells.
    """

    needed: frozenset[str]
    required: frozenset[str]


def proof_of(templates: Iterable[CompiledTemplate], constants: Known, types: Types) -> Proof | None:
    """
    What holds for these templates together, with attributes of these *types*; None where nothing can be said.

    *constants* are the names that are the same in every copy.
    """
    needed: set[str] = set()
    required: set[str] = set()
    for template in templates:
        if template.is_constant:
            continue
        prover = _Prover(template.sandbox, constants, types)
        try:
            if len(template.source) > _LONGEST_SOURCE:
                return None
            body = template.sandbox.parse(template.source).body
            needed |= prover.of_body(body)
            required |= set(prover.always_written(body))
        except _UnprovableError:
            return None
    return Proof(frozenset(needed), frozenset(required))


class _Prover:
    """Goes through the syntax tree of one template; every method gives the attributes that have to be there."""

    def __init__(self, sandbox: Sandbox, constants: Known, types: Types) -> None:
        self._sandbox = sandbox
        self._constants = constants
        self._types = types
        self._expressions = 0

    def of_body(self, body: Iterable[nodes.Node]) -> set[str]:
        found: set[str] = set()
        for node in body:
            match node:
                case nodes.Output():
                    found |= self._of_all(node.nodes)
                case nodes.If():
                    found |= self.of(node.test) | self.of_body(node.body)
                    found |= self.of_body(node.elif_) | self.of_body(node.else_)
                case _:
                    raise _UnprovableError
        return found

    def of(self, node: nodes.Node) -> set[str]:
        """The attributes without which this expression may fail."""
        self._expressions += 1
        if self._expressions > _MOST_EXPRESSIONS:
            raise _UnprovableError
        if isinstance(node, nodes.TemplateData | nodes.Const):
            self._expressions -= 1
            return set()
        if (name := attribute_in(node)) is not None:
            return {name}
        match node:
            case nodes.Name(name=name) if name.startswith(TOKENS):
                self._expressions -= 1
                return set()
            case nodes.Name(name="unsubscribe_url"):
                return set()
            case nodes.Filter():
                return self._of_filter(node)
            case nodes.Test(name="defined" | "undefined" | "none", node=tested) if attribute_in(tested) is not None:
                return set()
            case nodes.Not(node=inner):
                return self.of(inner)
            case nodes.And(left=left, right=right) | nodes.Or(left=left, right=right):
                return self._of_all((left, right))
            case nodes.Concat(nodes=parts):
                return self._of_all(parts)
            case nodes.CondExpr(test=test, expr1=then, expr2=otherwise) if otherwise is not None:
                return self._of_all((test, then, otherwise))
            case nodes.Compare():
                return self._of_comparison(node)
        if isinstance(node, nodes.Expr) and constant_text(node, self._sandbox, self._constants) is not None:
            return set()
        raise _UnprovableError

    def _of_all(self, parts: Iterable[nodes.Node]) -> set[str]:
        return set().union(*map(self.of, parts))

    def _of_filter(self, used: nodes.Filter) -> set[str]:
        arguments = [*used.args, *(pair.value for pair in used.kwargs)]
        is_plain = all(isinstance(each, nodes.Const) for each in arguments) and not (used.dyn_args or used.dyn_kwargs)
        if used.node is None or not is_plain:
            raise _UnprovableError
        inner = attribute_in(used.node)
        if used.name in _DEFAULTS:
            return set() if inner is not None else self.of(used.node)
        kind = self._types.get(inner or "")
        is_safe = (
            used.name in _TOTAL
            or (used.name == "round" and kind in _NUMERIC and not arguments)
            or (used.name == "date" and kind in _DATED)
        )
        if not is_safe:
            raise _UnprovableError
        return self.of(used.node)

    def _of_comparison(self, compared: nodes.Compare) -> set[str]:
        operands = [compared.expr, *(each.expr for each in compared.ops)]
        is_equality = all(each.op in ("eq", "ne") for each in compared.ops)
        if not is_equality and not all(map(self._is_number, operands)):
            raise _UnprovableError
        return self._of_all(operands)

    def _is_number(self, node: nodes.Node) -> bool:
        if isinstance(node, nodes.Const):
            return isinstance(node.value, int | float)
        return self._types.get(attribute_in(node) or "") in _NUMERIC

    def always_written(self, body: Iterable[nodes.Node]) -> Iterator[str]:
        """The attributes that every contact's text shows as they are: who lacks one gets no text."""
        for node in body:
            for part in node.nodes if isinstance(node, nodes.Output) else ():
                inner: nodes.Node | None = part
                while isinstance(inner, nodes.Filter) and inner.name not in _DEFAULTS:
                    inner = inner.node
                if inner is not None and (name := attribute_in(inner)) is not None:
                    yield name


def attribute_in(node: nodes.Node) -> str | None:
    """The attribute that an expression reads, if it is `contact.name` or `contact['name']` and no more."""
    match node:
        # A name like `items` is also a method of every mapping.
        case nodes.Getattr(node=nodes.Name(name="contact"), attr=str(key)) if not hasattr(dict, key):
            return key
        case nodes.Getitem(node=nodes.Name(name="contact"), arg=nodes.Const(value=str(key))):
            return key
    return None
