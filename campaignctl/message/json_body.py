"""Bodies of requests: templates of JSON, whose values cannot become anything but values."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

from markupsafe import Markup

from campaignctl.message.filters import LimitError
from campaignctl.message.sandbox import CompiledTemplate, RenderError, Sandbox


class JsonSandbox(Sandbox):
    """
    Writes every value as JSON: text as what stands between quotes, everything else as it is.

    `{"name": "{{ contact.name }}", "visits": {{ contact.visits }}}` needs no
    filter; `tojson` writes a whole value, quotes included.
    """

    def __init__(self) -> None:
        super().__init__(is_html=False)
        self.finalize = _as_json
        self.plain_filters |= {"tojson": _whole}
        self.filters["tojson"] = self._paid("tojson", _whole)


class JsonTemplate:
    """The template of a request's body."""

    def __init__(self, name: str, source: str) -> None:
        """
        Raises:
            TemplateSyntaxProblem: the template cannot be read.
        """
        self._template = CompiledTemplate(name, source, is_html=False, sandbox=JsonSandbox())

    def render(self, names: dict[str, Any]) -> bytes:
        """
        The body, which is JSON.

        Raises:
            RenderError: the template cannot be filled in, or what comes out is no JSON.
        """
        text = self._template.render(names)
        try:
            return json.dumps(json.loads(text, parse_constant=_no_number), ensure_ascii=False).encode()
        except ValueError as failure:
            raise RenderError(f"{self._template.name}: what comes out is no JSON") from failure


def plain_json(value: object) -> Any:
    """*value* as JSON knows it: dates and instants become text."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value


def _as_json(value: Any) -> Any:
    if isinstance(value, Markup):
        return value
    value = plain_json(value)
    if isinstance(value, str):
        return _escaped(value)[1:-1]
    return _escaped(value)


def _whole(value: Any) -> Markup:
    """`tojson`: the value with its quotes."""
    return Markup(_escaped(plain_json(value)))  # noqa: S704 # it is JSON, and goes into JSON


def _escaped(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=_refused, allow_nan=False)
    except (ValueError, RecursionError) as failure:
        raise LimitError("a value cannot be written as JSON") from failure


def _refused(value: object) -> Any:
    found = plain_json(value)
    if found is value:
        str(value)  # an undefined value says what is missing
        raise LimitError("a value cannot be written as JSON")
    return found


def _no_number(word: str) -> Any:
    raise ValueError(word)
