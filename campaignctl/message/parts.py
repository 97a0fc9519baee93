"""Text parts of a message: what never changes is encoded once, and values are put between."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from markupsafe import escape

from campaignctl.message.sandbox import CompiledTemplate
from campaignctl.message.skeleton import Known, Skeleton, UnusualError, skeleton_of
from campaignctl.message.transfer import (
    NO_LINES,
    best_encoding,
    encoded_text,
    long_lines,
    one_kind_of_line_end,
    quoted_piece,
    quoted_printable,
)

_EMPTY_LINES: Final = re.compile(r"\n(?:[ \t]*\n){2,}")
# Short ASCII without what HTML or quoted-printable would write in another way.
_AS_IT_IS: Final = re.compile(r"[!#-%(-;?-~](?:[ !#-%(-;?-~]{0,70}[!#-%(-;?-~])?").fullmatch
_MAKES_LINES: Final = re.compile("[\0\n\r\x0b\x0c\x85\u2028\u2029]").search
_SLOT: Final = "\0"  # never part of a text

Names = Callable[[], dict[str, Any]]


class TextPart:
    """
    The plain or HTML text of a message, for any contact.

    What is known of the contact is put into the encoded texts where the
    template is a skeleton and the values are ordinary; otherwise the text is
    made first, and encoded whole. Both decode to the same text.
    """

    def __init__(self, template: CompiledTemplate, constants: Known, *, is_spliced: bool) -> None:
        self.template = template
        self._is_html = template.is_html
        self._encoding = best_encoding(template.source)
        self._skeleton = skeleton_of(template, constants) if is_spliced else None
        self._long_lines = NO_LINES if self._skeleton is not None else long_lines(template.source)
        fixed = None if self._skeleton is None else self._fixed_pieces(self._skeleton)
        self._start = None if fixed is None else fixed[0]
        # Each value's slot with the text that follows it.
        self._slots = (
            () if self._skeleton is None or fixed is None else tuple(zip(self._skeleton.slots, fixed[1:], strict=True))
        )

    @property
    def head(self) -> str:
        """The part's own header, and the empty line after it."""
        kind = "html" if self._is_html else "plain"
        return f'Content-Type: text/{kind}; charset="utf-8"\r\nContent-Transfer-Encoding: {self._encoding}\r\n\r\n'

    def encoded(self, known: Known, names: Names) -> str:
        """
        The part's content, ending in CRLF.

        *names* gives what the sandbox needs, and is asked only if it is needed.

        Raises:
            RenderError: the template cannot be filled in.
        """
        if self._skeleton is None:
            return self._whole(self.template.render(names()))
        try:
            return self._spliced(known) or self._whole(self._joined(self._skeleton, known))
        except UnusualError:
            return self._whole(self.template.render(names()))

    def _spliced(self, known: Known) -> str | None:
        """The encoded texts with the values between them; None where a value could change more than its own place."""
        if self._start is None:
            return None
        pieces = [self._start]
        for slot, fixed in self._slots:
            value = slot(known)
            text = value if type(value) is str else str(value)
            if _AS_IT_IS(text):
                pieces += (text, "=\r\n", fixed)
                continue
            text = self._text(value)
            # Such a value may join two lines, or part one.
            if _MAKES_LINES(text) or not (self._is_html or text.strip(" \t")):
                return None
            pieces += (quoted_piece(text), fixed)
        return "".join(pieces)

    def _fixed_pieces(self, skeleton: Skeleton) -> list[str] | None:
        """The texts of a skeleton, encoded, each but the last with a soft line break; None if that cannot be."""
        texts = self._tidy(_SLOT.join(map(one_kind_of_line_end, skeleton.texts))).split(_SLOT)
        if self._encoding == "base64":
            # Three bytes make four characters: where a text begins decides how it is written.
            return [encoded_text(texts[0], "base64") + "\r\n"] if len(texts) == 1 else None
        pieces = [quoted_piece(text) if text and not text.endswith("\n") else quoted_printable(text) for text in texts]
        return [*pieces[:-1], quoted_printable(texts[-1])]

    def _whole(self, text: str) -> str:
        encoded = encoded_text(self._tidy(one_kind_of_line_end(text)), self._encoding, self._long_lines)
        return encoded if encoded.endswith("\r\n") else encoded + "\r\n"

    def _tidy(self, text: str) -> str:
        # Blocks that are left out for this contact leave their empty lines behind.
        text = text if self._is_html else _EMPTY_LINES.sub("\n\n", text)
        return text if text.endswith("\n") else text + "\n"

    def _joined(self, skeleton: Skeleton, known: Known) -> str:
        return skeleton.joined([self._text(slot(known)) for slot in skeleton.slots])

    def _text(self, value: Any) -> str:
        return str(escape(value) if self._is_html else value)
