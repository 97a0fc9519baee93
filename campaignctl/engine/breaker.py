"""When so many messages of a step come back that a person has to look before more leave."""

from __future__ import annotations

from typing import Final

# Mailbox providers take a list whose first messages bounce for a bought one.
FIRST_MESSAGES: Final = 200
MOST_HARD_BOUNCES: Final = 0.05
# Above this, mailbox providers begin to refuse a sender.
MOST_COMPLAINTS: Final = 0.001
_FEWEST_JUDGED: Final = 1000  # one who complains among the first is no sign


def bounces_too_often(tried: int, hard_bounces: int) -> bool:
    """
    Whether more than one in twenty of the first two hundred messages bounced hard.

    >>> bounces_too_often(30, 10), bounces_too_often(30, 11), bounces_too_often(300, 40)
    (False, True, False)
    """
    return tried <= FIRST_MESSAGES and hard_bounces > FIRST_MESSAGES * MOST_HARD_BOUNCES


def is_complained_about(sent: int, complaints: int) -> bool:
    """
    Whether more than one in a thousand called the message spam, and more than one in all.

    >>> is_complained_about(10, 1), is_complained_about(10, 2), is_complained_about(3000, 3)
    (False, True, False)
    """
    return complaints > max(sent, _FEWEST_JUDGED) * MOST_COMPLAINTS
