"""What a step may do with its cohort. The engine carries each out with one statement where one will do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal as Literal_

from campaignctl.campaign.condition import Condition
from campaignctl.campaign.fields import Literal
from campaignctl.campaign.steps.base import Gate


@dataclass(frozen=True)
class Deliver:
    """
    Make one delivery by this channel for every member of the cohort.

    With *batch*, so many of them go in one request, and share its verdict. A
    *gate* looks at them before they leave.
    """

    channel: str
    batch: int | None = None
    gate: Gate | None = None


@dataclass(frozen=True)
class ByShare:
    """Random branches: each branch and its part of one, in the order written."""

    shares: Mapping[str, Fraction]


@dataclass(frozen=True)
class ByCondition:
    """The first branch whose condition matches; None matches everybody."""

    branches: tuple[tuple[str, Condition | None], ...]


@dataclass(frozen=True)
class ByEngagement:
    """The first branch whose reaction to the message of step `of` is the contact's; None is everybody's."""

    of: str
    branches: tuple[tuple[str, Reaction | None], ...]


@dataclass(frozen=True)
class Reaction:
    """
    What a contact did, or did not do, with a message.

    `kind` is `open`, `click`, `bounce` or `sent`; `link` narrows clicks to
    URLs that begin with it.
    """

    kind: str
    is_wanted: bool = True
    link: str = ""


@dataclass(frozen=True)
class Divide:
    """Send parts of the cohort down different branches."""

    rule: ByShare | ByCondition | ByEngagement


@dataclass(frozen=True)
class Assign:
    """Give every contact of the cohort these attributes; None removes one. Text may be a template."""

    attributes: Mapping[str, Literal]


@dataclass(frozen=True)
class Leave:
    """The cohort's members are done."""


@dataclass(frozen=True)
class Ask:
    """Let another system decide who of the cohort goes on."""

    gate: Gate


@dataclass(frozen=True)
class Write:
    """Write the cohort to a file of the project, as this network takes it."""

    network: Literal_["meta", "google", "tiktok", "csv"]
    path: str


Effect = Deliver | Divide | Assign | Leave | Ask | Write
