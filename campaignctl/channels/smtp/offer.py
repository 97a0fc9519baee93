"""What a server can do, as it says itself in its answer to EHLO."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Offer:
    """What the server says it can do."""

    may_start_tls: bool = False
    may_pipeline: bool = False
    has_8bit: bool = False
    size_limit: int = 0
    authentication: frozenset[str] = frozenset()

    @classmethod
    def read(cls, lines: Iterable[str]) -> Offer:
        """
        From the lines after the first of an answer to EHLO.

        >>> Offer.read(["SIZE 1000", "AUTH PLAIN LOGIN"]).size_limit
        1000
        """
        words = {keyword: rest for keyword, *rest in (line.upper().split() for line in lines if line.split())}
        limit = "".join(words.get("SIZE", [])[:1])
        return cls(
            may_start_tls="STARTTLS" in words,
            may_pipeline="PIPELINING" in words,
            has_8bit="8BITMIME" in words,
            size_limit=int(limit) if limit.isascii() and limit.isdigit() else 0,
            authentication=frozenset(words.get("AUTH", [])),
        )
