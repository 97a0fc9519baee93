"""Random branches of exact sizes."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import floor


def sizes(shares: Mapping[str, Fraction], cohort: int) -> dict[str, int]:
    """
    How many of *cohort* contacts each branch gets: exact to one contact, and all of them together.

    The largest remainders get the contacts that are left over; the first
    written wins a tie.

    >>> sizes({"a": Fraction(3, 10), "b": Fraction(3, 10), "c": Fraction(4, 10)}, 7)
    {'a': 2, 'b': 2, 'c': 3}
    """
    exact = {name: share * cohort for name, share in shares.items()}
    counts = {name: floor(size) for name, size in exact.items()}
    left_over = round(sum(exact.values())) - sum(counts.values())
    by_remainder = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in by_remainder[:left_over]:
        counts[name] += 1
    return counts
