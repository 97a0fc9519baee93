"""`split`: send parts of the cohort down different branches."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from campaignctl.campaign.condition import NamedCondition
from campaignctl.campaign.fields import AS_MAPPING, AS_TEXT, BY_KIND, Model, Name, Share, Text
from campaignctl.campaign.steps.base import StepBase
from campaignctl.campaign.steps.effects import ByCondition, ByEngagement, ByShare, Divide, Reaction

if TYPE_CHECKING:  # union.py gives the name when it has met every verb
    from campaignctl.campaign.steps.union import AnyStep


class BranchBase(Model):
    """A sequence of steps that a part of the cohort takes."""

    name: Name = Field(description="The branch's name, unique in the split.", examples=["clicked"])
    steps: list[AnyStep] = Field([], description="What these contacts get; they go on after the split without.")


class SharedBranch(BranchBase):
    """A branch that takes a part of the cohort by chance."""

    share: Share = Field(description="Its part of the cohort.", examples=["30%"])


class SegmentBranch(BranchBase):
    """A branch for contacts that match a condition."""

    when: NamedCondition | None = Field(None, description="Who takes it; everybody else where left out.")


class ClickedLink(Model):
    """Clicked a certain link."""

    clicked: Text = Field(description="What the link begins with.", examples=["https://shop.example/sale"])


_ReactionWord = Literal["opened", "clicked", "bounced", "sent", "not_opened", "not_clicked", "not_sent"]
_Reaction = Annotated[Annotated[_ReactionWord, AS_TEXT] | Annotated[ClickedLink, AS_MAPPING], BY_KIND] | None


class EngagementBranch(BranchBase):
    """A branch for contacts that did, or did not do, something with a message."""

    when: _Reaction = Field(None, description="What they did; everybody else where left out.", examples=["clicked"])

    def reaction(self) -> Reaction | None:
        """
        What the engine looks for, or None for everybody else.

        >>> EngagementBranch(name="quiet", when="not_opened").reaction()
        Reaction(kind='open', is_wanted=False, link='')
        """
        if self.when is None:
            return None
        if isinstance(self.when, ClickedLink):
            return Reaction("click", link=self.when.clicked)
        word = str(self.when)
        kind = _EVENTS[word.removeprefix("not_")]
        return Reaction(kind, is_wanted=not word.startswith("not_"))


_EVENTS = {"opened": "open", "clicked": "click", "bounced": "bounce", "sent": "sent"}


class RandomSplit(Model):
    """
    Divide the cohort by shares.

    Who goes where depends on the campaign's seed, the step and the contact,
    and on nothing else: after a restart, in a simulation or on another
    machine, every contact takes the same branch. Sizes are exact to one.
    """

    by: Literal["random"] = Field(description="By chance.")
    branches: list[SharedBranch] = Field(min_length=1, description="The branches; their shares add up to 100%.")

    def rule(self) -> ByShare:
        return ByShare({branch.name: Fraction(branch.share) / 100 for branch in self.branches})


class SegmentSplit(Model):
    """Divide the cohort by conditions; the first branch that matches wins."""

    by: Literal["segment"] = Field(description="By conditions.")
    branches: list[SegmentBranch] = Field(min_length=1, description="The branches, in the order they are tried.")

    def rule(self) -> ByCondition:
        return ByCondition(tuple((branch.name, branch.when) for branch in self.branches))


class EngagementSplit(Model):
    """Divide the cohort by what contacts did with an earlier message; the first branch that matches wins."""

    by: Literal["engagement"] = Field(description="By what contacts did with a message.")
    of: Name = Field(description="The earlier email or sms step.", examples=["invitation"])
    branches: list[EngagementBranch] = Field(min_length=1, description="The branches, in the order they are tried.")

    def rule(self) -> ByEngagement:
        return ByEngagement(self.of, tuple((branch.name, branch.reaction()) for branch in self.branches))


def _tag(value: Any) -> str | None:
    by = value.get("by") if isinstance(value, dict) else getattr(value, "by", None)
    return f"<{by}>" if by in ("random", "segment", "engagement") else None


Split = Annotated[
    Annotated[RandomSplit, Tag("<random>")]
    | Annotated[SegmentSplit, Tag("<segment>")]
    | Annotated[EngagementSplit, Tag("<engagement>")],
    Discriminator(_tag, custom_error_type="split", custom_error_message="split"),
]


class SplitStep(StepBase):
    """Different ways for different contacts, who meet again after it."""

    split: Split = Field(description="Who goes where.")

    def effect(self) -> Divide:
        return Divide(self.split.rule())
