"""The text part that is made from HTML: what a person would type instead."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Final

from campaignctl.message.placeholders import Placeholders

_BLOCKS: Final = frozenset(
    {"p", "div", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "table", "blockquote", "hr", "pre", "section",
     "article", "header", "footer", "figure"}
)  # fmt: skip
_NEVER_SHOWN: Final = frozenset({"head", "style", "script", "title", "template"})
_VOID: Final = frozenset({"img", "br", "hr", "meta", "link", "input", "col", "wbr", "area", "base", "source"})
_NOT_DISPLAYED: Final = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_WHITE: Final = re.compile(r"[\s\xa0]+")
# Inside `pre`, spaces and line ends pass through the tidying as these.
_KEPT: Final = str.maketrans(" \n", "\ue000\ue001")
_GIVEN_BACK: Final = str.maketrans("\ue000\ue001", " \n")


class _TextWriter(HTMLParser):
    """Reads HTML and keeps what can be read."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._hidden: list[str] = []
        self._links: list[tuple[str, int]] = []
        self._lists: list[int | None] = []
        self._pre = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "body":
            self._hidden.clear()
        if self._hidden or tag in _NEVER_SHOWN or _NOT_DISPLAYED.search(values.get("style") or ""):
            if tag not in _VOID:
                self._hidden.append(tag)
            return
        if tag in ("ul", "ol"):
            self._start_list(None if tag == "ul" else 1)
        elif tag in _BLOCKS:
            self.pieces.append("\n\n")
            self._pre += tag == "pre"
        elif tag == "li":
            self.pieces.append(self._bullet())
        elif tag in ("br", "tr"):
            self.pieces.append("\n")
        elif tag in ("td", "th"):
            self.pieces.append(" ")
        elif tag == "img" and values.get("alt"):
            self.pieces.append(str(values["alt"]))
        elif tag == "a":
            self._links.append((values.get("href") or "", len(self.pieces)))

    def handle_endtag(self, tag: str) -> None:
        if self._hidden:
            if tag in self._hidden:
                del self._hidden[len(self._hidden) - 1 - self._hidden[::-1].index(tag) :]
        elif tag in ("ul", "ol") and self._lists:
            self._lists.pop()
            self.pieces.append("\n" if self._lists else "\n\n")
        elif tag in _BLOCKS:
            self._pre = max(0, self._pre - (tag == "pre"))
            self.pieces.append("\n\n")
        elif tag == "a" and self._links:
            url, start = self._links.pop()
            shown = "".join(self.pieces[start:]).strip()
            if url and shown not in (url, url.removeprefix("mailto:")) and not url.startswith("#"):
                self.pieces.append(f" ({url})" if shown else url)

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.pieces.append(data.translate(_KEPT) if self._pre else _WHITE.sub(" ", data))

    def _start_list(self, first: int | None) -> None:
        self.pieces.append("\n" if self._lists else "\n\n")
        self._lists.append(first)

    def _bullet(self) -> str:
        """What begins an item, as far in as its list is."""
        # Spaces at the start of a line would be tidied away.
        inwards = "\ue000\ue000" * (len(self._lists) - 1)
        number = self._lists[-1] if self._lists else None
        if number is None:
            return f"\n{inwards}- "
        self._lists[-1] = number + 1
        return f"\n{inwards}{number}. "


def text_from(html: str) -> str:
    """
    The text part of an HTML template: blocks apart, links with their addresses, template parts untouched.

    >>> text_from('<h1>Hello</h1><p>See <a href="https://shop.example">our shop</a></p>')
    'Hello\\n\\nSee our shop (https://shop.example)\\n'
    """
    parts = Placeholders()
    writer = _TextWriter()
    writer.feed(parts.hidden(html))
    writer.close()
    text = re.sub(r" *\n *", "\n", re.sub(r" {2,}", " ", "".join(writer.pieces)))
    text = re.sub(r"\n{3,}", "\n\n", text).strip()
    return parts.shown(text.translate(_GIVEN_BACK)) + "\n"
