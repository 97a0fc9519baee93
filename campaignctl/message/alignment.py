"""Whether the domain that signs a message is that of its sender, as receivers ask (RFC 7489, section 3.1.1)."""

from __future__ import annotations


def is_aligned(sender: str, domain: str) -> bool:
    """
    Whether the address *sender* is in *domain*, below it, or above it.

    >>> is_aligned("news@shop.example", "shop.example"), is_aligned("news@mail.shop.example", "shop.example")
    (True, True)
    >>> is_aligned("news@myshop.example", "shop.example")
    False
    """
    own, signing = sender.rpartition("@")[2].lower(), domain.lower()
    return own == signing or own.endswith(f".{signing}") or signing.endswith(f".{own}")


def unaligned(sender: str, domain: str) -> tuple[str, str]:
    """What is so, and what to do."""
    own = sender.rpartition("@")[2]
    return f"mail from `{own}` is signed for `{domain}`, which does not speak for it", f"sign for `{own}`"
