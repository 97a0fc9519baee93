"""Links that count: found in the templates of a message once, and replaced by short ones that are each contact's."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape, unescape
from typing import Final

from campaignctl.message.body import Bodies
from campaignctl.message.links import MOST_LINKS
from campaignctl.message.placeholders import Placeholders

# A link that nobody sees: whoever follows it follows every link there is.
HIDDEN: Final = 0

_OF_LINK: Final = re.compile(r"""\{\{(-?)\s*link\(\s*(?:"([^"\\]*)"|'([^'\\]*)')\s*\)\s*(-?)\}\}""")
_TAG: Final = re.compile(r"""<([a-zA-Z][\w:-]*)((?:[^<>"']|"[^"]*"|'[^']*')*)>""")
_HREF: Final = re.compile(r"""(\shref\s*=\s*)(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_NO_LINKS: Final = frozenset({"link", "base"})  # their `href` is nothing to follow
_IN_TEXT: Final = re.compile(r"https?://[^\s<>\"`]+", re.IGNORECASE)
_AFTER_URL: Final = ".,;:!?'*_"
_WORD: Final = re.compile(r"zqx\d+xqz")
_BODY_END: Final = re.compile(r"</body\s*>(?!.*</body\s*>)", re.IGNORECASE | re.DOTALL)
_HIDDEN_LINK: Final = (
    '<a href="{url}" style="display:none" rel="nofollow" aria-hidden="true" tabindex="-1"></a>'  # no text to read out
)
_IMAGE: Final = '<img src="{url}" width="1" height="1" alt="" style="display:block;width:1px;height:1px;border:0">'


@dataclass
class Links:
    """
    The addresses that a message leads to, numbered from 1 in the order found.

    `own` are those that have a part of each contact's own: they stay as they
    are, and are not counted.
    """

    urls: list[str] = field(default_factory=list)
    own: list[str] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)

    def number_of(self, url: str) -> int | None:
        """The number of an address; None where it is not counted."""
        if url not in self._numbers and len(self.urls) < MOST_LINKS:
            self.urls.append(url)
            self._numbers[url] = len(self.urls)
        return self._numbers.get(url)

    def numbered(self) -> dict[int, str]:
        """Where each number leads; the hidden link leads where the first one does."""
        found = dict(enumerate(self.urls, 1))
        return {HIDDEN: self.urls[0], **found} if found else {}


def name_of(number: int) -> str:
    """
    The name under which templates find the token of a link.

    >>> name_of(3)
    '_click_3'
    """
    return f"_click_{number}"


OPEN_NAME: Final = "_open"


def with_counted_links(bodies: Bodies, start: str) -> tuple[Bodies, Links]:
    """
    Templates whose links lead to *start* and a token, and where they led before.

    Only addresses that are the same for every contact are counted. Whatever
    makes them from the same templates gives them the same numbers.
    """
    links = Links()
    html = _html(bodies.html, start, links) if bodies.html else ""
    text = _text(bodies.text, start, links)
    if html and links.urls:
        html = _before_end(html, _HIDDEN_LINK.format(url=_counted(start, HIDDEN, is_html=True)))
    return Bodies(html, text), links


def with_image(bodies: Bodies, start: str) -> Bodies:
    """Templates with the hidden image, where they have an HTML part."""
    if not bodies.html:
        return bodies
    url = f"{escape(start)}{{{{ {OPEN_NAME} }}}}"
    return Bodies(_before_end(bodies.html, _IMAGE.format(url=url)), bodies.text)


def _html(source: str, start: str, links: Links) -> str:
    parts = Placeholders()
    hidden = parts.hidden(_with_link_calls(source, start, links, is_html=True))

    def tag(found: re.Match[str]) -> str:
        if found[1].lower() in _NO_LINKS:
            return found[0]
        return f"<{found[1]}{_HREF.sub(href, found[2])}>"

    def href(found: re.Match[str]) -> str:
        value = next(each for each in found.groups()[1:] if each is not None).strip()
        if not _is_web(value):
            return found[0]
        if _WORD.search(value):
            links.own.append(unescape(parts.shown(value)))
            return found[0]
        number = links.number_of(unescape(value))
        return found[0] if number is None else f'{found[1]}"{_counted(start, number, is_html=True)}"'

    return parts.shown(_TAG.sub(tag, hidden))


def _text(source: str, start: str, links: Links) -> str:
    parts = Placeholders()
    hidden = parts.hidden(_with_link_calls(source, start, links, is_html=False))

    def url(found: re.Match[str]) -> str:
        whole = found[0]
        if _WORD.search(whole):
            if not whole.startswith(start):
                links.own.append(parts.shown(whole))
            return whole
        kept = whole.rstrip(_AFTER_URL)
        # A bracket that the address does not open belongs to the sentence.
        while kept.endswith((")", "]")) and kept.count(")]"[kept[-1] == "]"]) > kept.count("(["[kept[-1] == "]"]):
            kept = kept[:-1].rstrip(_AFTER_URL)
        number = links.number_of(kept)
        return whole if number is None else _counted(start, number, is_html=False) + whole[len(kept) :]

    return parts.shown(_IN_TEXT.sub(url, hidden))


def _with_link_calls(source: str, start: str, links: Links, *, is_html: bool) -> str:
    """*source* with short links for every `{{ link('…') }}` that names its address."""

    def call(found: re.Match[str]) -> str:
        url = found[2] or found[3] or ""
        number = links.number_of(url) if _is_web(url) else None
        if number is None:
            return found[0]
        before, after = (found[1] and "{{- '' }}"), (found[4] and "{{ '' -}}")
        return f"{before}{_counted(start, number, is_html=is_html)}{after}"

    return _OF_LINK.sub(call, source)


def _counted(start: str, number: int, *, is_html: bool) -> str:
    return f"{escape(start) if is_html else start}{{{{ {name_of(number)} }}}}"


def _is_web(url: str) -> bool:
    return url.lower().startswith(("https://", "http://"))


def _before_end(html: str, addition: str) -> str:
    found = _BODY_END.search(html)
    return html + addition if found is None else f"{html[: found.start()]}{addition}{html[found.start() :]}"
