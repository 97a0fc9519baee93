"""
What can go wrong in the world, as one tree of exceptions.

::

    CampaignctlError          a sentence for the user, with a code and a hint
    ├── UsageError            the command was written wrongly               exit 2
    ├── WorkFailedError       the work was tried and did not succeed        exit 1
    ├── RefusedError          not allowed in the present state of things    exit 3
    ├── StoreError            the store cannot be used                      exit 78
    └── ChannelError          a channel cannot be used at all               exit 1

Problems *in files* are values (`diagnostics.Problem`), not exceptions: all of
them are collected and shown at once.
"""


class CampaignctlError(Exception):
    """Something in the world is not as it has to be. Shown to the user as `code`, sentence and hint."""

    exit_code = 1

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint


class UsageError(CampaignctlError):
    """The command was written wrongly."""

    exit_code = 2


class WorkFailedError(CampaignctlError):
    """The work was tried and did not succeed."""


class RefusedError(CampaignctlError):
    """The state of things does not allow it now."""

    exit_code = 3


class StoreError(CampaignctlError):
    """The store cannot be used."""

    exit_code = 78


class ChannelError(CampaignctlError):
    """A channel cannot be used at all, whatever the message."""
