"""Bodies: HTML from Markdown, MJML or HTML, and a text part always. Converted once; filled in for each contact."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Final

from campaignctl.message.content import Body
from campaignctl.message.metering import TemplateSyntaxProblem

# Expressions and blocks of a template pass through the converters as words
# that no converter changes, and no author writes.
_TEMPLATE_PART = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_TOKEN = re.compile(r"zqx(\d+)xqz")
_ALONE: Final = re.compile(r"<p>\s*((?:zqx\d+xqz\s*)+)</p>")


@dataclass(frozen=True)
class Bodies:
    """The templates of a message's parts; `html` is empty for a message that is text alone."""

    html: str
    text: str


def bodies_of(given: tuple[Body, ...], preheader: str = "") -> Bodies:
    """
    The two templates of a message.

    Raises:
        TemplateSyntaxProblem: MJML that cannot be read.
    """
    rich = next((body for body in given if body.format != "txt"), None)
    plain = next((body for body in given if body.format == "txt"), None)
    html = "" if rich is None else _html(rich, preheader)
    if plain is not None:
        return Bodies(html, plain.source)
    return Bodies(html, "" if rich is None else text_from(_fragment(rich)))


def _html(body: Body, preheader: str) -> str:
    import css_inline

    document = _fragment(body)
    if "<html" not in document.lower():
        document = _DOCUMENT.format(body=document)
    if preheader:
        document = re.sub(
            r"(<body[^>]*>)", lambda found: found[1] + _PREHEADER.format(text=preheader), document, count=1
        )
    parts = _Parts()
    inlined = css_inline.CSSInliner(load_remote_stylesheets=False).inline(parts.hidden(document))
    return parts.shown(inlined)


_DOCUMENT: Final = (
    '<!DOCTYPE html><html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    '</head><body style="font-family: sans-serif; line-height: 1.5">{body}</body></html>'
)
_PREHEADER: Final = '<div style="display:none;max-height:0;overflow:hidden">{text}</div>'


def _fragment(body: Body) -> str:
    """The HTML of a body, its template parts in place."""
    if body.format == "html":
        return body.source
    parts = _Parts()
    hidden = parts.hidden(body.source)
    if body.format == "md":
        from markdown_it import MarkdownIt

        return parts.shown(_ALONE.sub(r"\1", MarkdownIt("commonmark", {"html": True}).enable("table").render(hidden)))
    import mrml

    try:
        rendered = mrml.to_html(hidden)
    except OSError as failure:
        raise TemplateSyntaxProblem("this is not MJML", 1) from failure
    except Exception as failure:
        if type(failure).__module__ not in ("builtins", "mrml"):
            raise
        raise TemplateSyntaxProblem("this is not MJML", 1) from failure
    return parts.shown(rendered if isinstance(rendered, str) else rendered.content)


class _Parts:
    """The template parts of a text, taken out and put back."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def hidden(self, text: str) -> str:
        def hide(found: re.Match[str]) -> str:
            self._parts.append(found[0])
            return f"zqx{len(self._parts) - 1}xqz"

        return _TEMPLATE_PART.sub(hide, text)

    def shown(self, text: str) -> str:
        return _TOKEN.sub(lambda found: self._parts[int(found[1])], text)


class _TextWriter(HTMLParser):
    """Reads HTML and writes what a person would type instead."""

    _BLOCKS = frozenset({"p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "tr", "blockquote", "hr"})
    _HIDDEN = frozenset({"head", "style", "script", "title"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._hidden = 0
        self._links: list[tuple[str, int]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in self._HIDDEN:
            self._hidden += 1
        elif tag == "br":
            self.pieces.append("\n")
        elif tag == "li":
            self.pieces.append("\n- ")
        elif tag in self._BLOCKS:
            self.pieces.append("\n\n")
        elif tag in ("td", "th"):
            self.pieces.append(" ")
        elif tag == "img" and values.get("alt"):
            self.pieces.append(str(values["alt"]))
        elif tag == "a":
            self._links.append((values.get("href") or "", len(self.pieces)))

    def handle_endtag(self, tag: str) -> None:
        if tag in self._HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        elif tag in self._BLOCKS:
            self.pieces.append("\n\n")
        elif tag == "a" and self._links:
            url, start = self._links.pop()
            if url and url != "".join(self.pieces[start:]).strip():
                self.pieces.append(f" ({url})")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.pieces.append(re.sub(r"\s+", " ", data))


def text_from(html: str) -> str:
    """
    The text part of an HTML template: blocks apart, links with their addresses, template parts untouched.

    >>> text_from('<h1>Hello</h1><p>See <a href="https://shop.example">our shop</a></p>')
    'Hello\\n\\nSee our shop (https://shop.example)\\n'
    """
    parts = _Parts()
    writer = _TextWriter()
    writer.feed(parts.hidden(html))
    writer.close()
    lines = "".join(writer.pieces)
    lines = re.sub(r" *\n *", "\n", lines)
    return parts.shown(re.sub(r"\n{3,}", "\n\n", lines).strip()) + "\n"
