"""Bodies of requests that carry text messages, by a template of the project: its values stay values in any form."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, Literal
from urllib.parse import quote_plus

from jinja2 import meta

from campaignctl.message.json_body import JsonTemplate
from campaignctl.message.sandbox import CompiledTemplate, Sandbox

ContentType = Literal["application/json", "application/x-www-form-urlencoded", "application/xml", "text/xml"]

# What templates know, with what is filled in to see whether they can be filled in.
SAMPLE: Final[Mapping[str, Any]] = {
    "from": "Shop", "to": "+33612345678", "text": "\"Hi\" & <bye>\n", "parts": 1, "campaign": "sale", "step": "text",
    "contact": "c-1",
}  # fmt: skip


class FormSandbox(Sandbox):
    """Writes every value as one of a form: `to={{ to }}&text={{ text }}` needs no filter."""

    def __init__(self) -> None:
        super().__init__(is_html=False)
        write = self.finalize
        assert write is not None, "a sandbox says what can be written"
        self.finalize = lambda value: quote_plus(str(write(value)))


class TextRequestTemplate:
    """The template of the requests to a provider."""

    def __init__(self, source: str, content_type: ContentType) -> None:
        """
        Raises:
            TemplateSyntaxProblem: the template cannot be read.
        """
        self._json: JsonTemplate | None = None
        if content_type == "application/json":
            self._json = JsonTemplate("request", source)
        elif content_type == "application/x-www-form-urlencoded":
            self._text = CompiledTemplate("request", source, is_html=False, sandbox=FormSandbox())
        else:
            self._text = CompiledTemplate("request", source, is_html=True)

    def body(self, values: Mapping[str, Any]) -> str:
        """
        The body for one message.

        Raises:
            RenderError: the template cannot be filled in, or what should be JSON is none.
        """
        names = dict(values)
        return self._text.render(names) if self._json is None else self._json.render(names).decode()


def unknown_names(source: str) -> Collection[str]:
    """The names in a template that can be read, and that nothing is known by."""
    return sorted(meta.find_undeclared_variables(Sandbox(is_html=False).parse(source)) - set(SAMPLE))
