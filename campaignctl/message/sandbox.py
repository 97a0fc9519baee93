"""Templates: Jinja2 in a sandbox that cannot be left, and cannot be made to work for ever."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from typing import Any, Final

from jinja2 import StrictUndefined, Template, TemplateError, nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

LARGEST_SOURCE: Final = 256 * 1024
LARGEST_OUTPUT: Final = 1024 * 1024
MOST_STEPS: Final = 100_000  # iterations of loops in one rendering
_LARGEST_NUMBER: Final = 10**18

FILTERS: Final = (
    "abs", "capitalize", "default", "d", "e", "escape", "first", "float", "forceescape", "int", "join", "last",
    "length", "count", "list", "lower", "max", "min", "replace", "reverse", "round", "select", "reject", "sort",
    "string", "striptags", "sum", "title", "trim", "truncate", "unique", "upper", "urlencode", "wordcount",
)  # fmt: skip
TESTS: Final = (
    "boolean", "defined", "divisibleby", "eq", "equalto", "even", "false", "float", "ge", "gt", "in", "integer",
    "le", "lower", "lt", "mapping", "ne", "none", "number", "odd", "sequence", "string", "true", "undefined", "upper",
)  # fmt: skip
_METHODS: Final = frozenset(
    {"upper", "lower", "title", "capitalize", "strip", "lstrip", "rstrip", "startswith", "endswith", "split",
     "get", "items", "keys", "values", "isoformat", "weekday", "date"}
)  # fmt: skip


_REFUSED: Final[Mapping[type[nodes.Node], str]] = {
    nodes.Include: "include", nodes.Import: "import", nodes.FromImport: "from", nodes.Extends: "extends",
    nodes.Macro: "macro", nodes.CallBlock: "call", nodes.Block: "block", nodes.FilterBlock: "filter",
}  # fmt: skip

# What templates run into by what they do with values.
_FAILURES = (ArithmeticError, TypeError, ValueError, LookupError, AttributeError, RecursionError)


class RenderError(Exception):
    """A template cannot be filled in for a contact. The sentence is for people."""


class TemplateSyntaxProblem(Exception):
    """A template cannot be read: sentence and line."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class _LimitError(SecurityError):
    """A template asks for more than a message can need."""


class Sandbox(ImmutableSandboxedEnvironment):
    """An environment whose templates read plain values and write text, in bounded time and memory."""

    intercepted_binops = frozenset({"*", "**", "+", "%"})

    def __init__(self, *, is_html: bool) -> None:
        super().__init__(undefined=StrictUndefined, autoescape=is_html, keep_trailing_newline=True, optimized=False)
        self.globals = {}
        self.filters = {name: self.filters[name] for name in FILTERS}
        self.tests = {name: self.tests[name] for name in TESTS}
        self.filters |= {"default": _default, "d": _default, "date": _date, "replace": _replace, "join": _join}
        self._steps_left = 0

    def budgeted(self) -> None:
        """A new rendering begins."""
        self._steps_left = MOST_STEPS

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if callable(value):
            return attr in _METHODS and isinstance(obj, str | dict | date | datetime)
        return isinstance(obj, Mapping | date | datetime) and not attr.startswith("_")

    def wrap_str_format(self, value: Any) -> Any:  # noqa: ARG002 # the signature is the library's
        """`format` is no method of texts here: a width in its pattern could fill the memory."""
        return None

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        for value in (left, right):
            if isinstance(value, int | float) and abs(value) > _LARGEST_NUMBER:
                raise _LimitError("a number is too large")
        if operator == "**" and (not isinstance(right, int | float) or abs(right) > 64):
            raise _LimitError("a power is too large")
        if operator in ("*", "%") and not (isinstance(left, int | float) and isinstance(right, int | float)):
            raise _LimitError(f"`{operator}` works on numbers only")
        return _bounded(super().call_binop(context, operator, left, right))

    def call(self, context: Any, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        self.spend()
        return _bounded(super().call(context, obj, *args, **kwargs))

    def spend(self) -> None:
        self._steps_left -= 1
        if self._steps_left < 0:
            raise _LimitError("the template loops too often")

    def counted(self, items: Iterable[Any]) -> Iterator[Any]:
        """*items*, each of which costs one step."""
        if isinstance(items, Undefined):
            str(items)  # says what is missing
        for item in items:
            self.spend()
            yield item

    def _generate(self, source: nodes.Template, *args: Any, **kwargs: Any) -> Any:
        for found in source.find_all(tuple(_REFUSED)):
            raise TemplateSyntaxProblem(f"`{{% {_REFUSED[type(found)]} %}}` is not part of templates", found.lineno)
        for loop in list(source.find_all(nodes.For)):
            if loop.recursive:
                raise TemplateSyntaxProblem("a recursive loop is not part of templates", loop.lineno)
            loop.iter = nodes.Filter(loop.iter, "counted", [], [], None, None, lineno=loop.lineno)
        for joined in list(source.find_all(nodes.Concat)):
            joined.nodes = [
                nodes.Filter(part, "bounded", [], [], None, None, lineno=joined.lineno) for part in joined.nodes
            ]
        self.filters |= {"counted": self.counted, "bounded": _bounded}
        return super()._generate(source, *args, **kwargs)


def _bounded(value: Any) -> Any:
    if isinstance(value, str | list | tuple) and len(value) > LARGEST_OUTPUT // 64:
        raise _LimitError("a text is too long")
    return value


def _default(value: Any, otherwise: Any = "", also_empty: bool = False) -> Any:
    """What is missing, or has no value, becomes *otherwise*."""
    is_missing = isinstance(value, Undefined) or value is None
    return otherwise if is_missing or (also_empty and not value) else value


def _date(value: Any, form: str = "%Y-%m-%d") -> str:
    """A date or instant, written as strftime says."""
    if not isinstance(value, date):
        raise _LimitError("`date` formats dates and instants only")
    return str(value.strftime(str(form)[:100]))


def _replace(text: Any, old: str, new: str) -> str:
    text = str(text)
    if old and text.count(str(old)) * len(str(new)) > LARGEST_OUTPUT // 64:
        raise _LimitError("a text is too long")
    replaced: str = text.replace(str(old), str(new))
    return replaced


def _join(items: Iterable[Any], between: str = "") -> str:
    return str(_bounded(str(_bounded(between)).join(str(_bounded(item)) for item in items)))


class CompiledTemplate:
    """One template, read once and filled in many times."""

    def __init__(self, name: str, source: str, *, is_html: bool, sandbox: Sandbox | None = None) -> None:
        """
        Read the template, in a *sandbox* of its own unless one is given.

        Raises:
            TemplateSyntaxProblem: it cannot be read.
        """
        self.name = name
        self._sandbox = sandbox or Sandbox(is_html=is_html)
        if len(source) > LARGEST_SOURCE:
            raise TemplateSyntaxProblem("the template is larger than 256 KiB", 1)
        self._literal = source if "{" not in source else None
        try:
            self._template: Template | None = None if self._literal is not None else self._sandbox.from_string(source)
        except TemplateSyntaxProblem:
            raise
        except TemplateError as failure:
            line = getattr(failure, "lineno", None) or 1
            raise TemplateSyntaxProblem(_syntax_sentence(str(failure.message)), line) from failure
        except RecursionError as failure:
            raise TemplateSyntaxProblem("the template is nested too deeply", 1) from failure

    def render(self, names: Mapping[str, Any]) -> str:
        """
        The template filled in.

        Raises:
            RenderError: a value is missing, or the template asks for too much.
        """
        if self._template is None:
            return self._literal or ""
        self._sandbox.budgeted()
        pieces, size = [], 0
        try:
            for piece in self._template.generate(names):
                size += len(piece)
                if size > LARGEST_OUTPUT:
                    raise _LimitError("the text becomes longer than 1 MiB")
                pieces.append(piece)
        except (TemplateError, *_FAILURES) as failure:
            raise RenderError(f"{self.name}: {_sentence(failure)}") from failure
        return "".join(pieces)


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


def _syntax_sentence(said: str) -> str:
    """What the library says about a template that it cannot read, in our words."""
    for pattern, sentence in _SYNTAX:
        if found := re.search(pattern, said):
            return sentence.format(*found.groups())
    return "this is no template that can be read"


def _sentence(failure: Exception) -> str:
    """What went wrong, in our words where the library has none that a user knows."""
    text = str(getattr(failure, "message", None) or failure).splitlines()
    said = text[0].replace("'", "`") if text else "it cannot be filled in"
    if "has no attribute" in said:
        return f"`{said.rsplit('`', 2)[-2]}` has no value; `default` gives one" if said.count("`") >= 2 else said
    if "NoneType" in said:
        return "a value is missing; `default` gives one"
    return said


def contact_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """The contact as templates see it: attributes without a value are left out, so that they are undefined."""
    return {name: value for name, value in values.items() if value is not None}


def safe_link(url: str) -> str:
    """`link(url)`: a web address or mailto, as it is."""
    if not str(url).startswith(("https://", "http://", "mailto:")):
        raise _LimitError("`link` takes an address that begins with `https://`")
    return url if isinstance(url, Markup) else str(url)
