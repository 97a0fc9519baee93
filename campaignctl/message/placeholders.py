"""Template parts of a text, on their way through what knows nothing of templates."""

from __future__ import annotations

import re
from typing import Final

# Expressions and blocks pass through converters as words that none of them
# changes, and no author writes.
_PART: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_WORD: Final = re.compile(r"<!--zqx(\d+)xqz-->|zqx(\d+)xqz")
_TAG_OR_WORD: Final = re.compile(r"<(?:[^<>\"']|\"[^\"]*\"|'[^']*')*>|(?P<word>zqx(?P<number>\d+)xqz)")


class Placeholders:
    """The template parts of one text, taken out and put back."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def hidden(self, text: str) -> str:
        """*text* with a word for each template part."""

        def hide(found: re.Match[str]) -> str:
            self._parts.append(found[0])
            return f"zqx{len(self._parts) - 1}xqz"

        return _PART.sub(hide, text)

    def hidden_in_html(self, html: str) -> str:
        """
        *html* with a word for each template part; a comment for a block between tags.

        A parser moves text that stands between the rows of a table, and lets a
        comment stay.
        """

        def hide(found: re.Match[str]) -> str:
            is_block = found["word"] is not None and not self._part(found["number"]).startswith("{{")
            return f"<!--{found[0]}-->" if is_block else found[0]

        return _TAG_OR_WORD.sub(hide, self.hidden(html))

    def shown(self, text: str) -> str:
        """*text* with its template parts again."""
        return _WORD.sub(lambda found: self._part(found[1] or found[2]) or found[0], text)

    def _part(self, number: str) -> str:
        return self._parts[int(number)] if int(number) < len(self._parts) else ""
