"""Templates: Jinja2 in a sandbox that cannot be left, and cannot be made to work for ever."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Any, Final, cast

from jinja2 import StrictUndefined, Template, TemplateError, nodes
from jinja2.runtime import Context, LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from campaignctl.message.filters import FILTERS, LARGEST_OUTPUT, OURS, TESTS, LimitError, bounded, cost_of, weight
from campaignctl.message.metering import Meter, TemplateSyntaxProblem, syntax_sentence

LARGEST_SOURCE: Final = 256 * 1024
MOST_STEPS: Final = 100_000  # of work in one rendering; one is about as much as one iteration of a loop
_LARGEST_NUMBER: Final = 10**18
_PIECES_AT_ONCE: Final = 32

_METHODS: Final = frozenset(
    {"upper", "lower", "title", "capitalize", "strip", "lstrip", "rstrip", "startswith", "endswith", "split",
     "get", "items", "keys", "values", "isoformat", "weekday", "date"}
)  # fmt: skip
_OF_LOOPS: Final = frozenset({"index", "index0", "first", "last"})
_PLAIN: Final = (str, int, float, bool, type(None), date, time, timedelta, list, tuple, Mapping, Undefined)
_OFTEN: Final = frozenset({str, int, float, bool, Markup})
# What templates run into by what they do with values.
FAILURES: Final = (ArithmeticError, TypeError, ValueError, LookupError, AttributeError, RecursionError, MemoryError)


class RenderError(Exception):
    """
    A message cannot be made for a contact. The sentence is for people.

    The reason is a word of the contract: `render_error` where a template
    cannot be filled in.
    """

    reason: str = "render_error"


class Sandbox(ImmutableSandboxedEnvironment):
    """
    An environment whose templates read plain values and write text, in bounded time and memory.

    Work is counted in steps: by filters, tests, calls, comparisons and loops,
    each by the size of what it works on. Nothing depends on the clock.
    """

    intercepted_binops = frozenset({"*", "**", "+", "%"})

    def __init__(self, *, is_html: bool) -> None:
        super().__init__(
            undefined=StrictUndefined, autoescape=is_html, keep_trailing_newline=True, optimized=False,
            finalize=_written,
        )  # fmt: skip
        self.globals = {}
        self.plain_filters: dict[str, Callable[..., Any]] = {
            **{name: self.filters[name] for name in FILTERS}, **OURS,
        }  # fmt: skip
        self.filters = {name: self._paid(name, each) for name, each in self.plain_filters.items()}
        self.filters |= {"_counted": self.counted, "_bounded": bounded, "_paid": self._paid_operand}
        self.tests = {
            name: self._paid(name, cast("Callable[..., Any]", each))
            for name, each in self.tests.items()
            if name in TESTS
        }
        self._steps_left = 0

    def budgeted(self) -> None:
        """A new rendering begins."""
        self._steps_left = MOST_STEPS

    def spend(self, steps: int = 1) -> None:
        self._steps_left -= steps
        if self._steps_left < 0:
            raise LimitError("the template works too long")

    def counted(self, items: Iterable[Any], each: int = 1) -> Iterator[Any]:
        """*items*, for each of which so many steps are spent."""
        if isinstance(items, Undefined):
            str(items)  # says what is missing
        for item in items:
            self.spend(each)
            yield item

    def getattr(self, obj: Any, attribute: str) -> Any:
        # An attribute of a contact may be called `items`.
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if callable(value):
            return attr in _METHODS and isinstance(obj, str | dict | date | datetime)
        if isinstance(obj, LoopContext):
            return attr in _OF_LOOPS
        return isinstance(obj, Mapping | date | datetime) and not attr.startswith("_")

    def wrap_str_format(self, value: Any) -> Any:  # noqa: ARG002 # the signature is the library's
        """`format` is no method of texts here: a width in its pattern could fill the memory."""
        return None

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        for value in (left, right):
            if isinstance(value, int | float) and abs(value) > _LARGEST_NUMBER:
                raise LimitError("a number is too large")
        if operator == "**" and (not isinstance(right, int | float) or abs(right) > 64):
            raise LimitError("a power is too large")
        if operator in ("*", "%") and not (isinstance(left, int | float) and isinstance(right, int | float)):
            raise LimitError(f"`{operator}` works on numbers only")
        self.spend(1 + weight(left) + weight(right))
        return bounded(super().call_binop(context, operator, left, right))

    def call(self, context: Any, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        self.spend(1 + weight(getattr(obj, "__self__", None)))
        return bounded(super().call(context, obj, *args, **kwargs))

    def _paid(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The filter or test *name*, which first spends what it costs."""
        place = 1 if hasattr(function, "jinja_pass_arg") else 0

        @functools.wraps(function)
        def paid(*args: Any, **kwargs: Any) -> Any:
            value = args[place]
            self.spend(cost_of(name, value))
            if isinstance(value, Iterator):
                args = (*args[:place], self.counted(value), *args[place + 1 :])
            result = function(*args, **kwargs)
            return bounded(result) if isinstance(result, list) else result

        return paid

    def _paid_operand(self, value: Any) -> Any:
        self.spend(1 + weight(value))
        return value

    def _generate(self, source: nodes.Template, *args: Any, **kwargs: Any) -> Any:
        return super()._generate(Meter().visit(source), *args, **kwargs)


def _written(value: Any) -> Any:
    """What an expression gives, where it can be written: anything else would show where it is in memory."""
    if type(value) in _OFTEN:
        return value
    if not isinstance(value, _PLAIN):
        raise LimitError("a function or an unfinished list cannot be written")
    return bounded(value) if isinstance(value, list | tuple | Mapping) else value


class CompiledTemplate:
    """One template, read once and filled in many times."""

    def __init__(self, name: str, source: str, *, is_html: bool, sandbox: Sandbox | None = None) -> None:
        """
        Read the template, in a *sandbox* of its own unless one is given.

        Raises:
            TemplateSyntaxProblem: it cannot be read.
        """
        self.name = name
        self.source = source
        self.is_html = is_html
        self.sandbox = sandbox or Sandbox(is_html=is_html)
        if len(source) > LARGEST_SOURCE:
            raise TemplateSyntaxProblem("the template is larger than 256 KiB", 1)
        self._template: Template | None = None
        if "{" not in source:
            return
        try:
            self._template = self.sandbox.from_string(source)
        except TemplateSyntaxProblem:
            raise
        except TemplateError as failure:
            line = getattr(failure, "lineno", None) or 1
            raise TemplateSyntaxProblem(syntax_sentence(str(failure.message)), line) from failure
        except ValueError as failure:
            raise TemplateSyntaxProblem("a number is too large", 1) from failure
        except (RecursionError, MemoryError, SyntaxError) as failure:
            # The library writes Python, which has its own idea of too deep.
            raise TemplateSyntaxProblem("the template is nested too deeply", 1) from failure

    @property
    def is_constant(self) -> bool:
        return self._template is None

    def render(self, names: dict[str, Any]) -> str:
        """
        The template filled in.

        Raises:
            RenderError: a value is missing, or the template asks for too much.
        """
        if self._template is None:
            return self.source
        self.sandbox.budgeted()
        pieces: list[str] = []
        size = 0
        try:
            given = self._template.root_render_func(
                Context(self.sandbox, names, self._template.name, self._template.blocks)
            )
            while batch := list(islice(given, _PIECES_AT_ONCE)):
                size += sum(map(len, batch))
                if size > LARGEST_OUTPUT:
                    raise LimitError("the text becomes longer than 1 MiB")
                pieces += batch
        except (TemplateError, *FAILURES) as failure:
            raise RenderError(f"{self.name}: {sentence(failure)}") from failure
        return "".join(pieces)


def sentence(failure: Exception) -> str:
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
        raise LimitError("`link` takes an address that begins with `https://`")
    return url if isinstance(url, Markup) else str(url)
