"""What a template uses, found without filling it in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame

from campaignctl.message.metering import TemplateSyntaxProblem
from campaignctl.message.sandbox import CompiledTemplate, Sandbox

NAMES: Final = frozenset(
    {"contact", "data", "gate", "campaign", "step", "link", "unsubscribe_url", "view_url", "postal_address"}
)


@dataclass
class Inspection:
    """
    Problems with their lines, and the attributes of the contact that are used.

    `view_url` are the lines that need the address of the message in a browser,
    `gate` what is expected of a send gate's answer where the template does not
    say itself what to do without.
    """

    problems: list[tuple[str, int]] = field(default_factory=list)
    unknown_names: list[tuple[str, int]] = field(default_factory=list)
    attributes: list[tuple[str, int]] = field(default_factory=list)
    view_url: list[int] = field(default_factory=list)
    gate: list[tuple[str, int]] = field(default_factory=list)
    known_names: frozenset[str] = NAMES


class _InspectingGenerator(CodeGenerator):
    """Writes a template's code, and tells the environment which names the template expects from outside."""

    environment: _InspectingSandbox

    def enter_frame(self, frame: Frame) -> None:
        super().enter_frame(frame)
        for action, name in frame.symbols.loads.values():
            if action == "resolve" and name is not None:
                self.environment.undeclared.add(name)


class _InspectingSandbox(Sandbox):
    """Looks at a template while it is compiled: reading it a second time would take twice as long."""

    code_generator_class = _InspectingGenerator

    def __init__(self) -> None:
        super().__init__(is_html=True)
        self.undeclared: set[str] = set()
        self.names: list[tuple[str, int]] = []
        self.attributes: list[tuple[str, int]] = []
        self.allows_no_view = False
        self.gate: list[tuple[str, int]] = []

    def _generate(self, source: nodes.Template, *args: Any, **kwargs: Any) -> Any:
        self.names = [(each.name, each.lineno) for each in source.find_all(nodes.Name)]
        self.allows_no_view = any(map(_allows_none, source.find_all((nodes.Filter, nodes.Test))))
        excused = {id(each.node) for each in source.find_all((nodes.Filter, nodes.Test)) if each.name in _EXCUSES}
        for dotted in source.find_all(nodes.Getattr):
            if _is_gate(dotted.node) and id(dotted) not in excused:
                self.gate.append((dotted.attr, dotted.lineno))
            if _is_contact(dotted.node):
                self.attributes.append((dotted.attr, dotted.lineno))
        for item in source.find_all(nodes.Getitem):
            if _is_contact(item.node) and isinstance(item.arg, nodes.Const) and isinstance(item.arg.value, str):
                self.attributes.append((item.arg.value, item.lineno))
        return super()._generate(source, *args, **kwargs)


def inspected(source: str) -> Inspection:
    """Everything that can be said about the template *source* before there is a contact."""
    sandbox = _InspectingSandbox()
    try:
        CompiledTemplate("template", source, is_html=True, sandbox=sandbox)
    except TemplateSyntaxProblem as problem:
        return Inspection(problems=[(problem.message, problem.line)])
    unknown = sorted(sandbox.undeclared - NAMES)
    lines = dict(reversed(sandbox.names))  # the first line of each
    return Inspection(
        unknown_names=[(name, lines.get(name, 1)) for name in unknown],
        attributes=sandbox.attributes,
        view_url=[line for name, line in sandbox.names if name == "view_url" and not sandbox.allows_no_view],
        gate=sandbox.gate,
    )


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


def _is_gate(node: nodes.Node) -> bool:
    return isinstance(node, nodes.Name) and node.name == "gate"


# What makes an undefined value one.
_EXCUSES: Final = frozenset({"default", "d", "defined", "undefined"})
