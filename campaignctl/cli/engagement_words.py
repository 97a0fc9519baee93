"""What contacts did with the messages of a step, for people and for scripts."""

from __future__ import annotations

from dataclasses import asdict

from campaignctl.store.conversions import Engagement, Seen


def engagement_document(engagement: Engagement | None) -> dict[str, object] | None:
    """As JSON has it: contacts that opened and clicked, conversions, and their value by currency."""
    return None if engagement is None else asdict(engagement)


def engagement_words(engagement: Engagement | None) -> str:
    """
    In a sentence; nothing where nobody did anything.

    >>> engagement_words(Engagement(Seen(3, 1), Seen(1), 2, 1, {"EUR": 59.8}))
    'opened by 3 (for 1 more by machines only), clicked by 1; 2 conversions by 1, 59.80 EUR'
    """
    if engagement is None:
        return ""
    seen = [*_seen("opened", engagement.opens), *_seen("clicked", engagement.clicks)]
    parts = [", ".join(seen)] if seen else []
    if number := engagement.conversions:
        values = [f"{value:.2f} {currency}" for currency, value in engagement.revenue.items()]
        conversions = f"{number} conversion{'' if number == 1 else 's'} by {engagement.converted}"
        parts.append(", ".join([conversions, *values]))
    return "; ".join(parts)


def _seen(word: str, seen: Seen) -> list[str]:
    if not (seen.people or seen.machines):
        return []
    return [f"{word} by {seen.people}" + (f" (for {seen.machines} more by machines only)" if seen.machines else "")]
