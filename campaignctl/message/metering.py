"""Puts the counting of work into the syntax tree of a template, before it is compiled."""

from __future__ import annotations

import re
from typing import Any, Final, NoReturn

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

_NODES_A_STEP: Final = 16


class TemplateSyntaxProblem(Exception):
    """A template cannot be read: sentence and line."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


_SYNTAX: Final = (
    (r"block that needs to be closed is '(\w+)'", "`{{% {0} %}}` is not closed"),
    (r"unexpected end of template.*'end of print statement'", "`{{{{` is not closed"),
    (r"unexpected end of template.*'end of statement block'", "`{{%` is not closed"),
    (r"Missing end of comment", "`{{#` is not closed"),
    (r"Missing end of raw", "`{{% raw %}}` is not closed"),
    (r"expected token 'end of print statement'", "`{{{{ … }}}}` holds more than one value"),
    (r"[Nn]o filter named '(.+?)'", "templates have no filter `{0}`"),
    (r"[Nn]o test named '(.+?)'", "templates have no test `{0}`"),
    (r"unknown tag '(.+?)'", "templates have no tag `{0}`"),
    (r"unexpected (?:char )?'(.+?)'", "`{0}` cannot stand here"),
)


def syntax_sentence(said: str) -> str:
    """What the library says about a template that it cannot read, in our words."""
    for pattern, sentence in _SYNTAX:
        if found := re.search(pattern, said):
            return sentence.format(*found.groups())
    return "this is no template that can be read"


class Meter(NodeTransformer):
    """
    Counts what loops and comparisons do, and looks at the size of what is put together.

    It does so with three filters of the sandbox that no template can name:
    `_counted`, `_paid` and `_bounded`. Refuses what is not part of templates.
    """

    def visit_Filter(self, used: nodes.Filter) -> nodes.Node:
        if used.name.startswith("_"):
            raise TemplateSyntaxProblem(f"there is no filter `{used.name}`", used.lineno)
        self.generic_visit(used)
        return used

    def visit_For(self, loop: nodes.For) -> nodes.Node:
        if loop.recursive:
            raise TemplateSyntaxProblem("a recursive loop is not part of templates", loop.lineno)
        each = 1 + sum(1 for _ in loop.find_all(nodes.Node)) // _NODES_A_STEP
        self.generic_visit(loop)
        loop.iter = _through("_counted", loop.iter, nodes.Const(each))
        return loop

    def visit_Concat(self, joined: nodes.Concat) -> nodes.Node:
        self.generic_visit(joined)
        joined.nodes = [_through("_bounded", part) for part in joined.nodes]
        return joined

    def visit_Compare(self, compared: nodes.Compare) -> nodes.Node:
        self.generic_visit(compared)
        compared.expr = _through("_paid", compared.expr)
        for operand in compared.ops:
            operand.expr = _through("_paid", operand.expr)
        return compared

    def visit_List(self, made: nodes.List) -> nodes.Expr:
        self.generic_visit(made)
        is_small = len(made.items) <= 100 and all(isinstance(each, nodes.Const) for each in made.items)
        return made if is_small else _through("_bounded", made)

    def visit_Dict(self, made: nodes.Dict) -> nodes.Expr:
        self.generic_visit(made)
        return _through("_bounded", made)

    def visit_Tuple(self, made: nodes.Tuple) -> nodes.Expr:
        self.generic_visit(made)
        is_small = made.ctx != "load" or all(isinstance(each, nodes.Const) for each in made.items)
        return made if is_small else _through("_bounded", made)

    def _refuse(self, found: nodes.Node, *_: Any) -> NoReturn:
        keyword = {
            "assignblock": "set … endset", "callblock": "call", "filterblock": "filter", "fromimport": "from",
            "scopedevalcontextmodifier": "autoescape", "evalcontextmodifier": "autoescape",
        }  # fmt: skip
        name = type(found).__name__.lower()
        raise TemplateSyntaxProblem(f"`{{% {keyword.get(name, name)} %}}` is not part of templates", found.lineno)

    visit_Include = visit_Import = visit_FromImport = visit_Extends = visit_Macro = _refuse
    visit_ScopedEvalContextModifier = visit_EvalContextModifier = _refuse
    visit_CallBlock = visit_Block = visit_FilterBlock = visit_AssignBlock = _refuse


def _through(name: str, node: Any, *args: nodes.Expr) -> nodes.Expr:
    if isinstance(node, nodes.Const):
        return node
    return nodes.Filter(node, name, list(args), [], None, None, lineno=node.lineno)
