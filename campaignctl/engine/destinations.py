"""How many messages may be under way to one domain: carefully at first, more as they are taken."""

from __future__ import annotations

from collections import Counter
from typing import Final

from campaignctl.ports import Outcome, Verdict

FIRST_LIMIT: Final = 5
HIGHEST_LIMIT: Final = 20


class Destinations:
    """
    The domains that messages are under way to, and how many each stands at once.

    One more for every message that is taken, to twenty; half as many for every
    one that is refused for now, to one.
    """

    def __init__(self) -> None:
        self._under_way: Counter[str] = Counter()
        self._limits: dict[str, int] = {}

    def has_room(self, domain: str) -> bool:
        """Whether one more message may be sent there."""
        return self._under_way[domain] < self._limits.get(domain, FIRST_LIMIT)

    def began(self, domain: str) -> None:
        """A message to this domain is under way."""
        self._under_way[domain] += 1

    def gave_back(self, domain: str) -> None:
        """A message that was to go there does not."""
        self._under_way[domain] -= 1
        if self._under_way[domain] <= 0:
            del self._under_way[domain]

    def ended(self, domain: str, outcome: Outcome) -> None:
        """A message to this domain met its outcome."""
        self.gave_back(domain)
        limit = self._limits.get(domain, FIRST_LIMIT)
        if outcome.verdict is Verdict.SENT and limit < HIGHEST_LIMIT:
            self._limits[domain] = limit + 1
        elif outcome.verdict is Verdict.DEFERRED:
            self._limits[domain] = max(1, limit // 2)


def domain_of(address: str | None) -> str:
    """
    The part behind the @, in small letters.

    >>> domain_of("Ada@Example.org")
    'example.org'
    """
    return (address or "").rpartition("@")[2].lower()
