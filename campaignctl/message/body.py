"""Bodies: HTML from Markdown, MJML or HTML, and a text part always. Converted once; filled in for each contact."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import Final

from campaignctl.message.content import Body
from campaignctl.message.metering import TemplateSyntaxProblem
from campaignctl.message.placeholders import Placeholders
from campaignctl.message.plain import text_from

_ALONE: Final = re.compile(r"<p>\s*((?:zqx\d+xqz\s*)+)</p>")
_BODY_TAG: Final = re.compile(r"<body(?:[^>\"]|\"[^\"]*\")*>")
_DOCUMENT: Final = (
    '<!DOCTYPE html><html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    '</head><body style="font-family: sans-serif; line-height: 1.5">{body}</body></html>'
)
_PREHEADER: Final = '<div style="display:none;max-height:0;overflow:hidden">{text}</div>'


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
    fragment = "" if rich is None else _fragment(rich)
    html = "" if rich is None else _document(fragment, preheader)
    return Bodies(html, plain.source if plain is not None else text_from(fragment) if fragment else "")


def _document(fragment: str, preheader: str) -> str:
    """The whole HTML part: styles beside the tags, but for what only a style sheet can say."""
    import css_inline

    document = fragment if "<html" in fragment.lower() else _DOCUMENT.format(body=fragment)
    parts = Placeholders()
    inliner = css_inline.CSSInliner(load_remote_stylesheets=False, keep_style_tags=True, remove_inlined_selectors=True)
    inlined = inliner.inline(parts.hidden_in_html(document))
    if preheader:
        line = _PREHEADER.format(text=escape(parts.hidden(preheader), quote=False))
        inlined = _BODY_TAG.sub(lambda found: found[0] + line, inlined, count=1)
    return parts.shown(inlined)


def _fragment(body: Body) -> str:
    """The HTML of a body, its template parts in place."""
    if body.format == "html":
        return body.source
    parts = Placeholders()
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
