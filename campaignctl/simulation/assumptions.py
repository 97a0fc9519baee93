"""What contacts are assumed to do with messages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from math import floor
from typing import Any, Final

from campaignctl.campaign.fields import parse_share
from campaignctl.campaign.steps.split import EngagementSplit, SplitStep
from campaignctl.campaign.steps.union import every_step
from campaignctl.campaign.version import Version
from campaignctl.diagnostics import did_you_mean, listed
from campaignctl.errors import UsageError
from campaignctl.ports import Cohort
from campaignctl.store.events import EventKind
from campaignctl.store.virtual.ledger import VirtualLedger
from campaignctl.store.virtual.tables import PRIME, Mixed

KINDS: Final = {
    "opened": EventKind.OPEN,
    "clicked": EventKind.CLICK,
    "bounced": EventKind.BOUNCE,
    "unsubscribed": EventKind.UNSUBSCRIBE,
}
# These end what may be sent; the others are only looked at by conditions and splits.
_SUPPRESSING: Final = ("bounced", "unsubscribed")


@dataclass(frozen=True)
class Assumptions:
    """Which part of those who get a message does what with it; who it is, the seed decides."""

    seed: str = "1"
    shares: Mapping[str, Fraction] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str, seed: str) -> Assumptions:
        """
        Read `opened=30%,clicked=5%`.

        Raises:
            UsageError: it is not written so, or adds up to more than everybody.

        >>> Assumptions.parse("opened=30%,clicked=2.5%", "1").shares
        {'opened': Fraction(3, 10), 'clicked': Fraction(1, 40)}
        """
        shares: dict[str, Fraction] = {}
        for part in filter(None, (each.strip() for each in text.split(","))):
            word, _, share = part.partition("=")
            if word not in KINDS:
                hint = did_you_mean(word, KINDS, f"write {listed(list(KINDS))}")
                raise UsageError("U110", f"`{word}` is nothing that can be assumed", hint)
            try:
                shares[word] = Fraction(0) if share in ("0", "0%") else Fraction(parse_share(share)) / 100
            except ValueError as failure:
                message = f"`{share}` is not a share of those who get a message"
                raise UsageError("U110", message, f"write it like `{word}=30%`") from failure
        here = max((share for word, share in shares.items() if word != "bounced"), default=Fraction())
        if here + shares.get("bounced", 0) > 1:
            message = "more than everybody reads the message or never gets it"
            raise UsageError("U110", message, "let `bounced` and each of the others be 100% together at most")
        return cls(seed, shares)

    def react(self, cohort: Cohort, ledger: VirtualLedger, now: datetime) -> None:
        """Let those who got the messages of a step do with them what is assumed."""
        wanted = [word for word in self.shares if word in _SUPPRESSING or _matters(cohort.version, cohort.step.name)]
        if not wanted:
            return
        ledger.draw(cohort.campaign, self.seed)
        sent = ledger.sent_count(cohort.step)
        for word in wanted:
            number = floor(self.shares[word] * sent + Fraction(1, 2))
            mixed = mixed_for(self.seed, cohort.step.name)
            ledger.react(cohort, KINDS[word], number, mixed, now, from_the_end=word == "bounced")


def mixed_for(seed: str, step: str) -> Mixed:
    """
    The two numbers that make the order of members for a step.

    >>> mixed_for("1", "invitation") == mixed_for("1", "invitation"), mixed_for("1", "a") == mixed_for("2", "a")
    (True, False)
    """
    digest = hashlib.sha256(f"{seed}\0{step}".encode()).digest()
    return int.from_bytes(digest[:8]) % (PRIME - 1) + 1, int.from_bytes(digest[8:16]) % PRIME


def _matters(version: Version, step: str) -> bool:
    """Whether anything of the campaign asks what contacts did with the messages of *step*."""
    if _asks_for_reactions(json.loads(version.stored())):
        return True
    splits = (each.split for each in every_step(version.campaign.steps) if isinstance(each, SplitStep))
    return any(isinstance(split, EngagementSplit) and split.of == step for split in splits)


def _asks_for_reactions(node: Any) -> bool:
    """Whether a condition about reactions stands anywhere in a version."""
    if isinstance(node, list):
        return any(map(_asks_for_reactions, node))
    if not isinstance(node, dict) or node.get("by") == "engagement":
        # The branches of such a split hold steps, which may split by conditions.
        inside = [] if not isinstance(node, dict) else [branch.get("steps", []) for branch in node.get("branches", [])]
        return any(map(_asks_for_reactions, inside))
    return any(word in KINDS for word in node) or any(map(_asks_for_reactions, node.values()))
