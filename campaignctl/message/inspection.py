"""What a template uses, found without filling it in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from jinja2 import TemplateError, nodes
from jinja2.meta import find_undeclared_variables

from campaignctl.message.metering import TemplateSyntaxProblem
from campaignctl.message.sandbox import CompiledTemplate, Sandbox

NAMES: Final = frozenset(
    {"contact", "data", "gate", "campaign", "step", "link", "unsubscribe_url", "view_url", "postal_address"}
)


@dataclass
class Inspection:
    """
    Problems with their lines, and the attributes of the contact that are used.

    `view_url` are the lines that need the address of the message in a browser.
    """

    problems: list[tuple[str, int]] = field(default_factory=list)
    unknown_names: list[tuple[str, int]] = field(default_factory=list)
    attributes: list[tuple[str, int]] = field(default_factory=list)
    view_url: list[int] = field(default_factory=list)
    known_names: frozenset[str] = NAMES


def inspected(source: str) -> Inspection:
    """Everything that can be said about the template *source* before there is a contact."""
    found = Inspection()
    try:
        CompiledTemplate("template", source, is_html=True)
        tree = Sandbox(is_html=True).parse(source)
    except TemplateSyntaxProblem as problem:
        found.problems.append((problem.message, problem.line))
        return found
    except TemplateError as failure:
        found.problems.append((str(failure), getattr(failure, "lineno", None) or 1))
        return found
    undeclared = find_undeclared_variables(tree) - NAMES
    for name in sorted(undeclared):
        line = next((each.lineno for each in tree.find_all(nodes.Name) if each.name == name), 1)
        found.unknown_names.append((name, line))
    found.view_url = [each.lineno for each in tree.find_all(nodes.Name) if each.name == "view_url"]
    if any(map(_allows_none, [*tree.find_all(nodes.Filter), *tree.find_all(nodes.Test)])):
        found.view_url = []
    for dotted in tree.find_all(nodes.Getattr):
        if _is_contact(dotted.node):
            found.attributes.append((dotted.attr, dotted.lineno))
    for item in tree.find_all(nodes.Getitem):
        if _is_contact(item.node) and isinstance(item.arg, nodes.Const) and isinstance(item.arg.value, str):
            found.attributes.append((item.arg.value, item.lineno))
    return found


def _allows_none(node: nodes.Node) -> bool:
    """Whether a template says itself what to do without a `view_url`."""
    match node:
        case nodes.Filter(node=nodes.Name(name="view_url"), name="default" | "d"):
            return True
        case nodes.Test(node=nodes.Name(name="view_url"), name="defined" | "undefined"):
            return True
    return False


def _is_contact(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Name) and node.name == "contact"
