"""What publishing a file would do, as values: compared with the store as it is at one moment, and nothing written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from campaignctl.campaign.model import ApiStarter, Campaign
from campaignctl.campaign.steps.email import EmailStep
from campaignctl.campaign.steps.union import RunnableStep, every_step, verb_of
from campaignctl.campaign.version import Version
from campaignctl.errors import RefusedError
from campaignctl.flow.changes import Change, ChangeKind
from campaignctl.flow.edits import STOPPED, Standing, edits
from campaignctl.flow.states import CampaignState, StepState
from campaignctl.flow.tree import Stop, stops
from campaignctl.ports import LiveCampaign, LiveStep
from campaignctl.project import Project
from campaignctl.store.ledger import SqlLedger


class Action(StrEnum):
    """What publishing would come to."""

    CREATE = "create"  # a new campaign
    UPDATE = "update"  # a new version of one that is there
    EXTEND = "extend"  # the same of one that is completed: only by `extend`
    NONE = "none"  # it is published as it is
    REFUSED = "refused"  # something of it is not possible now


@dataclass(frozen=True)
class Proposal:
    """
    What publishing would do: `publish` does this list, and `plan` prints it.

    `steps` are the campaign's steps as they would stand afterwards; those
    without an id are new. `retimed` are those to which it gives a time.
    """

    version: Version
    action: Action
    changes: tuple[Change, ...]
    steps: tuple[LiveStep, ...]
    retimed: frozenset[str]
    live: LiveCampaign | None = None

    @property
    def refused(self) -> list[Change]:
        return [change for change in self.changes if change.is_refused]

    @property
    def asks_first(self) -> list[Change]:
        """The changes that want the campaign paused, or `--live`."""
        return [change for change in self.changes if change.asks_first]


def proposed(
    ledger: SqlLedger, version: Version, project: Project, now: datetime, *, starts_now: bool = False
) -> Proposal:
    """
    What publishing *version* now would do; with *starts_now* its first step runs after the safety delay.

    Raises:
        RefusedError: it needs what this version of the program cannot do.
    """
    refuse_missing(version.campaign, project)
    live = ledger.campaign_named(version.campaign.campaign)
    if live is None:
        return _creation(version, project.safety_delay, now, starts_now)
    return _change(live, ledger, version, project.safety_delay, now)


# new campaigns


def _creation(version: Version, safety_delay: timedelta, now: datetime, starts_now: bool) -> Proposal:
    planned = planned_steps(version, now, safety_delay, now + safety_delay if starts_now else None)
    changes = tuple(_of_new_step(step, now) for step in planned)
    action = Action.REFUSED if any(change.is_refused for change in changes) else Action.CREATE
    return Proposal(version, action, changes, tuple(planned), frozenset(step.name for step in planned))


def _of_new_step(step: LiveStep, now: datetime) -> Change:
    addition = Change(step.name, ChangeKind.STRUCTURE, "step", None, step.verb)
    if step.at is None or step.at >= now:
        return addition
    return replace(addition, kind=ChangeKind.REFUSED, reason="its time is past")


def planned_steps(
    version: Version, published_at: datetime, safety_delay: timedelta, first_at: datetime | None = None
) -> list[LiveStep]:
    """
    The steps as they are planned: at their times, and never sooner than the safety delay allows.

    *first_at* takes the place of the first step's time (`--now`).
    """
    earliest = published_at + safety_delay
    planned = [_new_step(stop, version, 1, earliest) for stop in stops(version.campaign)]
    if first_at is not None:
        state = StepState.SCHEDULED
        planned[0] = replace(planned[0], state=state, at=first_at, effective_at=max(first_at, earliest))
    return planned


def _new_step(stop: Stop, version: Version, number: int, earliest: datetime) -> LiveStep:
    at = stop.step.instant_in(version.zone)
    return LiveStep(
        id=0,
        name=stop.id,
        position=stop.position,
        verb=verb_of(stop.step),
        state=StepState.WAITING if at is None else StepState.SCHEDULED,
        version=number,
        at=at,
        effective_at=None if at is None else max(at, earliest),
        started_at=None,
        finished_at=None,
        cohort=None,
        reason=None,
    )


# campaigns that are there


def _change(
    live: LiveCampaign, ledger: SqlLedger, version: Version, safety_delay: timedelta, now: datetime
) -> Proposal:
    published = ledger.version(live, live.version)
    changes = edits(published, version, _standing(live, ledger), now) or _refused_anyway(live)
    retimed = frozenset(str(each.step) for each in changes if each.field in ("at", "step") and each.after is not None)
    steps = _steps_after(live, version, retimed, now + safety_delay) if changes else live.steps
    return Proposal(version, _action(live, changes), tuple(changes), tuple(steps), retimed, live)


def _refused_anyway(live: LiveCampaign) -> list[Change]:
    """A stopped campaign is not published again, not even as it is."""
    if live.state is not CampaignState.STOPPED:
        return []
    return [Change(None, ChangeKind.REFUSED, "state", live.state.value, None, STOPPED)]


def _action(live: LiveCampaign, changes: list[Change]) -> Action:
    if not changes:
        return Action.NONE
    if any(change.is_refused for change in changes):
        return Action.REFUSED
    return Action.EXTEND if live.state is CampaignState.COMPLETED else Action.UPDATE


def _standing(live: LiveCampaign, ledger: SqlLedger) -> Standing:
    begun = frozenset(step.name for step in live.steps if step.has_begun)
    return Standing(live.state, live.started_at is not None, begun, ledger.former_verbs(live))


def _steps_after(
    live: LiveCampaign, version: Version, retimed: frozenset[str], earliest: datetime
) -> Iterator[LiveStep]:
    """The steps as the next version has them: those that have begun keep all but their number in the order."""
    known = {step.name: step for step in live.steps}
    for stop in stops(version.campaign):
        new, old = _new_step(stop, version, live.version + 1, earliest), known.get(stop.id)
        if old is None:
            yield new
        elif old.has_begun:
            yield replace(old, position=stop.position)
        elif stop.id in retimed:
            yield replace(new, id=old.id)
        else:
            yield replace(old, position=stop.position, verb=new.verb, version=new.version)


# what is not there yet


def refuse_missing(campaign: Campaign, project: Project) -> None:
    """
    Let only campaigns pass that this version of the program can run.

    Raises:
        RefusedError: it needs more.
    """
    missing = [f"{what} ({where})" for where, what in needed_and_missing(campaign, project)]
    if missing:
        raise RefusedError(
            "P104",
            f"`{campaign.campaign}` needs what this version of campaignctl cannot run: {', '.join(missing)}",
            "it is read and checked already; leave it out to publish now",
        )


def needed_and_missing(campaign: Campaign, project: Project) -> Iterator[tuple[str, str]]:
    """What the campaign needs and this version of the program cannot do: where, and what."""
    if isinstance(campaign.starter, ApiStarter):
        yield "starter", "`api`"
    elif campaign.every is not None:
        yield "starter", "`every`"
    for step in every_step(campaign.steps):
        where = f"step `{step.id}`"
        if not isinstance(step, RunnableStep):
            yield where, f"`{verb_of(step)}`"
        elif isinstance(step, EmailStep):
            for key in ("gate", "variants", "test", "track"):
                if key in step.email.model_fields_set:
                    yield where, f"`{key}`"
    if project.approval.required:
        yield "the project", "`approval.required`"
