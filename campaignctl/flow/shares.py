"""Random branches: exact sizes, and an order that only seed, step and contact decide."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Final

# Arithmetic happens modulo this prime: products of two residues fit into the
# 63 bits that databases calculate with.
PRIME: Final = 2**31 - 1


def draw_of(key: str) -> int:
    """
    The number that stands for a contact in every draw: a residue of PRIME, from the contact's key alone.

    >>> draw_of("c-17")
    1185083647
    """
    return zlib.crc32(key.encode()) % PRIME


@dataclass(frozen=True)
class Order:
    """
    A random order of contacts: by `((a·x + b)·x + c)·x + d` modulo PRIME of their draw x.

    A polynomial of degree three with random coefficients makes any four
    contacts independent of each other (Wegman and Carter, 1981), and is plain
    arithmetic that every database does by itself.
    """

    coefficients: tuple[int, int, int, int]

    @classmethod
    def of(cls, seed: str, step: str) -> Order:
        """The order of one split of one campaign."""
        digest = hashlib.sha256(f"{seed}\0{step}".encode()).digest()
        a, b, c, d = (int.from_bytes(digest[place : place + 8]) % PRIME for place in (0, 8, 16, 24))
        return cls((a or 1, b, c, d))

    def rank(self, draw: int) -> int:
        """Where a contact with this draw stands; equal ranks are ordered by the contact's key."""
        rank = 0
        for coefficient in self.coefficients:
            rank = (rank * draw + coefficient) % PRIME
        return rank


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
